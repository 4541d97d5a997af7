//! Orders of others: CoA-Request and Disconnect-Request (RFC 5176).

use super::{authorization, identity, prefix, raw, Authorization, Nas, View};
use crate::aaa::counters::AaaCounter;
use crate::aaa::orders::ErrorCause;
use crate::secret::Secret;
use radius::core::code::Code;
use radius::core::packet::Packet;
use radius::core::{rfc2865, rfc2866, rfc2869, rfc3162, rfc3576, rfc4372, rfc6572};
use std::time::Duration;
use wire::ether::MacAddr;
use wire::mh::HomeNetworkPrefix;

/// What an order wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// With which session.
    pub selector: Selector,
    /// What.
    pub what: What,
}

/// What is to be done with a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It ends.
    Disconnect,
    /// It is changed so.
    Change(Box<Authorization>),
    /// The server is asked about it anew, with this State (RFC 5176 section 3.2).
    AskAgain(Option<Vec<u8>>),
}

/// Which session: one that has all of what is named (RFC 5176 section 3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// User-Name.
    pub user_name: Option<String>,
    /// Calling-Station-Id.
    pub mac: Option<MacAddr>,
    /// Acct-Session-Id.
    pub session: Option<String>,
    /// NAS-Port-Id: name of the access interface.
    pub port: Option<String>,
    /// Chargeable-User-Identity.
    pub chargeable: Option<Vec<u8>>,
    /// Mobile-Node-Identifier, of a Disconnect-Request.
    pub mn_identifier: Option<String>,
    /// Framed-IPv6-Prefix.
    pub prefixes: Vec<HomeNetworkPrefix>,
}

impl Selector {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Attributes that name the gateway or the session, and those that every order may have.
const NAMING: &[u8] = &[
    rfc2865::USER_NAME_TYPE,
    rfc2865::NAS_IP_ADDRESS_TYPE,
    rfc2865::NAS_IDENTIFIER_TYPE,
    rfc2865::CALLING_STATION_ID_TYPE,
    rfc2865::PROXY_STATE_TYPE,
    rfc2866::ACCT_SESSION_ID_TYPE,
    rfc2869::EVENT_TIMESTAMP_TYPE,
    rfc2869::MESSAGE_AUTHENTICATOR_TYPE,
    rfc2869::NAS_PORT_ID_TYPE,
    rfc3162::NAS_IPV6_ADDRESS_TYPE,
    rfc3162::FRAMED_IPV6_PREFIX_TYPE,
    rfc4372::CHARGEABLE_USER_IDENTITY_TYPE,
    rfc6572::MOBILE_NODE_IDENTIFIER_TYPE,
];

/// Attributes that a Disconnect-Request may have as well.
const ENDING: &[u8] = &[
    rfc2865::REPLY_MESSAGE_TYPE,
    rfc2865::CLASS_TYPE,
    rfc2866::ACCT_TERMINATE_CAUSE_TYPE,
];

/// Attributes that a CoA-Request may have as well.
const CHANGING: &[u8] = &[
    rfc2865::SERVICE_TYPE_TYPE,
    rfc2865::STATE_TYPE,
    rfc2865::CLASS_TYPE,
    rfc2865::SESSION_TIMEOUT_TYPE,
    rfc2865::IDLE_TIMEOUT_TYPE,
    rfc2865::TERMINATION_ACTION_TYPE,
    rfc2869::ACCT_INTERIM_INTERVAL_TYPE,
    rfc6572::SERVICE_SELECTION_TYPE,
    rfc6572::PMIP6_HOME_LMA_IPV6_ADDRESS_TYPE,
    rfc6572::PMIP6_VISITED_LMA_IPV6_ADDRESS_TYPE,
    rfc6572::PMIP6_HOME_HN_PREFIX_TYPE,
    rfc6572::PMIP6_VISITED_HN_PREFIX_TYPE,
    rfc6572::PMIP6_HOME_IPV4_HO_A_TYPE,
    rfc6572::PMIP6_VISITED_IPV4_HO_A_TYPE,
    rfc6572::PMIP6_HOME_DHCP6_SERVER_ADDRESS_TYPE,
    rfc6572::PMIP6_VISITED_DHCP6_SERVER_ADDRESS_TYPE,
];

/// An order that can be trusted.
pub(in crate::aaa) struct Trusted {
    /// When it was first sent, in time since 1970.
    pub at: Option<Duration>,
    /// What it wants, or why that is refused.
    pub order: Result<Order, ErrorCause>,
}

/// Reads an order, if it can be trusted.
///
/// # Errors
/// What to count it as.
pub(in crate::aaa) fn order(
    datagram: &[u8],
    nas: &Nas,
    secret: &Secret,
) -> Result<Trusted, AaaCounter> {
    let view = View::of(datagram).ok_or(AaaCounter::OrderMalformed)?;
    let code = Code::from(view.octets.first().copied().unwrap_or(0));
    if !matches!(code, Code::CoARequest | Code::DisconnectRequest) {
        return Err(AaaCounter::OrderMalformed);
    }
    if !Packet::is_authentic_request(view.octets, secret.octets()) {
        return Err(AaaCounter::OrderForged);
    }
    let signature = view.message_authenticator();
    match signature.map_err(|_| AaaCounter::OrderForged)? {
        Some(at) if !view.is_signed(at, &[0; super::AUTHENTICATOR], secret) => {
            return Err(AaaCounter::OrderForged)
        }
        _ => {}
    }
    let packet = Packet::decode(view.octets, secret.octets());
    let packet = packet.map_err(|_| AaaCounter::OrderMalformed)?;
    let at = packet.lookup(rfc2869::EVENT_TIMESTAMP_TYPE);
    let at = at.and_then(|avp| avp.encode_u32().ok());
    Ok(Trusted {
        at: at.map(|seconds| Duration::from_secs(seconds.into())),
        order: read(&view, &packet, code, nas),
    })
}

/// What an order wants.
fn read(view: &View<'_>, packet: &Packet, code: Code, nas: &Nas) -> Result<Order, ErrorCause> {
    let change = code == Code::CoARequest;
    let more = if change { CHANGING } else { ENDING };
    let known = |kind: &u8| NAMING.contains(kind) || more.contains(kind);
    if view.attributes().any(|(kind, _)| !known(&kind)) {
        return Err(ErrorCause::UNSUPPORTED_ATTRIBUTE);
    }
    meant_for(packet, nas)?;
    let selector = selector(packet, change)?;
    if selector.is_empty() {
        return Err(ErrorCause::MISSING_ATTRIBUTE);
    }
    let what = match change {
        false => What::Disconnect,
        true => changed(packet)?,
    };
    Ok(Order { selector, what })
}

/// Whether an order names this gateway, or none.
fn meant_for(packet: &Packet, nas: &Nas) -> Result<(), ErrorCause> {
    let identifier = raw(packet, rfc2865::NAS_IDENTIFIER_TYPE);
    let address = raw(packet, rfc3162::NAS_IPV6_ADDRESS_TYPE);
    let ours = identifier.is_none_or(|it| it == nas.identifier.as_bytes())
        && address.is_none_or(|it| it == nas.address.octets())
        && packet.lookup(rfc2865::NAS_IP_ADDRESS_TYPE).is_none();
    match ours {
        true => Ok(()),
        false => Err(ErrorCause::NAS_IDENTIFICATION_MISMATCH),
    }
}

fn selector(packet: &Packet, change: bool) -> Result<Selector, ErrorCause> {
    let text = |kind| match raw(packet, kind) {
        Some(octets) => identity(octets)
            .map(Some)
            .ok_or(ErrorCause::INVALID_ATTRIBUTE_VALUE),
        None => Ok(None),
    };
    let mac = match text(rfc2865::CALLING_STATION_ID_TYPE)? {
        Some(text) => {
            let mac = text.replace('-', ":").parse();
            Some(mac.map_err(|_| ErrorCause::INVALID_ATTRIBUTE_VALUE)?)
        }
        None => None,
    };
    let prefixes = packet.lookup_all(rfc3162::FRAMED_IPV6_PREFIX_TYPE);
    let prefixes: Option<Vec<_>> = prefixes
        .into_iter()
        .map(|avp| prefix(&avp.encode_bytes()))
        .collect();
    Ok(Selector {
        user_name: text(rfc2865::USER_NAME_TYPE)?,
        mac,
        session: text(rfc2866::ACCT_SESSION_ID_TYPE)?,
        port: text(rfc2869::NAS_PORT_ID_TYPE)?,
        chargeable: raw(packet, rfc4372::CHARGEABLE_USER_IDENTITY_TYPE),
        // Of a change it is what the host is called from now on.
        mn_identifier: match change {
            true => None,
            false => text(rfc6572::MOBILE_NODE_IDENTIFIER_TYPE)?,
        },
        prefixes: prefixes.ok_or(ErrorCause::INVALID_ATTRIBUTE_VALUE)?,
    })
}

/// What a CoA-Request changes.
fn changed(packet: &Packet) -> Result<What, ErrorCause> {
    let service = packet.lookup(rfc2865::SERVICE_TYPE_TYPE);
    match service.map(|avp| avp.encode_u32()) {
        None => {}
        Some(Ok(rfc3576::SERVICE_TYPE_AUTHORIZE_ONLY)) => {
            let state = raw(packet, rfc2865::STATE_TYPE);
            // RFC 5176 section 3.2 wants it.
            return match state {
                Some(state) => Ok(What::AskAgain(Some(state))),
                None => Err(ErrorCause::MISSING_ATTRIBUTE),
            };
        }
        Some(Ok(rfc2865::SERVICE_TYPE_FRAMED_USER)) => {}
        Some(_) => return Err(ErrorCause::UNSUPPORTED_SERVICE),
    }
    let mut change = authorization(packet).map_err(|_| ErrorCause::INVALID_ATTRIBUTE_VALUE)?;
    // These name the session.
    (change.user_name, change.chargeable, change.state) = (None, None, None);
    match change == Authorization::default() {
        true => Ok(What::AskAgain(None)),
        false => Ok(What::Change(Box::new(change))),
    }
}

/// The answer to an order: done, or why not.
pub(in crate::aaa) fn order_answer(
    datagram: &[u8],
    secret: &Secret,
    outcome: Result<(), ErrorCause>,
) -> Option<Vec<u8>> {
    let view = View::of(datagram)?;
    let order = Packet::decode(view.octets, secret.octets()).ok()?;
    let code = match (order.get_code(), &outcome) {
        (Code::CoARequest, Ok(())) => Code::CoAACK,
        (Code::CoARequest, Err(_)) => Code::CoANAK,
        (_, Ok(())) => Code::DisconnectACK,
        (_, Err(_)) => Code::DisconnectNAK,
    };
    let mut answer = order.make_response_packet(code);
    if let Err(cause) = outcome {
        rfc3576::add_error_cause(&mut answer, cause.0);
    }
    for state in rfc2865::lookup_all_proxy_state(&order) {
        rfc2865::add_proxy_state(&mut answer, &state);
    }
    answer.encode().ok()
}
