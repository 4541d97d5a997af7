//! What is wrong with a mobility message gets its counter, and the answer that RFC 6275 section 9.2
//! gives; nothing panics and nothing is installed.

use crate::bytes::{ip, mh_packet, packet, Seen};
use crate::host::Host;
use crate::story::{bindings, domain, signalling, CORE, LMA};
use crate::world::{port_mac, World};
use std::time::Duration;
use wire::checksum;
use wire::ipv6::next_header;
use wire::mh::{
    AccessTechnology, BindingUpdate, HandoffIndicator, HomeNetworkPrefix, Lifetime, Message,
    MnIdentifier, MobilityOption, NtpTime, Status, UpdateFlags,
};

/// A node on the core link that is no gateway of the domain.
fn stranger() -> Host {
    let mut host = Host::new(CORE, 0x99);
    host.addresses.push(ip("2001:db8:c::99"));
    host
}

/// Sends a packet from the stranger to the anchor and returns what comes back to the stranger,
/// neighbour discovery left out.
fn answers(world: &mut World, host: &mut Host, packet: &[u8]) -> Vec<Seen> {
    host.send_to(world, port_mac(0, 0), packet);
    let mut heard = Vec::new();
    for _ in 0..5 {
        heard.extend(host.live(world));
        world.pass(Duration::from_millis(20));
    }
    heard.retain(|seen| seen.to == host.mac && seen.nd().is_none());
    heard
}

/// A Mobility Header with its checksum put in.
fn raw(host: &Host, mut bytes: Vec<u8>) -> Vec<u8> {
    let (source, destination) = (host.address(), ip("2001:db8:c::1"));
    bytes[4..6].fill(0);
    let covered = ((usize::from(bytes[1]) + 1) * 8).min(bytes.len());
    let sum = checksum::pseudo_header_v6(
        &source.octets(),
        &destination.octets(),
        u32::from(bytes[1]) * 8 + 8,
        next_header::MOBILITY,
    );
    let check = checksum::finish(checksum::add(sum, &bytes[..covered]));
    bytes[4..6].copy_from_slice(&check.to_be_bytes());
    packet(source, destination, next_header::MOBILITY, 64, &bytes)
}

/// The option of every Parameter Problem: its code and pointer.
fn problems(seen: &[Seen]) -> Vec<(u8, u32)> {
    seen.iter()
        .filter(|seen| seen.icmp().is_some_and(|(kind, _)| kind == 4))
        .map(|seen| {
            let pointer = seen.payload[4..8].try_into().unwrap();
            (seen.payload[1], u32::from_be_bytes(pointer))
        })
        .collect()
}

#[test]
fn each_malformed_message_has_its_counter_and_its_answer() {
    let update = |rest: &[u8]| {
        let mut bytes = vec![59, 0, 5, 0, 0, 0, 0, 1, 0xc2, 0, 0, 9];
        bytes.extend(rest);
        bytes[1] = (bytes.len() / 8 - 1) as u8;
        bytes
    };
    let mut long = vec![22, 18, 0, 129];
    long.extend([0; 16]);
    type Case = (&'static str, Vec<u8>, &'static [(u8, u32)]);
    let cases: [Case; 11] = [
        ("malformed_truncated", vec![59, 9, 5, 0, 0, 0, 0, 0], &[]),
        (
            "malformed_payload_proto",
            vec![41, 1, 5, 0, 0, 0, 0, 1, 0xc2, 0, 0, 9, 1, 2, 0, 0],
            &[(0, 40)],
        ),
        (
            "malformed_too_short",
            vec![59, 0, 5, 0, 0, 0, 0, 1],
            &[(0, 41)],
        ),
        (
            "malformed_trailing_octets",
            [update(&[1, 2, 0, 0]), vec![0; 8]].concat(),
            &[],
        ),
        ("malformed_option_truncated", update(&[8, 9, 1, b'x']), &[]),
        ("malformed_padding_truncated", update(&[1, 7, 0, 0]), &[]),
        ("malformed_option_length", update(&[23, 1, 4, 0]), &[]),
        ("malformed_prefix_length", update(&long), &[]),
        ("malformed_option_text", update(&[20, 1, 0xff, 0]), &[]),
        (
            "malformed_behind_authentication",
            update(&[0, 9, 5, 1, 0, 0, 1, 0, 23, 2, 0, 1]),
            &[],
        ),
        ("malformed_checksum", Vec::new(), &[]),
    ];
    let mut world = domain();
    let mut host = stranger();
    for (counter, bytes, expected) in cases {
        let packet = if bytes.is_empty() {
            let mut packet = raw(&host, update(&[1, 2, 0, 0]));
            packet[40 + 7] ^= 1;
            packet
        } else if counter == "malformed_trailing_octets" {
            // The length field covers the first sixteen octets only.
            let mut bytes = bytes;
            bytes[1] = 1;
            raw(&host, bytes)
        } else if bytes.len() % 8 != 0 {
            panic!("{counter}: a whole number of units");
        } else {
            raw(&host, bytes)
        };
        let heard = answers(&mut world, &mut host, &packet);
        assert_eq!(world.nodes[LMA].counted(counter), 1, "{counter}");
        assert_eq!(problems(&heard), expected, "{counter}");
        assert_eq!(signalling(&heard), [""; 0], "{counter}");
    }
    assert!(bindings(&world).is_empty());
    assert_eq!(world.nodes[LMA].engine.writer().tunnels_len(), 0);
    world.nodes[LMA].check();
}

#[test]
fn a_message_of_an_unknown_type_is_answered_with_a_binding_error() {
    let mut world = domain();
    let mut host = stranger();
    let packet = raw(&host, vec![59, 0, 99, 0, 0, 0, 0, 0]);
    let heard = answers(&mut world, &mut host, &packet);
    let errors: Vec<_> = heard.iter().filter_map(Seen::mh).collect();
    let [Message::BindingError(error)] = &errors[..] else {
        panic!("one Binding Error: {errors:?}");
    };
    assert_eq!(error.status, 2);
    assert!(error.home_address.is_unspecified());
    assert_eq!(world.nodes[LMA].counted("message_unknown_type"), 1);
}

#[test]
fn an_option_that_must_be_known_is_answered_and_the_message_is_not_taken() {
    let mut world = domain();
    let mut host = stranger();
    let (source, destination) = (host.address(), ip("2001:db8:c::1"));
    let inner = mh_packet(source, destination, &update(NtpTime(0)));
    let mut payload = vec![next_header::MOBILITY, 2, 1, 2, 0, 0, 0xc9, 16];
    payload.extend([0; 16]);
    payload.extend(&inner[40..]);
    let packet = packet(
        source,
        destination,
        next_header::DESTINATION_OPTIONS,
        64,
        &payload,
    );
    let heard = answers(&mut world, &mut host, &packet);
    assert_eq!(problems(&heard), [(2, 46)]);
    assert_eq!(world.nodes[LMA].counted("option_discarded"), 1);
    assert_eq!(world.nodes[LMA].counted("message_received"), 0);
}

/// A Previous MAAR option of another length than 34 is passed over and counted; the message is
/// answered.
///
/// Proves S2-33.
#[test]
fn a_previous_maar_of_the_wrong_length_is_passed_over_and_counted() {
    let mut world = domain();
    let mut host = stranger();
    let Message::BindingUpdate(mut update) = update(NtpTime(0)) else {
        panic!("no update");
    };
    for length in [0, 18, 33] {
        update.options.push(MobilityOption::Skipped {
            kind: 67,
            data: vec![1; length],
        });
    }
    let packet = mh_packet(
        host.address(),
        ip("2001:db8:c::1"),
        &Message::BindingUpdate(update),
    );
    let heard = answers(&mut world, &mut host, &packet);
    assert_eq!(heard.iter().filter_map(Seen::mh).count(), 1);
    assert_eq!(world.nodes[LMA].counted("message_option_skipped"), 3);
    assert_eq!(world.nodes[LMA].counted("message_received"), 1);
}

/// A Proxy Binding Update with all that is mandatory.
fn update(timestamp: NtpTime) -> Message {
    Message::BindingUpdate(BindingUpdate {
        sequence: 1,
        flags: UpdateFlags::ACKNOWLEDGE
            .with(UpdateFlags::HOME_REGISTRATION)
            .with(UpdateFlags::PROXY),
        lifetime: Lifetime(75),
        options: vec![
            MobilityOption::MnIdentifier(MnIdentifier::Nai("mn1@example.net".to_owned())),
            MobilityOption::HomeNetworkPrefix(HomeNetworkPrefix::REQUEST),
            MobilityOption::HandoffIndicator(HandoffIndicator(1)),
            MobilityOption::AccessTechnology(AccessTechnology::ETHERNET),
            MobilityOption::Timestamp(timestamp),
        ],
    })
}

/// Proves S1-11.
#[test]
fn an_update_of_a_stranger_is_refused_with_154_and_leaves_nothing() {
    let mut world = domain();
    let mut host = stranger();
    let timestamp = NtpTime::from_unix(world.now().wall);
    let packet = mh_packet(host.address(), ip("2001:db8:c::1"), &update(timestamp));
    let heard = answers(&mut world, &mut host, &packet);
    let statuses: Vec<_> = heard
        .iter()
        .filter_map(Seen::mh)
        .map(|message| match message {
            Message::BindingAcknowledgement(acknowledgement) => acknowledgement.status,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(statuses, [Status::MAG_NOT_AUTHORIZED_FOR_PROXY_REG]);
    let writer = world.nodes[LMA].engine.writer();
    assert_eq!((writer.bindings_len(), writer.tunnels_len()), (0, 0));
    assert!(bindings(&world).is_empty());
}

#[test]
fn errors_are_rate_limited() {
    let mut world = domain();
    let host = stranger();
    let bad = raw(&host, vec![59, 0, 99, 0, 0, 0, 0, 0]);
    for _ in 0..80 {
        host.send_to(&mut world, port_mac(0, 0), &bad);
    }
    let lma = &world.nodes[LMA];
    let sent = lma.counted("binding_error_sent");
    assert!((1..=51).contains(&sent), "{sent}");
    assert_eq!(sent + lma.counted("answer_limited"), 80);
    lma.check();
}
