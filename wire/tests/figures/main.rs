//! What we put on the wire, as a decoder reads it that was written from the figures of the RFCs alone
//! (`decode.py`): the options and flags that tshark does not know.

use serde_json::{json, Value};
use std::io::Write;
use std::net::Ipv6Addr;
use std::process::{Command, Stdio};
use wire::mh::{
    AcknowledgementFlags, AssignedHomeAddress, Authentication, BindingAcknowledgement,
    BindingUpdate, Experimental, Heartbeat, HomeNetworkPrefix, Lifetime, Message, MnIdentifier,
    MobilityOption, PreviousMaar, ReplayTimestamp, RevocationAcknowledgement, RevocationFlags,
    RevocationIndication, RevocationStatus, RevocationTrigger, Status, UpdateFlags,
};

const MAG: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const LMA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
const DLIF: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);

fn emit(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    message
        .emit(MAG, LMA, &mut bytes)
        .expect("a sendable message");
    bytes
}

/// What the decoder says of each message.
fn decode(messages: &[Vec<u8>]) -> Vec<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/figures/decode.py");
    let mut decoder = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("python3 cannot be run ({error}); scripts/setup installs it")
        });
    let lines: String = messages
        .iter()
        .map(|bytes| {
            let hex: String = bytes.iter().map(|octet| format!("{octet:02x}")).collect();
            hex + "\n"
        })
        .collect();
    let mut input = decoder.stdin.take().expect("a pipe");
    // Written from another thread: neither pipe may fill up while the other waits.
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = decoder.wait_with_output().expect("the decoder's output");
    writer.join().expect("the writer").expect("all of it read");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("JSON is text");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn update(flags: UpdateFlags, options: Vec<MobilityOption>) -> Message {
    Message::BindingUpdate(BindingUpdate {
        sequence: 7,
        flags,
        lifetime: Lifetime(75),
        options,
    })
}

/// The decoder finds exactly these fields in an option, and no fault in the message.
fn holds(found: &Value, fields: &Value) {
    assert_eq!(found["faults"], json!([]), "{found}");
    let options = found["options"].as_array().expect("options");
    let read = options.iter().any(|option| {
        let fields = fields.as_object().expect("fields");
        fields.iter().all(|(name, value)| option[name] == *value)
    });
    assert!(read, "{fields} is not in {found}");
}

/// Each option, behind identifiers of every length so that it comes to stand at every place.
/// Proves S2-35.
#[test]
fn every_option_that_tshark_does_not_know() {
    let prefix: HomeNetworkPrefix = "2001:db8:1:8000::/49".parse().unwrap();
    let cases = [
        (
            MobilityOption::AnchoredPrefix(prefix),
            json!({"type": 65, "length": 18, "prefix_length": 49, "anchored_prefix": "2001:db8:1:8000::"}),
        ),
        (
            MobilityOption::LocalPrefix(prefix),
            json!({"type": 66, "length": 18, "prefix_length": 49, "local_prefix": "2001:db8:1:8000::"}),
        ),
        (
            MobilityOption::PreviousMaar(PreviousMaar {
                address: LMA,
                prefix,
            }),
            json!({"type": 67, "length": 34, "prefix_length": 49, "previous_maar": "2001:db8::2",
                "home_network_prefix": "2001:db8:1:8000::"}),
        ),
        (
            MobilityOption::ServingMaar(MAG),
            json!({"type": 68, "length": 16, "serving_maar": "2001:db8::1"}),
        ),
        (
            MobilityOption::DlifLinkLocalAddress(DLIF),
            json!({"type": 69, "length": 16, "dlif_link_local": "fe80::9"}),
        ),
        (
            MobilityOption::DlifLinkLayerAddress(vec![2, 0, 0, 0, 0, 9]),
            json!({"type": 70, "length": 8, "dlif_link_layer": "020000000009"}),
        ),
        (
            MobilityOption::Experimental(Experimental::BindingCacheConfirmation),
            json!({"type": 18, "length": 1, "content": "binding cache confirmation"}),
        ),
        (
            MobilityOption::Experimental(Experimental::AssignedHomeAddress(AssignedHomeAddress {
                address: LMA,
                prefix_length: 64,
            })),
            json!({"type": 18, "length": 18, "content": "assigned home address",
                "prefix_length": 64, "home_address": "2001:db8::2"}),
        ),
        (
            MobilityOption::Experimental(Experimental::Other(vec![9, 8])),
            json!({"type": 18, "length": 2, "octets": "0908"}),
        ),
    ];
    let (mut messages, mut expected) = (Vec::new(), Vec::new());
    for (option, fields) in &cases {
        for length in 1..=8 {
            let name = MobilityOption::MnIdentifier(MnIdentifier::Nai("n".repeat(length)));
            let flags = UpdateFlags::PROXY.with(UpdateFlags::DISTRIBUTED);
            messages.push(emit(&update(flags, vec![name, option.clone()])));
            expected.push(fields);
        }
    }
    let found = decode(&messages);
    assert_eq!(found.len(), expected.len());
    for (found, fields) in found.iter().zip(expected) {
        holds(found, fields);
    }
}

/// The data of an authentication option, of which tshark shows all but two octets; every status of a revocation,
/// for which it has other names; and those of an acknowledgement that it does not know.
#[test]
fn what_tshark_shows_wrong() {
    let data: Vec<u8> = (1..=12).collect();
    let options = vec![
        MobilityOption::ReplayProtection(ReplayTimestamp(0x0102_0304_0506_0708)),
        MobilityOption::Authentication(Authentication {
            subtype: Authentication::MN_HA,
            spi: 0x0102_0304,
            data,
        }),
    ];
    let mut messages = vec![emit(&Message::Heartbeat(Heartbeat {
        unsolicited: true,
        response: true,
        sequence: 0xdead_beef,
        options,
    }))];
    let mut expected = vec![json!({"type": 13, "flags": "UR", "sequence": 0xdead_beef_u32})];
    let revocations = [
        (RevocationFlags::PROXY, "P"),
        (RevocationFlags::GLOBAL, "G"),
    ];
    for (flags, letter) in revocations {
        for octet in (0..=7).chain(128..=135) {
            messages.push(emit(&Message::RevocationIndication(RevocationIndication {
                trigger: RevocationTrigger(octet),
                sequence: 40007,
                flags,
                options: vec![],
            })));
            expected.push(json!({"type": 16, "revocation": 1, "trigger": octet,
                "sequence": 40007, "flags": letter}));
            let status = RevocationStatus(octet);
            messages.push(emit(&Message::RevocationAcknowledgement(
                RevocationAcknowledgement {
                    status,
                    sequence: 40007,
                    flags,
                    options: vec![],
                },
            )));
            expected.push(json!({"type": 16, "revocation": 2, "status": octet,
                "sequence": 40007, "flags": letter}));
        }
    }
    for status in [
        Status::ID_MISMATCH,
        Status::MESG_ID_REQUIRED,
        Status::AUTH_FAIL,
    ] {
        messages.push(emit(&Message::BindingAcknowledgement(
            BindingAcknowledgement {
                status,
                flags: AcknowledgementFlags::PROXY,
                sequence: 7,
                lifetime: Lifetime(75),
                options: vec![],
            },
        )));
        expected.push(json!({"type": 6, "status": status.0, "flags": "P"}));
    }
    let found = decode(&messages);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found["faults"], json!([]), "{found}");
        for (name, value) in expected.as_object().expect("fields") {
            assert_eq!(found[name], *value, "{name} of {found}");
        }
    }
    holds(
        &found[0],
        &json!({"type": 10, "timestamp": "0102030405060708"}),
    );
    let spi = 0x0102_0304;
    holds(
        &found[0],
        &json!({"type": 9, "subtype": 1, "spi": spi, "data": "0102030405060708090a0b0c"}),
    );
}

#[test]
fn every_flag_stands_at_its_letter() {
    let updates = "AHLKMRPFTBSD"
        .chars()
        .enumerate()
        .map(|(place, letter)| (UpdateFlags(0x8000 >> place), letter));
    let acknowledgements = "KRPTBSD"
        .chars()
        .enumerate()
        .map(|(place, letter)| (AcknowledgementFlags(0x80 >> place), letter));
    let (mut messages, mut letters) = (Vec::new(), Vec::new());
    for (flag, letter) in updates {
        messages.push(emit(&update(flag, vec![])));
        letters.push((letter.to_string(), flag.to_string()));
    }
    for (flag, letter) in acknowledgements {
        messages.push(emit(&Message::BindingAcknowledgement(
            BindingAcknowledgement {
                status: Status::ACCEPTED,
                flags: flag,
                sequence: 7,
                lifetime: Lifetime(75),
                options: vec![],
            },
        )));
        letters.push((letter.to_string(), flag.to_string()));
    }
    for (found, (letter, ours)) in decode(&messages).iter().zip(letters) {
        assert_eq!(found["flags"], json!(letter));
        assert_eq!(ours, letter);
        assert_eq!(found["faults"], json!([]));
    }
    let named = [
        (UpdateFlags::MULTICAST.0, 0x20),
        (UpdateFlags::DISTRIBUTED.0, 0x10),
        (AcknowledgementFlags::MULTICAST.0.into(), 0x04),
        (AcknowledgementFlags::DISTRIBUTED.0.into(), 0x02),
    ];
    assert!(named.iter().all(|(ours, figure)| ours == figure));
}

/// A decoder that finds no fault in anything proves nothing.
#[test]
fn the_decoder_sees_what_is_wrong() {
    let good = emit(&update(
        UpdateFlags::PROXY,
        vec![MobilityOption::ServingMaar(MAG)],
    ));
    let changed = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    let faulty = [
        changed(0, 58),
        changed(3, 1),
        changed(9, 1),
        changed(15, 15),
        changed(15, 17),
        changed(12, 68),
        good[..24].to_vec(),
    ];
    for found in decode(&faulty) {
        assert_ne!(found["faults"], json!([]), "{found}");
    }
}
