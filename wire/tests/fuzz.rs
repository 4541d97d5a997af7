//! One fuzz target per parser: no bytes make it panic, and what it takes is written and read again
//! as the same value. `cargo test` runs a bounded number of inputs; `cargo bolero test -p wire
//! fuzz_mobility` goes on for as long as wanted.

use std::net::Ipv6Addr;
use wire::{arp, checksum, dhcpv6, ether, icmpv4, icmpv6, ipv4, ipv6, mh, nd, niq};

const SOURCE: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const DESTINATION: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);

/// Inputs per target under plain `cargo test`.
const ITERATIONS: usize = 4000;

/// Makes the checksum at `at` right over the first `length` octets, so that inputs get behind it.
fn repair(bytes: &mut [u8], at: usize, length: usize, next_header: u8) {
    let Some(field) = bytes.get_mut(at..at + 2) else {
        return;
    };
    field.fill(0);
    let covered = &bytes[..length.min(bytes.len())];
    let sum = checksum::pseudo_header_v6(
        &SOURCE.octets(),
        &DESTINATION.octets(),
        covered.len() as u32,
        next_header,
    );
    let check = checksum::finish(checksum::add(sum, covered));
    bytes[at..at + 2].copy_from_slice(&check.to_be_bytes());
}

/// Cuts each option length that exceeds what is left, so that more inputs get behind the first
/// option. An option takes `unit` octets for each that its length counts, and `extra` more.
fn shorten_options(mut options: &mut [u8], unit: usize, extra: usize) {
    while options.len() >= unit + extra {
        let most = (options.len() - extra) / unit;
        let count = usize::from(options[1]).clamp(1, most);
        options[1] = count as u8;
        options = options.get_mut(count * unit + extra..).unwrap_or_default();
    }
}

#[test]
fn fuzz_mobility() {
    bolero::check!()
        .with_iterations(ITERATIONS)
        .with_max_len(600)
        .for_each(|bytes: &[u8]| {
            let _ = mh::Message::parse(SOURCE, DESTINATION, bytes);
            // Again with everything in front of the message data right.
            let mut bytes = bytes.to_vec();
            bytes.resize((bytes.len() / 8).max(1) * 8, 0);
            bytes[0] = 59;
            bytes[1] = (bytes.len() / 8 - 1) as u8;
            let (mh_type, options) = [
                (0, 8),
                (5, 12),
                (6, 12),
                (7, 24),
                (13, 12),
                (16, 12),
                (99, 8),
            ][usize::from(bytes[2]) % 7];
            bytes[2] = mh_type;
            if mh_type == 16 {
                // An indication, an acknowledgement or neither.
                bytes[6] %= 3;
            }
            shorten_options(bytes.get_mut(options..).unwrap_or_default(), 1, 2);
            let length = bytes.len();
            repair(&mut bytes, 4, length, mh::NEXT_HEADER);
            let Ok(message) = mh::Message::parse(SOURCE, DESTINATION, &bytes) else {
                return;
            };
            let mut again = Vec::new();
            message.emit(SOURCE, DESTINATION, &mut again).unwrap();
            assert_eq!(again.len(), message.emitted_len());
            assert_eq!(
                mh::Message::parse(SOURCE, DESTINATION, &again).as_ref(),
                Ok(&message)
            );
            assert!(!message.to_string().contains('\n'));
        });
}

#[test]
fn fuzz_neighbour_discovery() {
    bolero::check!()
        .with_iterations(ITERATIONS)
        .with_max_len(400)
        .for_each(|bytes: &[u8]| {
            let _ = nd::NdMessage::parse(SOURCE, DESTINATION, nd::HOP_LIMIT, bytes);
            let mut bytes = bytes.to_vec();
            bytes.resize((bytes.len() / 8).max(1) * 8, 0);
            let (kind, options) =
                [(133, 8), (134, 16), (135, 24), (136, 24)][usize::from(bytes[0]) % 4];
            bytes[0] = kind;
            bytes[1] = 0;
            shorten_options(bytes.get_mut(options..).unwrap_or_default(), 8, 0);
            let length = bytes.len();
            repair(&mut bytes, 2, length, ipv6::next_header::ICMPV6);
            let parsed = nd::NdMessage::parse(SOURCE, DESTINATION, nd::HOP_LIMIT, &bytes);
            let Ok(message) = parsed else { return };
            let mut again = Vec::new();
            message.emit(SOURCE, DESTINATION, &mut again).unwrap();
            assert_eq!(
                nd::NdMessage::parse(SOURCE, DESTINATION, nd::HOP_LIMIT, &again).as_ref(),
                Ok(&message)
            );
            assert!(!message.to_string().contains('\n'));
        });
}

#[test]
fn fuzz_node_information() {
    bolero::check!()
        .with_iterations(ITERATIONS)
        .with_max_len(200)
        .for_each(|bytes: &[u8]| {
            let _ = niq::NiMessage::parse(SOURCE, DESTINATION, bytes);
            let mut bytes = bytes.to_vec();
            bytes.resize(bytes.len().max(16), 0);
            bytes[0] = 139 + (bytes[0] & 1);
            bytes[1] %= 4;
            bytes[4] = 0;
            bytes[5] %= 6;
            if bytes[0] == 140 && bytes[5] == 3 {
                let whole = (bytes.len() - 16) / 20 * 20 + 16;
                bytes.truncate(whole);
            } else if bytes[0] == 139 && bytes[1] != 1 {
                bytes.resize([32, 32, 20, 32][usize::from(bytes[1])], 0);
            }
            let length = bytes.len();
            repair(&mut bytes, 2, length, ipv6::next_header::ICMPV6);
            let parsed = niq::NiMessage::parse(SOURCE, DESTINATION, &bytes);
            let Ok(message) = parsed else { return };
            let mut again = Vec::new();
            message.emit(SOURCE, DESTINATION, &mut again);
            assert_eq!(
                niq::NiMessage::parse(SOURCE, DESTINATION, &again).as_ref(),
                Ok(&message)
            );
            assert!(!message.to_string().contains('\n'));
        });
}

#[test]
fn fuzz_ipv6_chain() {
    bolero::check!()
        .with_iterations(ITERATIONS)
        .with_max_len(700)
        .for_each(|bytes: &[u8]| {
            if let Ok((header, payload)) = ipv6::Header::split(bytes) {
                assert_eq!(payload.len(), usize::from(header.payload_length.get()));
            }
            let [first, ref payload @ ..] = *bytes else {
                return;
            };
            // Steer the first header half of the time to one that is walked.
            let first = match first {
                0..=127 => [0, 43, 44, 60][usize::from(first) % 4],
                _ => first,
            };
            if let Ok(chain) = ipv6::walk(first, payload) {
                assert!(chain.offset <= payload.len().min(ipv6::MAX_CHAIN_OCTETS));
                if let Some(limit) = chain.encapsulation_limit {
                    assert_eq!(payload.get(limit.offset), Some(&limit.limit));
                }
            }
            let options: usize = ipv6::HeaderOptions::new(payload)
                .map_while(Result::ok)
                .map(|option| option.data.len() + 2)
                .sum();
            assert!(options <= payload.len());
        });
}

#[test]
fn fuzz_icmpv6() {
    bolero::check!()
        .with_iterations(ITERATIONS)
        .with_max_len(200)
        .for_each(|bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            let _ = icmpv6::Packet::parse(SOURCE, DESTINATION, &bytes);
            if let Some(kind) = bytes.first_mut() {
                *kind &= 0x83;
            }
            let length = bytes.len();
            repair(&mut bytes, 2, length, ipv6::next_header::ICMPV6);
            let Ok(packet) = icmpv6::Packet::parse(SOURCE, DESTINATION, &bytes) else {
                assert!(length < icmpv6::HEADER_LEN);
                return;
            };
            if let icmpv6::Packet::Error(error, invoking) = packet {
                let _ = icmpv6::may_send_error(error, invoking);
                let mut again = Vec::new();
                error.emit(SOURCE, DESTINATION, invoking, &mut again);
                assert_eq!(
                    icmpv6::Packet::parse(SOURCE, DESTINATION, &again),
                    Ok(packet)
                );
            }
        });
}

#[test]
fn fuzz_ethernet() {
    use zerocopy::IntoBytes;
    bolero::check!()
        .with_iterations(ITERATIONS)
        .with_max_len(64)
        .for_each(|bytes: &[u8]| {
            let Ok(frame) = ether::Frame::parse(bytes) else {
                return;
            };
            let tag = frame.tag.map(IntoBytes::as_bytes).unwrap_or_default();
            let again = [frame.header.as_bytes(), tag, frame.payload].concat();
            assert_eq!(again, bytes);
        });
}

#[test]
fn fuzz_ipv4() {
    use zerocopy::{FromBytes, IntoBytes};
    bolero::check!()
        .with_iterations(ITERATIONS)
        .with_max_len(200)
        .for_each(|bytes: &[u8]| {
            let _ = ipv4::Header::split(bytes);
            let _ = icmpv4::may_send_error(bytes);
            let count = ipv4::HeaderOptions::new(bytes).count();
            assert!(count <= bytes.len());
            // Again with version, lengths and checksum right, so that inputs get behind them.
            let mut bytes = bytes.to_vec();
            let Some(&first) = bytes.first() else { return };
            let words = 5 + first % 11;
            let header = usize::from(words) * 4;
            bytes.resize(bytes.len().max(header), 0);
            bytes[0] = 0x40 | words;
            let total = (bytes.len() as u16).to_be_bytes();
            bytes[2..4].copy_from_slice(&total);
            bytes[10..12].fill(0);
            let check = checksum::finish(checksum::add(0, &bytes[..header]));
            bytes[10..12].copy_from_slice(&check.to_be_bytes());
            let parts = ipv4::Header::split(&bytes).unwrap();
            let whole = [parts.header.as_bytes(), parts.options, parts.payload].concat();
            assert_eq!(whole, bytes);
            let _ = icmpv4::may_send_error(&bytes);
            let (view, _) = ipv4::Header::mut_from_prefix(&mut bytes).unwrap();
            view.count_hop();
            view.set_traffic_class(first);
            assert!(ipv4::Header::split(&bytes).is_ok());
        });
}

#[test]
fn fuzz_icmpv4() {
    bolero::check!()
        .with_iterations(ITERATIONS)
        .with_max_len(200)
        .for_each(|bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            let _ = icmpv4::Packet::parse(&bytes);
            if let Some(kind) = bytes.first_mut() {
                *kind &= 0x0f;
            }
            if let Some(field) = bytes.get_mut(2..4) {
                field.fill(0);
                let check = checksum::finish(checksum::add(0, &bytes));
                bytes[2..4].copy_from_slice(&check.to_be_bytes());
            }
            let length = bytes.len();
            let Ok(packet) = icmpv4::Packet::parse(&bytes) else {
                assert!(length < icmpv4::HEADER_LEN);
                return;
            };
            if let icmpv4::Packet::Error(error, invoking) = packet {
                let mut again = Vec::new();
                error.emit(invoking, &mut again);
                assert_eq!(icmpv4::Packet::parse(&again), Ok(packet));
            }
        });
}

#[test]
fn fuzz_arp() {
    use zerocopy::IntoBytes;
    bolero::check!()
        .with_iterations(ITERATIONS)
        .with_max_len(64)
        .for_each(|bytes: &[u8]| {
            let _ = arp::Packet::parse(bytes);
            let mut bytes = bytes.to_vec();
            bytes.resize(bytes.len().max(arp::LEN), 0);
            bytes[..7].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0]);
            bytes[7] = bytes[7] % 2 + 1;
            let packet = arp::Packet::parse(&bytes).unwrap();
            assert_eq!(packet.as_bytes(), &bytes[..arp::LEN]);
            let reply = packet.reply_to(packet.sender_mac(), packet.target());
            assert_eq!(arp::Packet::parse(reply.as_bytes()), Ok(&reply));
            assert!(!packet.to_string().contains('\n'));
        });
}

/// The options of a message as they came, with the codes that a relay agent looks at and lengths that fit
/// as far as they can.
fn shape_dhcpv6(mut options: &mut [u8], inner: bool) {
    use dhcpv6::code;
    let codes = [
        code::CLIENT_ID,
        code::IA_NA,
        code::IA_TA,
        code::IA_PD,
        code::IA_ADDRESS,
        code::IA_PREFIX,
        code::RELAY_MESSAGE,
        code::STATUS,
    ];
    while options.len() >= 4 {
        let kind = codes[usize::from(options[1]) % codes.len()];
        let most = options.len() - 4;
        let length = usize::from(options[3]).min(most);
        options[..2].copy_from_slice(&kind.to_be_bytes());
        options[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        let (data, rest) = options[4..].split_at_mut(length);
        if let Some(nested) = data.get_mut(12..).filter(|_| inner) {
            shape_dhcpv6(nested, false);
        }
        options = rest;
    }
    options.fill(0);
}

/// What a relay agent reads: no octets make it panic, what is passed on is as it came but for what is
/// taken out, and what is taken out is no longer there.
#[test]
fn fuzz_dhcpv6() {
    bolero::check!()
        .with_iterations(ITERATIONS)
        .with_max_len(400)
        .for_each(|bytes: &[u8]| {
            let _ = dhcpv6::ClientMessage::parse(bytes);
            let _ = dhcpv6::RelayMessage::parse(bytes);
            let _ = dhcpv6::mend(bytes, |lease| lease.length < 64);
            let mut bytes = bytes.to_vec();
            bytes.resize(bytes.len().max(4), 0);
            shape_dhcpv6(&mut bytes[4..], true);
            if dhcpv6::ClientMessage::parse(&bytes).is_err() {
                // Up to three octets behind the last option.
                let whole = (0..4).map(|cut| &bytes[..bytes.len() - cut]);
                let mut whole = whole.filter(|it| dhcpv6::ClientMessage::parse(it).is_ok());
                bytes = whole.next().expect("its options were made whole").to_vec();
            }
            let all = dhcpv6::mend(&bytes, |_| true);
            let again = dhcpv6::mend(&all.bytes, |_| true);
            assert_eq!(again.leases, all.leases);
            assert_eq!((again.emptied, &again.bytes), (0, &all.bytes));
            if all.emptied == 0 {
                assert_eq!(all.bytes, bytes);
            }
            let none = dhcpv6::mend(&bytes, |_| false);
            assert!(none.leases.iter().all(|lease| lease.valid == 0));
            let mended = dhcpv6::ClientMessage::parse(&none.bytes).expect("it stays whole");
            let came = dhcpv6::ClientMessage::parse(&bytes).expect("it is whole");
            let codes = |message: dhcpv6::ClientMessage<'_>| {
                let options = message.options.flatten().map(|option| option.code);
                options.collect::<Vec<_>>()
            };
            assert_eq!(
                (mended.kind, mended.transaction),
                (came.kind, came.transaction)
            );
            assert!(codes(mended).len() <= codes(came).len());
            // As a relay agent has it: the client's message comes out as it went in.
            let mut relayed =
                dhcpv6::relay_header(dhcpv6::kind::RELAY_FORWARD, 0, SOURCE, DESTINATION);
            assert!(dhcpv6::put(
                dhcpv6::code::RELAY_MESSAGE,
                &[&bytes],
                &mut relayed
            ));
            let relayed = dhcpv6::RelayMessage::parse(&relayed).expect("a relay's message");
            assert_eq!(
                (relayed.hops, relayed.link, relayed.peer),
                (0, SOURCE, DESTINATION)
            );
            let inner = relayed.options.first(dhcpv6::code::RELAY_MESSAGE);
            assert_eq!(inner, Some(&bytes[..]));
        });
}
