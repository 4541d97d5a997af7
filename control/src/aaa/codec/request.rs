//! Requests of ours: Access-Request and Accounting-Request.

use super::{mac, Nas, AUTHENTICATOR, HEAD, LONGEST};
use crate::aaa::ledger::{Facts, Record, RecordKind};
use crate::secret::Secret;
use dataplane::counters::Traffic;
use hmac::Mac;
use radius::core::avp::AVP;
use radius::core::code::Code;
use radius::core::packet::Packet;
use radius::core::{rfc2865, rfc2866, rfc2869, rfc3162, rfc3576, rfc4372, rfc6572};
use roles::event::HostLink;
use roles::BoundPrefix;
use wire::ether::MacAddr;
use wire::mh::{HomeNetworkPrefix, MnIdentifier};

/// A question about one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::aaa) struct Question {
    /// The host.
    pub link: HostLink,
    /// Name of the access interface.
    pub port: String,
    /// User-Name.
    pub user_name: String,
    /// User-Password; none when the host is known already and only its authorisation is asked for.
    pub password: Option<String>,
    /// State, from an earlier answer or from the order that leads to this question.
    pub state: Option<Vec<u8>>,
}

/// A link-layer address as RFC 3580 section 3.21 writes it.
fn station(mac: MacAddr) -> String {
    let octets = mac.0.map(|octet| format!("{octet:02X}"));
    octets.join("-")
}

/// What every request says of us and, if it is about one, of a host.
fn common(packet: &mut Packet, nas: &Nas, host: Option<(MacAddr, &str)>) {
    rfc2865::add_nas_identifier(packet, &nas.identifier);
    rfc3162::add_nas_ipv6_address(packet, &nas.address);
    if let Some((mac, port)) = host {
        rfc2865::add_calling_station_id(packet, &station(mac));
        rfc2865::add_nas_port_type(packet, nas.port_type);
        rfc2869::add_nas_port_id(packet, port);
    }
}

/// An Access-Request; `None` when it does not fit its own format.
pub(in crate::aaa) fn access_request(
    question: &Question,
    nas: &Nas,
    identifier: u8,
    secret: &Secret,
) -> Option<Vec<u8>> {
    let key = secret.octets();
    let mut packet = Packet::new_with_identifier(Code::AccessRequest, key, identifier);
    rfc2869::add_message_authenticator(&mut packet, &[0; AUTHENTICATOR]);
    rfc2865::add_user_name(&mut packet, &question.user_name);
    let service = match &question.password {
        Some(password) => {
            rfc2865::add_user_password(&mut packet, password.as_bytes()).ok()?;
            rfc2865::SERVICE_TYPE_FRAMED_USER
        }
        None => rfc3576::SERVICE_TYPE_AUTHORIZE_ONLY,
    };
    rfc2865::add_service_type(&mut packet, service);
    let host = (question.link.mac, question.port.as_str());
    common(&mut packet, nas, Some(host));
    if let Some(state) = &question.state {
        rfc2865::add_state(&mut packet, state);
    }
    let mut octets = packet.encode().ok()?;
    let signature = mac(secret, &octets)?.finalize().into_bytes();
    super::put(&mut octets, HEAD + 2, &signature);
    Some(octets)
}

/// An Accounting-Request; `None` when it does not fit its own format.
pub(in crate::aaa) fn accounting_request(
    record: &Record,
    nas: &Nas,
    identifier: u8,
    secret: &Secret,
) -> Option<Vec<u8>> {
    let key = secret.octets();
    let mut packet = Packet::new_with_identifier(Code::AccountingRequest, key, identifier);
    rfc2866::add_acct_status_type(&mut packet, record.kind.status_type());
    let facts = record.facts.as_deref();
    let host = facts.map(|facts| (facts.link.mac, facts.port.as_str()));
    common(&mut packet, nas, host);
    rfc2866::add_acct_session_id(&mut packet, &record.session);
    // Written as a number: seconds since 1970 fit until 2106.
    #[allow(clippy::cast_possible_truncation)]
    let at = record.at.as_secs() as u32;
    packet.add(AVP::from_u32(rfc2869::EVENT_TIMESTAMP_TYPE, at));
    if let Some(facts) = facts {
        session(&mut packet, facts, record.kind);
    }
    if let RecordKind::Stop(cause) = record.kind {
        rfc2866::add_acct_terminate_cause(&mut packet, cause.code());
    }
    packet
        .encode()
        .ok()
        .filter(|octets| octets.len() <= LONGEST)
}

/// What a record says of a session.
fn session(packet: &mut Packet, facts: &Facts, kind: RecordKind) {
    rfc2865::add_user_name(packet, &facts.user_name);
    rfc2865::add_service_type(packet, rfc2865::SERVICE_TYPE_FRAMED_USER);
    rfc2866::add_acct_authentic(packet, rfc2866::ACCT_AUTHENTIC_RADIUS);
    for class in &facts.class {
        rfc2865::add_class(packet, class);
    }
    if let Some(chargeable) = &facts.chargeable {
        rfc4372::add_chargeable_user_identity(packet, chargeable);
    }
    if let MnIdentifier::Nai(identifier) = &facts.mn_identifier {
        rfc6572::add_mobile_node_identifier(packet, identifier.as_bytes());
    }
    rfc6572::add_pmip6_home_lma_ipv6_address(packet, &facts.lma);
    for prefix in &facts.prefixes {
        packet.add(match prefix {
            BoundPrefix::V6(prefix) => {
                AVP::from_bytes(rfc3162::FRAMED_IPV6_PREFIX_TYPE, &prefix_value(*prefix))
            }
            BoundPrefix::V4(address) => AVP::from_ipv4(rfc2865::FRAMED_IP_ADDRESS_TYPE, address),
            BoundPrefix::V4In(it) => AVP::from_ipv4(rfc2865::FRAMED_IP_ADDRESS_TYPE, &it.address),
        });
    }
    if kind == RecordKind::Start {
        return;
    }
    let seconds = u32::try_from(facts.time.as_secs()).unwrap_or(u32::MAX);
    rfc2866::add_acct_session_time(packet, seconds);
    let (low, high) = words(facts.up.bytes);
    rfc2866::add_acct_input_octets(packet, low);
    rfc2869::add_acct_input_gigawords(packet, high);
    let (low, high) = words(facts.down.bytes);
    rfc2866::add_acct_output_octets(packet, low);
    rfc2869::add_acct_output_gigawords(packet, high);
    let packets = |traffic: Traffic| words(traffic.packets).0;
    rfc2866::add_acct_input_packets(packet, packets(facts.up));
    rfc2866::add_acct_output_packets(packet, packets(facts.down));
}

/// The lower and the upper half.
#[allow(clippy::cast_possible_truncation)]
const fn words(value: u64) -> (u32, u32) {
    (value as u32, (value >> 32) as u32)
}

/// A prefix as RFC 3162 section 2.3 writes it.
fn prefix_value(prefix: HomeNetworkPrefix) -> Vec<u8> {
    let octets = prefix.prefix.octets();
    let used = usize::from(prefix.length.div_ceil(8));
    let mut value = vec![0, prefix.length];
    value.extend(octets.get(..used).unwrap_or(&octets));
    value
}
