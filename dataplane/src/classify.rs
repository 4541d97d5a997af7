//! From bytes to what is to be looked up, or to an early end.
//!
//! ```text
//!   frame ── link ──> Entry: a packet with its Meta | the host stack | drop
//!   packet ── packet ──> Plan: probes | own only | multicast | a tunnel to take it out of | drop
//!   packet for us ── own ──> Own: answer | punt | take out of a tunnel | host stack | drop
//! ```
//!
//! Nothing here changes a packet, except that link-layer padding is cut.

pub(crate) mod link;
pub(crate) mod own;
pub(crate) mod packet;

use crate::key::{Domain, InterfaceId, TunnelId};
use crate::verdict::Verdict;
use wire::ether::MacAddr;

/// How a packet came to be where it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// Received on a link.
    Link,
    /// Taken out of this tunnel.
    Tunnel(TunnelId),
    /// Made here: an answer or a packet of control's. It is not forwarded, so its hop limit stays.
    Here,
}

/// What is known of a packet beside its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meta {
    pub(crate) origin: Origin,
    /// Interface that the frame came in on.
    pub(crate) interface: InterfaceId,
    /// Whether that is an access interface.
    pub(crate) access: bool,
    /// Domain that its addresses belong to.
    pub(crate) domain: Domain,
    /// Where its IPv6 header starts in the buffer.
    pub(crate) at: usize,
    /// Whether the frame came to a group address.
    pub(crate) group: bool,
    /// Source of the frame.
    pub(crate) mac: MacAddr,
    /// Whether it is an answer that goes back to `mac`, for its destination has no meaning off the
    /// link.
    pub(crate) back: bool,
    /// The verdict if it goes out, where that is not for the way it goes to say.
    pub(crate) success: Option<Verdict>,
}

impl Meta {
    /// Of a packet that is made here, at the front of its buffer.
    pub(crate) fn here(domain: Domain, success: Verdict) -> Self {
        Self {
            origin: Origin::Here,
            interface: InterfaceId(u16::MAX),
            access: false,
            domain,
            at: 0,
            group: false,
            mac: MacAddr::default(),
            back: false,
            success: Some(success),
        }
    }
}
