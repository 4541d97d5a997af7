//! The Heartbeat message (RFC 5847 section 3.3).

use super::MobilityOption;
use serde::{Deserialize, Serialize};

/// Heartbeat, type 13: tells two gateways of each other that they are there.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Heartbeat {
    /// U: a response that nobody asked for, sent after a restart. Its sequence number means nothing.
    pub unsolicited: bool,
    /// R: a response; clear in a request.
    pub response: bool,
    /// Matches a response with its request.
    pub sequence: u32,
    /// Mobility options, padding left out; a response carries the Restart Counter.
    pub options: Vec<MobilityOption>,
}
