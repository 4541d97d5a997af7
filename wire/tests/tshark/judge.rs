//! tshark as a judge who has never seen our code: frames go into a pcap file, its dissection comes
//! back as JSON, and each frame's fields are compared with what the test meant to send.

use serde_json::Value;
use std::process::Command;

/// Expert severities from this one on fail a test: warning and error.
const SEVERITY_WARN: u64 = 0x0060_0000;

/// An Ethernet frame and what tshark is to read in it.
pub struct Case {
    /// What the frame is, for the failure message.
    pub name: String,
    /// The frame, without checksum of the link layer.
    pub frame: Vec<u8>,
    /// tshark field names, each with all its values in any order.
    pub expected: Vec<(&'static str, Vec<String>)>,
}

/// Runs all frames through tshark at once and compares. Panics with every difference found.
pub fn judge(cases: &[Case]) {
    let packets = dissect(cases);
    assert_eq!(packets.len(), cases.len(), "tshark lost or made up frames");
    let faults: Vec<String> = cases
        .iter()
        .zip(&packets)
        .flat_map(|(case, packet)| {
            compare(case, packet)
                .into_iter()
                .map(move |fault| format!("{}: {fault}", case.name))
        })
        .collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn compare(case: &Case, packet: &Value) -> Vec<String> {
    let layers = &packet["_source"]["layers"];
    let mut faults = Vec::new();
    if contains_key_with(layers, &|key| key.starts_with("_ws.malformed")) {
        faults.push(format!("malformed: {layers}"));
    }
    for severity in values(layers, "_ws.expert.severity") {
        if severity
            .parse::<u64>()
            .is_ok_and(|severity| severity >= SEVERITY_WARN)
        {
            let messages = values(layers, "_ws.expert.message");
            faults.push(format!("expert says {messages:?}"));
        }
    }
    for (field, expected) in &case.expected {
        let (mut expected, mut found) = (expected.clone(), values(layers, field));
        expected.sort();
        found.sort();
        if expected != found {
            faults.push(format!("{field} is {found:?}, not {expected:?}"));
        }
    }
    faults
}

fn dissect(cases: &[Case]) -> Vec<Value> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("frames.pcap");
    std::fs::write(&path, pcap(cases)).expect("a pcap file");
    let output = Command::new("tshark")
        .env("WIRESHARK_CONFIG_DIR", directory.path())
        .args(["-n", "-T", "json", "--no-duplicate-keys", "-r"])
        .arg(&path)
        .output()
        .unwrap_or_else(|error| {
            panic!("tshark cannot be run ({error}); scripts/setup installs it")
        });
    assert!(
        output.status.success(),
        "tshark failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("JSON from tshark")
}

/// A pcap file with link type Ethernet, one microsecond between frames.
fn pcap(cases: &[Case]) -> Vec<u8> {
    let mut file = Vec::new();
    let words = |words: &[u32]| {
        words
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    file.extend(words(&[0xa1b2_c3d4, 4 << 16 | 2, 0, 0, 0x4_0000, 1]));
    for (at, case) in cases.iter().enumerate() {
        let length = case.frame.len() as u32;
        file.extend(words(&[0, at as u32, length, length]));
        file.extend(&case.frame);
    }
    file
}

/// Every value of `field`, however deep.
fn values(tree: &Value, field: &str) -> Vec<String> {
    let mut found = Vec::new();
    visit(tree, &mut |key, value| {
        if key == field {
            match value {
                Value::String(text) => found.push(text.clone()),
                Value::Array(items) => {
                    found.extend(items.iter().filter_map(Value::as_str).map(str::to_owned));
                }
                _ => {}
            }
        }
    });
    found
}

fn contains_key_with(tree: &Value, predicate: &dyn Fn(&str) -> bool) -> bool {
    let mut found = false;
    visit(tree, &mut |key, _| found |= predicate(key));
    found
}

fn visit(tree: &Value, visitor: &mut dyn FnMut(&str, &Value)) {
    match tree {
        Value::Object(map) => {
            for (key, value) in map {
                visitor(key, value);
                visit(value, visitor);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| visit(item, visitor)),
        _ => {}
    }
}
