//! Byte pairs of the options that came after RFC 5213, and of the messages that carry them.

use super::*;
use std::net::{IpAddr, Ipv4Addr};

fn update(options: Vec<MobilityOption>) -> Message {
    Message::BindingUpdate(BindingUpdate {
        options,
        ..BindingUpdate::default()
    })
}

/// The options' octets behind the twelve of a binding update, padding and all.
fn written(options: Vec<MobilityOption>) -> Vec<u8> {
    let message = update(options);
    let bytes = emit(&message);
    assert_eq!(parse(&bytes), Ok(message));
    bytes[12..].to_vec()
}

/// A binding update with these octets for options.
fn read(options: &[u8]) -> Result<Vec<MobilityOption>, Error> {
    let mut bytes = vec![59, 0, 5, 0, 0, 0, 0, 1, 0x82, 0, 0, 1];
    bytes.extend(options);
    assert_eq!(bytes.len() % 8, 0);
    bytes[1] = (bytes.len() / 8 - 1) as u8;
    parse(&with_checksum(bytes)).map(|message| message.options().to_vec())
}

/// An authentication option, and a Handoff Indicator after it.
pub(super) fn behind_authentication() -> Vec<u8> {
    let mut bytes = vec![59, 2, 5, 0, 0, 0, 0, 1, 0x82, 0, 0, 1, 0];
    bytes.extend([9, 5, 1, 0, 0, 1, 0, 23, 2, 0, 1]);
    with_checksum(bytes)
}

#[test]
fn an_authentication_option_ends_the_message_where_it_can() {
    let authentication = |octets| {
        MobilityOption::Authentication(Authentication {
            subtype: Authentication::MN_HA,
            spi: 0x0102_0304,
            data: vec![7; octets],
        })
    };
    for filling in 0..9 {
        let first = MobilityOption::ServiceSelection("s".repeat(filling + 1));
        let octets = written(vec![first, authentication(12)]);
        let end = [&[9, 17, 1, 1, 2, 3, 4][..], &[7; 12]].concat();
        assert!(octets.ends_with(&end), "{octets:?}");
        assert_eq!((12 + octets.len() - end.len()) % 4, 1);
    }
    // Data of such a size that the alignment leaves an octet behind it.
    let octets = written(vec![authentication(13)]);
    assert_eq!(octets[..3], [0, 9, 18]);
}

#[test]
fn nothing_stands_behind_an_authentication_option() {
    let authentication = |subtype| {
        MobilityOption::Authentication(Authentication {
            subtype,
            spi: 256,
            data: vec![0; 12],
        })
    };
    let both = vec![
        authentication(Authentication::MN_HA),
        authentication(Authentication::MN_AAA),
    ];
    assert_eq!(written(both).len() % 8, 4);
    let handoff = MobilityOption::HandoffIndicator(HandoffIndicator::UNKNOWN);
    let mut out = Vec::new();
    assert_eq!(
        update(vec![authentication(1), handoff]).emit(MAG, LMA, &mut out),
        Err(EmitError::BehindAuthentication(23))
    );
    assert_eq!(
        parse(&behind_authentication()),
        Err(Error::BehindAuthentication(23))
    );
}

#[test]
fn experimental_options_both_ways() {
    let confirmation = MobilityOption::Experimental(Experimental::BindingCacheConfirmation);
    assert_eq!(written(vec![confirmation]), [18, 1, 2, 0]);
    let assigned =
        MobilityOption::Experimental(Experimental::AssignedHomeAddress(AssignedHomeAddress {
            address: MAG,
            prefix_length: 64,
        }));
    let octets = written(vec![assigned]);
    assert_eq!(octets[..4], [18, 18, 3, 64]);
    assert_eq!(octets[4..], MAG.octets());
    // Another size is somebody else's experiment.
    for other in [&[18u8, 2, 2, 0][..], &[18, 2, 3, 64], &[18, 0, 0, 0]] {
        let data = other[2..][..usize::from(other[1])].to_vec();
        let expected = MobilityOption::Experimental(Experimental::Other(data));
        assert_eq!(read(other), Ok(vec![expected]));
    }
    let mut out = Vec::new();
    let hidden = MobilityOption::Experimental(Experimental::Other(vec![2]));
    assert_eq!(
        update(vec![hidden]).emit(MAG, LMA, &mut out),
        Err(EmitError::OptionValue(18))
    );
}

#[test]
fn options_about_ipv4_both_ways() {
    let address = Ipv4Addr::new(192, 0, 2, 1);
    let home = Ipv4HomeAddress {
        address,
        prefix_length: 24,
    };
    let answer = Ipv4HomeAddressAnswer {
        status: Ipv4AddressStatus::INCORRECT,
        home,
    };
    let at = |head: [u8; 4]| [head, [192, 0, 2, 1]].concat();
    let cases = [
        (
            MobilityOption::Ipv4HomeAddress {
                home,
                prefix_requested: true,
            },
            at([29, 6, 24 << 2 | 2, 0]),
        ),
        (
            MobilityOption::Ipv4AddressAcknowledgement(answer),
            at([30, 6, 130, 24 << 2]),
        ),
        (
            MobilityOption::Ipv4CareOfAddress(address),
            at([32, 6, 0, 0]),
        ),
        (
            MobilityOption::Ipv4HomeAddressRequest(home),
            at([36, 6, 24 << 2, 0]),
        ),
        (
            MobilityOption::Ipv4HomeAddressReply(answer),
            at([37, 6, 130, 24 << 2]),
        ),
        (
            MobilityOption::Ipv4DefaultRouter(address),
            at([38, 6, 0, 0]),
        ),
        (
            MobilityOption::LmaAddress(IpAddr::V4(address)),
            at([41, 6, 2, 0]),
        ),
        (
            MobilityOption::NatDetection(NatDetection {
                force_udp: true,
                refresh_secs: 110,
            }),
            vec![31, 6, 0x80, 0, 0, 0, 0, 110],
        ),
        (
            MobilityOption::GreKey(Some(0x0102_0304)),
            vec![33, 6, 0, 0, 1, 2, 3, 4],
        ),
        (
            MobilityOption::MnGroupIdentifier(MnGroupIdentifier {
                subtype: MnGroupIdentifier::BULK_UPDATE,
                group: MnGroupIdentifier::ALL_SESSIONS,
            }),
            vec![50, 6, 1, 0, 0, 0, 0, 1],
        ),
    ];
    for (option, octets) in cases {
        let found = written(vec![option]);
        assert_eq!(found[..8], octets);
    }
    assert_eq!(written(vec![MobilityOption::GreKey(None)]), [33, 2, 0, 0]);
    let mode = |mode| written(vec![MobilityOption::Ipv4DhcpMode(mode)]);
    assert_eq!(mode(DhcpMode::Relay), [39, 2, 0, 0]);
    assert_eq!(mode(DhcpMode::Server), [39, 2, 0, 1]);
    let delegated = DelegatedPrefix::v4(address, 24).unwrap();
    assert_eq!(
        written(vec![MobilityOption::DelegatedPrefix(delegated)]),
        [1, 4, 0, 0, 0, 0, 55, 6, 0x80, 24, 192, 0, 2, 0, 1, 4, 0, 0, 0, 0]
    );
    let too_long = Ipv4HomeAddress {
        address,
        prefix_length: 64,
    };
    for (option, kind) in [
        (MobilityOption::Ipv4HomeAddressRequest(too_long), 36),
        (MobilityOption::ServiceSelection(String::new()), 20),
        (
            MobilityOption::DelegatedPrefix(DelegatedPrefix::V4 {
                prefix: address,
                length: 24,
            }),
            55,
        ),
    ] {
        let mut out = Vec::new();
        assert_eq!(
            update(vec![option]).emit(MAG, LMA, &mut out),
            Err(EmitError::OptionValue(kind))
        );
    }
}

/// Proves S2-35.
#[test]
fn anchors_of_distributed_mobility_both_ways() {
    let prefix: HomeNetworkPrefix = "2001:db8:1::/64".parse().unwrap();
    let previous = MobilityOption::PreviousMaar(PreviousMaar {
        address: MAG,
        prefix,
    });
    let octets = written(vec![previous]);
    assert_eq!(octets[..4], [67, 34, 0, 64]);
    assert_eq!(octets[4..20], MAG.octets());
    assert_eq!(octets[20..36], prefix.prefix.octets());
    let octets = written(vec![MobilityOption::ServingMaar(LMA)]);
    assert_eq!(octets[..4], [1, 0, 68, 16]);
    assert_eq!(octets[4..20], LMA.octets());
    // A Previous MAAR of another length is passed over, and what follows it is read.
    for length in [0, 16, 18, 33, 35, 48] {
        let mut option = vec![67, length];
        option.extend(vec![1; usize::from(length)]);
        let data = option[2..].to_vec();
        option.extend([23, 2, 0, 4]);
        option.resize((option.len() + 4).next_multiple_of(8) - 4, 0);
        assert_eq!(
            read(&option),
            Ok(vec![
                MobilityOption::Skipped { kind: 67, data },
                MobilityOption::HandoffIndicator(HandoffIndicator::UNKNOWN)
            ])
        );
    }
    // The others have no such leave.
    for kind in [65u8, 66, 68, 69] {
        assert_eq!(
            read(&[kind, 2, 0, 0]),
            Err(Error::OptionLength { kind, length: 2 })
        );
    }
    // What would be read as a Previous MAAR cannot be sent as one that is passed over.
    let data = vec![0; 34];
    let mut out = Vec::new();
    assert_eq!(
        update(vec![MobilityOption::Skipped { kind: 67, data }]).emit(MAG, LMA, &mut out),
        Err(EmitError::OptionValue(67))
    );
}

#[test]
fn odd_codes_are_passed_over() {
    let mag = [vec![51, 18, 0, 127], vec![0; 16]].concat();
    for octets in [&[41u8, 2, 3, 0][..], &mag] {
        let [kind, _, data @ ..] = octets else {
            panic!("no option")
        };
        let expected = MobilityOption::Skipped {
            kind: *kind,
            data: data.to_vec(),
        };
        assert_eq!(read(octets), Ok(vec![expected]));
    }
    for octets in [
        [41u8, 2, 1, 0],
        [41, 2, 2, 0],
        [41, 1, 1, 0],
        [51, 2, 0, 128],
        [55, 2, 0x80, 0],
        [55, 2, 0, 0],
        [55, 1, 0, 0],
        [28, 2, 0, 0],
        [9, 2, 1, 0],
        [10, 2, 0, 0],
        [20, 0, 0, 0],
        [29, 2, 0, 0],
        [33, 1, 0, 0],
        [39, 1, 0, 0],
        [50, 2, 1, 0],
        [70, 1, 0, 0],
    ] {
        let length = usize::from(octets[1]);
        assert_eq!(
            read(&octets),
            Err(Error::OptionLength {
                kind: octets[0],
                length
            })
        );
    }
    let long = [vec![55, 6, 0x80, 33], vec![0; 4], vec![1, 2, 0, 0]].concat();
    assert_eq!(read(&long), Err(Error::PrefixLength(33)));
    let home = [vec![18, 18, 3, 129], vec![0; 16]].concat();
    assert_eq!(read(&home), Err(Error::PrefixLength(129)));
}

#[test]
fn heartbeats_both_ways() {
    let response = Message::Heartbeat(Heartbeat {
        unsolicited: true,
        response: true,
        sequence: 0x0102_0304,
        options: vec![MobilityOption::RestartCounter(9)],
    });
    #[rustfmt::skip]
    let bytes = with_checksum(vec![
        59, 2, 13, 0, 0, 0, 0, 3,
        1, 2, 3, 4, 1, 0, 28, 4,
        0, 0, 0, 9, 1, 2, 0, 0,
    ]);
    assert_eq!(emit(&response), bytes);
    assert_eq!(parse(&bytes), Ok(response.clone()));
    assert_eq!(
        response.to_string(),
        "Heartbeat unsolicited seq 16909060 restarts 9"
    );
    let short = with_checksum(vec![59, 0, 13, 0, 0, 0, 0, 0]);
    assert_eq!(parse(&short).unwrap_err().name(), "too_short");
}

#[test]
fn revocations_both_ways() {
    let flags = RevocationFlags::PROXY.with(RevocationFlags::GLOBAL);
    let indication = Message::RevocationIndication(RevocationIndication {
        trigger: RevocationTrigger::PER_PEER,
        sequence: 0x1234,
        flags,
        options: vec![],
    });
    let bytes = with_checksum(vec![
        59, 1, 16, 0, 0, 0, 1, 128, 0x12, 0x34, 0xa0, 0, 1, 2, 0, 0,
    ]);
    assert_eq!(emit(&indication), bytes);
    assert_eq!(parse(&bytes), Ok(indication.clone()));
    assert_eq!(
        indication.to_string(),
        "BRI seq 4660 trigger 128 (per-peer policy) flags PG"
    );

    let acknowledgement = Message::RevocationAcknowledgement(RevocationAcknowledgement {
        status: RevocationStatus::ATTACHED,
        sequence: 0x1234,
        flags: RevocationFlags::PROXY,
        options: vec![],
    });
    let bytes = with_checksum(vec![
        59, 1, 16, 0, 0, 0, 2, 132, 0x12, 0x34, 0x80, 0, 1, 2, 0, 0,
    ]);
    assert_eq!(emit(&acknowledgement), bytes);
    assert_eq!(parse(&bytes), Ok(acknowledgement.clone()));
    assert_eq!(
        acknowledgement.to_string(),
        "BRA seq 4660 status 132 (mobile node is attached)"
    );

    // Neither indication nor acknowledgement: kept as it is.
    let bytes = with_checksum(vec![59, 0, 16, 0, 0, 0, 3, 0]);
    let other = Message::Other {
        mh_type: 16,
        data: vec![3, 0],
    };
    assert_eq!(emit(&other), bytes);
    assert_eq!(parse(&bytes), Ok(other));
    for kind in [1, 2] {
        let short = with_checksum(vec![59, 0, 16, 0, 0, 0, kind, 0]);
        assert_eq!(parse(&short).unwrap_err().name(), "too_short");
        let mut out = Vec::new();
        let disguised = Message::Other {
            mh_type: 16,
            data: vec![kind, 0],
        };
        assert!(disguised.emit(MAG, LMA, &mut out).is_err());
    }
}

#[test]
fn triggers_are_for_one_or_for_many() {
    assert!(RevocationTrigger::ADMINISTRATIVE.allows_single());
    assert!(!RevocationTrigger::ADMINISTRATIVE.allows_global());
    assert!(RevocationTrigger::PER_PEER.allows_global());
    assert!(!RevocationTrigger::PER_PEER.allows_single());
    assert!(RevocationTrigger(250).allows_single() && RevocationTrigger(250).allows_global());
    assert!(RevocationTrigger::HANDOVER_UNKNOWN.is_handover());
    assert!(!RevocationTrigger::OUT_OF_SYNC.is_handover());
}

#[test]
fn replay_timestamps_count_from_1900() {
    use std::time::Duration;
    let half = ReplayTimestamp::from_unix(Duration::new(5, 500_000_000));
    assert_eq!(half, ReplayTimestamp(2_208_988_805 << 32 | 0x8000_0000));
    let later = ReplayTimestamp::from_unix(Duration::new(7, 0));
    assert_eq!(half.abs_diff(later), Duration::from_millis(1500));
    assert!(later.is_after(half) && !half.is_after(later) && !half.is_after(half));
    // Over the wrap of 2036.
    let wrap = Duration::from_secs((1 << 32) - 2_208_988_800);
    let before = ReplayTimestamp::from_unix(wrap - Duration::from_secs(1));
    let after = ReplayTimestamp::from_unix(wrap + Duration::from_secs(1));
    assert!(after.is_after(before));
    assert_eq!(after.abs_diff(before), Duration::from_secs(2));
}
