//! Byte pairs and round trips of mobility messages.

mod later;
mod strategies;

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use strategies::message;

const MAG: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const LMA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);

fn emit(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.emit(MAG, LMA, &mut bytes).unwrap();
    assert_eq!(bytes.len(), message.emitted_len());
    bytes
}

/// Sets the checksum field of a hand-written message right.
fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[4..6].fill(0);
    let length = (usize::from(bytes[1]) + 1) * 8;
    let sum =
        crate::checksum::pseudo_header_v6(&MAG.octets(), &LMA.octets(), length as u32, NEXT_HEADER);
    let covered = length.min(bytes.len());
    let check = crate::checksum::finish(crate::checksum::add(sum, &bytes[..covered]));
    bytes[4..6].copy_from_slice(&check.to_be_bytes());
    bytes
}

fn parse(bytes: &[u8]) -> Result<Message, Error> {
    Message::parse(MAG, LMA, bytes)
}

fn registration() -> Message {
    Message::BindingUpdate(BindingUpdate {
        sequence: 7,
        flags: UpdateFlags::ACKNOWLEDGE.with(UpdateFlags::PROXY),
        lifetime: Lifetime(75),
        options: vec![
            MobilityOption::MnIdentifier(MnIdentifier::Nai("mn1@example".into())),
            MobilityOption::HomeNetworkPrefix(HomeNetworkPrefix::REQUEST),
            MobilityOption::HandoffIndicator(HandoffIndicator::NEW_INTERFACE),
            MobilityOption::AccessTechnology(AccessTechnology::ETHERNET),
            MobilityOption::Timestamp(NtpTime(0x0000_6543_2100_8000)),
        ],
    })
}

/// The registration above, octet by octet.
#[rustfmt::skip]
const REGISTRATION: [u8; 72] = [
    59, 8, 5, 0, 0x6d, 0xb1, 0, 7,
    0x82, 0x00, 0, 75, 8, 12, 1, b'm',
    b'n', b'1', b'@', b'e', b'x', b'a', b'm', b'p',
    b'l', b'e', 1, 0, 22, 18, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0,
    23, 2, 0, 1, 24, 2, 0, 3,
    1, 0, 27, 8, 0, 0, 0x65, 0x43,
    0x21, 0x00, 0x80, 0x00, 1, 2, 0, 0,
];

#[test]
fn a_proxy_binding_update_both_ways() {
    assert_eq!(emit(&registration()), REGISTRATION);
    assert_eq!(parse(&REGISTRATION), Ok(registration()));
}

#[test]
fn a_proxy_binding_acknowledgement_both_ways() {
    let message = Message::BindingAcknowledgement(BindingAcknowledgement {
        status: Status::TIMESTAMP_MISMATCH,
        flags: AcknowledgementFlags::PROXY,
        sequence: 0x1234,
        lifetime: Lifetime(0x4567),
        options: vec![MobilityOption::BindingRefreshAdvice(Lifetime(9))],
    });
    #[rustfmt::skip]
    let bytes = with_checksum(vec![
        59, 1, 6, 0, 0, 0, 156, 0x20,
        0x12, 0x34, 0x45, 0x67, 2, 2, 0, 9,
    ]);
    assert_eq!(emit(&message), bytes);
    assert_eq!(parse(&bytes), Ok(message));
}

#[test]
fn the_shortest_messages_both_ways() {
    let request = Message::BindingRefreshRequest(BindingRefreshRequest::default());
    let bytes = with_checksum(vec![59, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(emit(&request), bytes);
    assert_eq!(parse(&bytes), Ok(request));

    let error = Message::BindingError(BindingError {
        status: BindingError::UNRECOGNIZED_MH_TYPE,
        home_address: MAG,
        options: vec![],
    });
    let mut bytes = vec![59, 2, 7, 0, 0, 0, 2, 0];
    bytes.extend(MAG.octets());
    let bytes = with_checksum(bytes);
    assert_eq!(emit(&error), bytes);
    assert_eq!(parse(&bytes), Ok(error));
}

#[test]
fn an_unknown_type_keeps_its_octets() {
    let bytes = with_checksum(vec![59, 0, 99, 0, 0, 0, 1, 2]);
    let message = Message::Other {
        mh_type: 99,
        data: vec![1, 2],
    };
    assert_eq!(parse(&bytes).as_ref(), Ok(&message));
    assert_eq!(emit(&message), bytes);
}

#[test]
fn unknown_options_and_odd_padding_are_taken() {
    #[rustfmt::skip]
    let bytes = with_checksum(vec![
        59, 2, 5, 0, 0, 0, 0, 1,
        0x80, 0, 0, 1, 0, 0, 1, 2,
        0xff, 0xee, 77, 1, 5, 23, 2, 9,
    ]);
    // The handoff indicator's data ends one octet short of the header's end; see the next test.
    assert_eq!(
        parse(&bytes),
        Err(Error::OptionTruncated {
            kind: 23,
            offset: 21
        })
    );
    #[rustfmt::skip]
    let bytes = with_checksum(vec![
        59, 2, 5, 0, 0, 0, 0, 1,
        0x80, 0, 0, 1, 0, 1, 2, 0xff,
        0xee, 77, 1, 5, 23, 2, 9, 4,
    ]);
    let Ok(Message::BindingUpdate(update)) = parse(&bytes) else {
        panic!("not a binding update");
    };
    assert_eq!(
        update.options,
        [
            MobilityOption::Unknown {
                kind: 77,
                data: vec![5]
            },
            MobilityOption::HandoffIndicator(HandoffIndicator::UNKNOWN),
        ]
    );
}

#[test]
fn bits_past_the_prefix_length_are_cleared() {
    let mut bytes = vec![59, 3, 5, 0, 0, 0, 0, 1, 0x82, 0, 0, 1, 22, 18, 0xff, 20];
    bytes.extend([0xff; 16]);
    let Ok(message) = parse(&with_checksum(bytes)) else {
        panic!("not a message");
    };
    let prefix = "ffff:f000::/20".parse().unwrap();
    assert!(options::home_network_prefixes(message.options()).eq([prefix]));
}

#[test]
fn an_identifier_that_is_no_text_stays_octets() {
    let bytes = with_checksum(vec![59, 1, 5, 0, 0, 0, 0, 1, 0x82, 0, 0, 1, 8, 2, 1, 0xff]);
    let message = parse(&bytes).unwrap();
    assert_eq!(
        options::mn_identifier(message.options()),
        Some(&MnIdentifier::Other {
            subtype: 1,
            data: vec![0xff]
        })
    );
}

/// The answer to an update that named nobody names nobody (RFC 5213 section 5.3.6). tshark 4.0 would
/// have one octet at least, so it cannot be asked.
///
/// Proves S1-06.
#[test]
fn an_empty_identifier_both_ways() {
    let nobody = MnIdentifier::Nai(String::new());
    let message = Message::BindingAcknowledgement(BindingAcknowledgement {
        status: Status::MISSING_MN_IDENTIFIER_OPTION,
        flags: AcknowledgementFlags::PROXY,
        sequence: 1,
        lifetime: Lifetime::ZERO,
        options: vec![MobilityOption::MnIdentifier(nobody)],
    });
    let bytes = emit(&message);
    assert_eq!(bytes[12..], [8, 1, 1, 0]);
    assert_eq!(parse(&bytes), Ok(message));
}

#[test]
fn each_bad_message_has_its_named_error() {
    let good = REGISTRATION.to_vec();
    let update = |options: [u8; 4]| {
        let mut bytes = vec![59, 1, 5, 0, 0, 0, 0, 1, 0x82, 0, 0, 1];
        bytes.extend(options);
        with_checksum(bytes)
    };
    let edited = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    let mut long_prefix = vec![59, 3, 5, 0, 0, 0, 0, 1, 0x82, 0, 0, 1, 22, 18, 0, 129];
    long_prefix.extend([0; 16]);
    let mut trailing = good.clone();
    trailing.extend([0; 8]);
    let cases: Vec<(&str, Option<u8>, Vec<u8>)> = vec![
        ("truncated", None, vec![]),
        ("truncated", None, good[..5].to_vec()),
        ("truncated", None, good[..good.len() - 8].to_vec()),
        ("truncated", None, good[..good.len() - 1].to_vec()),
        ("trailing_octets", None, trailing),
        ("checksum", None, edited(70, 1)),
        ("checksum", None, edited(0, 58)),
        ("payload_proto", Some(0), with_checksum(edited(0, 6))),
        (
            "too_short",
            Some(1),
            with_checksum(vec![59, 0, 5, 0, 0, 0, 0, 0]),
        ),
        (
            "too_short",
            Some(1),
            with_checksum(vec![59, 0, 6, 0, 0, 0, 0, 0]),
        ),
        (
            "too_short",
            Some(1),
            with_checksum([&[59, 1, 7][..], &[0; 13]].concat()),
        ),
        ("option_truncated", None, update([23, 3, 0, 0])),
        ("option_truncated", None, update([0, 0, 0, 23])),
        ("padding_truncated", None, update([1, 3, 0, 0])),
        ("padding_truncated", None, update([0, 0, 0, 1])),
        ("option_length", None, update([23, 1, 0, 0])),
        ("option_length", None, update([24, 0, 0, 0])),
        ("option_length", None, update([2, 1, 0, 0])),
        ("option_length", None, update([3, 2, 0, 0])),
        ("option_length", None, update([8, 0, 0, 0])),
        ("option_length", None, update([22, 2, 0, 0])),
        ("option_length", None, update([25, 1, 0, 0])),
        ("option_length", None, update([26, 2, 0, 0])),
        ("option_length", None, update([27, 2, 0, 0])),
        ("prefix_length", None, with_checksum(long_prefix)),
        ("option_text", None, update([20, 1, 0xff, 0])),
        (
            "behind_authentication",
            None,
            later::behind_authentication(),
        ),
    ];
    for (name, pointer, bytes) in &cases {
        let error = parse(bytes).expect_err(name);
        assert_eq!(error.name(), *name, "{error}");
        assert_eq!(error.parameter_problem_pointer(), *pointer, "{error}");
    }
    for name in Error::all_names() {
        assert!(cases.iter().any(|case| case.0 == *name), "{name} untested");
    }
}

#[test]
fn what_cannot_be_written_is_refused_and_nothing_is_left_behind() {
    let update = |options| {
        Message::BindingUpdate(BindingUpdate {
            options,
            ..BindingUpdate::default()
        })
    };
    let unknown = |kind, octets| MobilityOption::Unknown {
        kind,
        data: vec![0; octets],
    };
    let bad_prefix = HomeNetworkPrefix {
        prefix: MAG,
        length: 64,
    };
    let cases = [
        (update(vec![unknown(99, 255); 8]), EmitError::TooLong(2072)),
        (
            update(vec![unknown(99, 256)]),
            EmitError::OptionTooLong {
                kind: 99,
                octets: 256,
            },
        ),
        (update(vec![unknown(22, 18)]), EmitError::KnownOption(22)),
        (update(vec![unknown(1, 4)]), EmitError::KnownOption(1)),
        (
            update(vec![MobilityOption::HomeNetworkPrefix(bad_prefix)]),
            EmitError::Prefix(bad_prefix),
        ),
        (
            Message::Other {
                mh_type: 5,
                data: vec![0; 2],
            },
            EmitError::OtherShape {
                mh_type: 5,
                octets: 2,
            },
        ),
        (
            Message::Other {
                mh_type: 50,
                data: vec![],
            },
            EmitError::OtherShape {
                mh_type: 50,
                octets: 0,
            },
        ),
    ];
    for (message, error) in cases {
        let mut out = vec![1, 2, 3];
        assert_eq!(message.emit(MAG, LMA, &mut out), Err(error));
        assert_eq!(out, [1, 2, 3]);
    }
    // Eight octets less fit exactly.
    let mut options = vec![unknown(99, 255); 7];
    options.push(unknown(99, 2036 - 7 * 257 - 2));
    assert_eq!(emit(&update(options)).len(), 2048);
}

#[test]
fn messages_read_as_one_line() {
    assert_eq!(
        registration().to_string(),
        "PBU seq 7 lifetime 300 s mn1@example HNP ::/0 HI 1 ATT 3 time 1698898176.500000"
    );
    let acknowledgement = Message::BindingAcknowledgement(BindingAcknowledgement {
        status: Status::ACCEPTED,
        flags: AcknowledgementFlags(0x30),
        sequence: 7,
        lifetime: Lifetime::INFINITE,
        options: vec![MobilityOption::MnIdentifier(MnIdentifier::Nai(
            "a\nb".into(),
        ))],
    });
    assert_eq!(
        acknowledgement.to_string(),
        "PBA seq 7 status 0 (accepted) lifetime infinite flags PT a\\nb"
    );
    let update = Message::BindingUpdate(BindingUpdate {
        flags: UpdateFlags(0x6008),
        ..BindingUpdate::default()
    });
    assert_eq!(update.to_string(), "BU seq 0 lifetime 0 s flags HL+0x8");
}

#[test]
fn prefixes_in_text() {
    let prefix: HomeNetworkPrefix = "2001:db8:1::/48".parse().unwrap();
    assert_eq!(prefix.to_string(), "2001:db8:1::/48");
    assert_eq!(
        serde_json::to_string(&prefix).unwrap(),
        "\"2001:db8:1::/48\""
    );
    assert!(prefix.contains("2001:db8:1:ffff::9".parse().unwrap()));
    assert!(!prefix.contains("2001:db8:2::".parse().unwrap()));
    assert!(HomeNetworkPrefix::REQUEST.contains(MAG));
    assert!(HomeNetworkPrefix::REQUEST.is_request());
    assert!(!prefix.is_request());
    assert_eq!(
        "2001:db8:1::1/48".parse::<HomeNetworkPrefix>(),
        Err(BadPrefix::HostBits("2001:db8:1::1/48".into(), prefix))
    );
    for text in [
        "",
        "::",
        "::/",
        "::/129",
        "::/+4",
        "::/-1",
        "10.0.0.0/8",
        "::/64/64",
    ] {
        assert_eq!(
            text.parse::<HomeNetworkPrefix>(),
            Err(BadPrefix::Syntax(text.into()))
        );
    }
}

#[test]
fn timestamps_count_from_1970() {
    use std::time::Duration;
    let half = Duration::new(5, 500_000_000);
    assert_eq!(NtpTime::from_unix(half), NtpTime(0x5_8000));
    assert_eq!(NtpTime(0x5_8000).to_unix(), half);
    assert_eq!(
        NtpTime::from_unix(Duration::from_secs(1 << 48)),
        NtpTime(u64::MAX)
    );
    assert_eq!(
        NtpTime(0x5_8000).abs_diff(NtpTime(0x7_8000)),
        Duration::from_secs(2)
    );
}

proptest! {
    #[test]
    fn every_message_survives_the_wire(message in message()) {
        let bytes = emit(&message);
        prop_assert_eq!(bytes.len() % 8, 0);
        prop_assert_eq!(parse(&bytes), Ok(message));
    }

    #[test]
    fn every_message_survives_serde(message in message()) {
        let text = serde_json::to_string(&message).unwrap();
        prop_assert_eq!(serde_json::from_str::<Message>(&text).unwrap(), message);
    }

    #[test]
    fn one_flipped_bit_is_noticed(message in message(), at in any::<prop::sample::Index>()) {
        let mut bytes = emit(&message);
        let bit = at.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(parse(&bytes).is_err());
    }

    #[test]
    fn any_bytes_get_an_answer(bytes in vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
        if bytes.len() >= 8 {
            if let Ok(message) = parse(&with_checksum(bytes)) {
                prop_assert_eq!(parse(&emit(&message)), Ok(message));
            }
        }
    }

    #[test]
    fn every_timestamp_survives_the_clock(time in any::<u64>()) {
        prop_assert_eq!(NtpTime::from_unix(NtpTime(time).to_unix()), NtpTime(time));
    }
}
