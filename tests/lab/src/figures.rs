//! What the second decoder reads in a capture: the one that is written from the figures of the RFCs alone, for
//! what tshark does not know or shows wrong. It has the keys, too, and says of each authentication option whether
//! that is what its key makes of the message.

use crate::command;
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;

/// The decoder, by which the tests of the wire judge as well.
const DECODER: &str = include_str!("../../../wire/tests/figures/decode.py");

/// Reads every mobility message of a capture, in their order. A key is its SPI and its octets, `256:6f6c…`.
///
/// # Errors
/// When the decoder cannot be run or cannot read the file.
pub fn decode(capture: &Path, keys: &[String]) -> Result<Vec<Value>> {
    let file = capture.to_str().context("a path that is not text")?;
    let mut words = vec!["python3", "-c", DECODER, "--capture", file];
    for key in keys {
        words.extend(["--key", key]);
    }
    let lines = command::run(&words)?;
    let read = |line: &str| serde_json::from_str(line).context("not JSON");
    lines.lines().map(read).collect()
}

/// The options of that type in a message.
pub fn options(message: &Value, kind: u64) -> impl Iterator<Item = &Value> {
    let all = message["options"].as_array().into_iter().flatten();
    all.filter(move |option| option["type"] == kind)
}
