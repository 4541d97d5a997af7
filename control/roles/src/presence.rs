//! Whether a host is still where it has come to (RFC 5213 sections 5.5 and 6.9.4).
//!
//! What a gateway says of a host has the latest timestamp, and so is newer than what another gateway has
//! said since the host went on there. That a host has come is therefore said again only once the host
//! has shown that it is still here. A refresh moves nobody, and asks nobody.
//!
//! ```text
//!   an update is to be said again ──► asked ──┬─ any sign of the host ──► said again
//!                                       ▲     └─ none ─┐
//!                                       └── a second ──┘  until it is missed (neighbour unreachability)
//! ```

use crate::effect::Effect;
use crate::event::HostLink;
use std::net::Ipv6Addr;
use std::time::Duration;

/// How long a host has to answer before it is asked again: RetransTimer (RFC 4861 section 10).
pub(crate) const ANSWER: Duration = Duration::from_secs(1);

/// Whether a host has been asked if it is still here, and has not answered yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Presence {
    asked: bool,
}

impl Presence {
    /// Asks a host by an address of it; `None`: none is known, and it cannot be asked.
    pub(crate) fn ask(&mut self, link: HostLink, address: Option<Ipv6Addr>) -> Option<Effect> {
        let address = address?;
        self.asked = true;
        Some(Effect::Probe { link, address })
    }

    /// There is a sign of the host; whether it answers a question.
    pub(crate) fn shows(&mut self) -> bool {
        std::mem::take(&mut self.asked)
    }
}
