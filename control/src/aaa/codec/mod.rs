//! RADIUS on the wire. Attributes are the `radius` crate's; what makes a packet trustworthy is here,
//! because the crate does not know Message-Authenticator.
//!
//! ```text
//!   code  identifier  length  authenticator(16)  Message-Authenticator(18)  other attributes
//!                             ├─ request: random, or MD5 over the packet with zeros here, and secret
//!                             └─ answer:  MD5 over the packet with the request's here, and secret
//! ```
//!
//! Our Message-Authenticator is the first attribute, so that nothing that an attacker chooses comes
//! before it.

mod order;
mod request;

pub(super) use order::{order, order_answer};
pub use order::{Order, Selector, What};
pub(super) use request::{access_request, accounting_request, Question};

use super::authorization::Authorization;
use super::counters::AaaCounter;
use crate::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use radius::core::avp::AVPType;
use radius::core::code::Code;
use radius::core::packet::Packet;
use radius::core::{rfc2865, rfc2869, rfc4372, rfc6572};
use roles::policy::Ipv4HomeAddress;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use wire::mh::HomeNetworkPrefix;

/// Octets of a packet's head.
const HEAD: usize = 20;

/// Octets of an authenticator of either kind.
const AUTHENTICATOR: usize = 16;

/// Octets of the longest packet (RFC 2865 section 3).
pub(super) const LONGEST: usize = 4_096;

/// How servers know this gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nas {
    /// NAS-Identifier.
    pub identifier: String,
    /// NAS-IPv6-Address.
    pub address: Ipv6Addr,
    /// NAS-Port-Type (RFC 2865 section 5.41).
    pub port_type: u32,
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Access-Accept.
    Accept(Box<Authorization>),
    /// Access-Accept with an attribute that makes no sense: as good as a reject.
    Unusable(&'static str),
    /// Access-Reject, or a challenge, which nobody here can meet (RFC 2865 section 4.4).
    Reject,
    /// Accounting-Response.
    Accounted,
}

/// A packet as a view: its attributes are known to be whole.
struct View<'a> {
    octets: &'a [u8],
}

impl<'a> View<'a> {
    /// The packet at the front of a datagram; what is behind it is padding (RFC 2865 section 3).
    fn of(datagram: &'a [u8]) -> Option<Self> {
        let length = u16::from_be_bytes([*datagram.get(2)?, *datagram.get(3)?]);
        let octets = datagram.get(..usize::from(length))?;
        if !(HEAD..=LONGEST).contains(&octets.len()) {
            return None;
        }
        let view = Self { octets };
        let whole = view
            .attributes()
            .map(|(_, value)| value.len() + 2)
            .sum::<usize>();
        (HEAD + whole == octets.len()).then_some(view)
    }

    /// Type and value of each attribute, up to one that does not fit.
    fn attributes(&self) -> impl Iterator<Item = (u8, &'a [u8])> {
        let mut rest = self.octets.get(HEAD..).unwrap_or_default();
        std::iter::from_fn(move || {
            let (kind, length) = (*rest.first()?, usize::from(*rest.get(1)?));
            let value = rest.get(2..length)?;
            rest = rest.get(length..)?;
            Some((kind, value))
        })
    }

    /// Where the value of the only Message-Authenticator begins; an error when there are several, or
    /// one of another length.
    fn message_authenticator(&self) -> Result<Option<usize>, AaaCounter> {
        let mut at = HEAD;
        let mut found = None;
        for (kind, value) in self.attributes() {
            if kind == rfc2869::MESSAGE_AUTHENTICATOR_TYPE {
                if found.is_some() || value.len() != AUTHENTICATOR {
                    return Err(AaaCounter::AnswerMissigned);
                }
                found = Some(at + 2);
            }
            at += 2 + value.len();
        }
        Ok(found)
    }

    /// Whether the Message-Authenticator at `at` is right, with `authenticator` in the head.
    fn is_signed(&self, at: usize, authenticator: &[u8], secret: &Secret) -> bool {
        let mut copy = self.octets.to_vec();
        let Some(claimed) = self.octets.get(at..at + AUTHENTICATOR) else {
            return false;
        };
        put(&mut copy, 4, authenticator);
        put(&mut copy, at, &[0; AUTHENTICATOR]);
        mac(secret, &copy).is_some_and(|mac| mac.verify_slice(claimed).is_ok())
    }
}

/// Overwrites octets that are there.
fn put(octets: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = octets.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

/// HMAC-MD5 over these octets, unfinished (RFC 2869 section 5.14).
fn mac(secret: &Secret, octets: &[u8]) -> Option<Hmac<Md5>> {
    // Keys of every length are taken.
    let mut mac = Hmac::<Md5>::new_from_slice(secret.octets()).ok()?;
    mac.update(octets);
    Some(mac)
}

/// Reads the answer to `request`, if it is one that can be trusted.
///
/// # Errors
/// What to count it as.
pub(super) fn answer(
    datagram: &[u8],
    request: &[u8],
    secret: &Secret,
) -> Result<Answer, AaaCounter> {
    let view = View::of(datagram).ok_or(AaaCounter::AnswerMalformed)?;
    let code = Code::from(view.octets.first().copied().unwrap_or(0));
    let asked = Code::from(request.first().copied().unwrap_or(0));
    let access = match (asked, code) {
        (Code::AccessRequest, Code::AccessAccept | Code::AccessReject | Code::AccessChallenge) => {
            true
        }
        (Code::AccountingRequest, Code::AccountingResponse) => false,
        _ => return Err(AaaCounter::AnswerMalformed),
    };
    let authenticator = request.get(4..HEAD).unwrap_or_default();
    match view.message_authenticator()? {
        Some(at) if view.is_signed(at, authenticator, secret) => {}
        Some(_) => return Err(AaaCounter::AnswerMissigned),
        None if access => return Err(AaaCounter::AnswerUnsigned),
        None => {}
    }
    if !Packet::is_authentic_response(view.octets, request, secret.octets()) {
        return Err(AaaCounter::AnswerForged);
    }
    Ok(match code {
        Code::AccountingResponse => Answer::Accounted,
        Code::AccessAccept => {
            let packet = Packet::decode(view.octets, secret.octets());
            let packet = packet.map_err(|_| AaaCounter::AnswerMalformed)?;
            match authorization(&packet) {
                Ok(authorization) => Answer::Accept(Box::new(authorization)),
                Err(attribute) => Answer::Unusable(attribute),
            }
        }
        _ => Answer::Reject,
    })
}

/// What the attributes of a packet say of a host.
///
/// # Errors
/// The name of the attribute that makes no sense.
fn authorization(packet: &Packet) -> Result<Authorization, &'static str> {
    let text = |kind, name| match raw(packet, kind) {
        Some(octets) => identity(octets).map(Some).ok_or(name),
        None => Ok(None),
    };
    let seconds = |kind, name| match packet.lookup(kind) {
        Some(avp) => avp.encode_u32().map(Some).map_err(|_| name),
        None => Ok(None),
    };
    type Time = Result<Option<Duration>, &'static str>;
    let duration = |kind, name| -> Time {
        let seconds = seconds(kind, name)?;
        Ok(seconds.map(|seconds| Duration::from_secs(seconds.into())))
    };
    // Zero stands for no limit with many servers, and a session of no time would be a reject.
    let limit = |kind, name| -> Time { Ok(duration(kind, name)?.filter(|it| !it.is_zero())) };
    let lma = rfc6572::lookup_pmip6_home_lma_ipv6_address(packet)
        .or_else(|| rfc6572::lookup_pmip6_visited_lma_ipv6_address(packet));
    let lma = lma.transpose().map_err(|_| "PMIP6-Home-LMA-IPv6-Address")?;
    let wrong = |it: &Ipv6Addr| {
        it.is_unspecified() || it.is_multicast() || it.is_loopback() || it.is_unicast_link_local()
    };
    if lma.as_ref().is_some_and(wrong) {
        return Err("PMIP6-Home-LMA-IPv6-Address");
    }
    let first = |home, visited| match packet.lookup_all(home) {
        named if named.is_empty() => packet.lookup_all(visited),
        named => named,
    };
    let prefixes = first(
        rfc6572::PMIP6_HOME_HN_PREFIX_TYPE,
        rfc6572::PMIP6_VISITED_HN_PREFIX_TYPE,
    );
    let prefixes: Option<Vec<_>> = prefixes
        .into_iter()
        .map(|avp| prefix(&avp.encode_bytes()).filter(|it| is_home_prefix(*it)))
        .collect();
    let ipv4 = first(
        rfc6572::PMIP6_HOME_IPV4_HO_A_TYPE,
        rfc6572::PMIP6_VISITED_IPV4_HO_A_TYPE,
    );
    let ipv4 = ipv4.first().map(|avp| ipv4_prefix(&avp.encode_bytes()));
    let dhcpv6 = rfc6572::lookup_pmip6_home_dhcp6_server_address(packet).is_some()
        || rfc6572::lookup_pmip6_visited_dhcp6_server_address(packet).is_some();
    Ok(Authorization {
        user_name: text(rfc2865::USER_NAME_TYPE, "User-Name")?,
        mn_identifier: text(
            rfc6572::MOBILE_NODE_IDENTIFIER_TYPE,
            "Mobile-Node-Identifier",
        )?,
        lma,
        prefixes: prefixes.ok_or("PMIP6-Home-HN-Prefix")?,
        ipv4: match ipv4 {
            Some(given) => Some(given.ok_or("PMIP6-Home-IPv4-HoA")?),
            None => None,
        },
        service_selection: text(rfc6572::SERVICE_SELECTION_TYPE, "Service-Selection")?,
        dhcpv6,
        session_timeout: limit(rfc2865::SESSION_TIMEOUT_TYPE, "Session-Timeout")?,
        ask_again: seconds(rfc2865::TERMINATION_ACTION_TYPE, "Termination-Action")?
            .map(|action| action == rfc2865::TERMINATION_ACTION_RADIUS_REQUEST),
        idle_timeout: limit(rfc2865::IDLE_TIMEOUT_TYPE, "Idle-Timeout")?,
        interim_interval: duration(rfc2869::ACCT_INTERIM_INTERVAL_TYPE, "Acct-Interim-Interval")?,
        class: rfc2865::lookup_all_class(packet),
        chargeable: raw(packet, rfc4372::CHARGEABLE_USER_IDENTITY_TYPE),
        state: raw(packet, rfc2865::STATE_TYPE),
    })
}

fn raw(packet: &Packet, kind: AVPType) -> Option<Vec<u8>> {
    packet.lookup(kind).map(|avp| avp.encode_bytes())
}

/// An identity: text with nothing in it that nobody can see. At most 253 octets, as all attributes.
fn identity(octets: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(octets).ok()?;
    let invisible = |c: char| c.is_whitespace() || c.is_control();
    (!text.is_empty() && !text.contains(invisible)).then_some(text)
}

/// A prefix as RFC 3162 section 2.3 and RFC 6572 section 4.8 write it; octets that are left out
/// are zero.
fn prefix(value: &[u8]) -> Option<HomeNetworkPrefix> {
    let (head, octets) = value.split_at_checked(2)?;
    let length = *head.get(1)?;
    let mut address = [0; 16];
    address.get_mut(..octets.len())?.copy_from_slice(octets);
    let prefix = HomeNetworkPrefix::new(Ipv6Addr::from(address), length)?;
    (octets.len() * 8 >= usize::from(length)).then_some(prefix)
}

/// Whether a host can have that prefix.
fn is_home_prefix(prefix: HomeNetworkPrefix) -> bool {
    let address = prefix.prefix;
    !prefix.is_request() && !address.is_multicast() && !address.is_unicast_link_local()
}

/// An IPv4 address with the length of its prefix, as RFC 6572 section 4.12 writes it.
fn ipv4_prefix(value: &[u8]) -> Option<Ipv4HomeAddress> {
    let (head, address) = value.split_at_checked(2)?;
    let address = Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?);
    let length = head.get(1)? & 0x3f;
    let usable = (1..=32).contains(&length) && !wire::ipv4::address::never_a_source(address);
    usable.then_some(Ipv4HomeAddress { address, length })
}

#[cfg(test)]
pub(super) mod tests;
