//! Who may attach, and with what: policy files, and the question that they and other sources of
//! policy answer.
//!
//! A MAG asks an [`AccessPolicy`] about every host that shows itself; a file answers at once. An
//! LMA goes by a whole [`LmaPolicy`](roles::policy::LmaPolicy), which its role is given at start and at every reload.

mod check;
mod lma;
mod maar;
mod mag;

pub use lma::{load_lma, AnchoredHostEntry, LmaPolicyFile};
pub use maar::{load_maar, MaarPolicyFile, RoamingDefault, RoamingHost};
pub use mag::{DefaultHost, FilePolicy, Host, MagPolicyFile};

use crate::aaa::Grant;
use roles::event::HostLink;
use roles::policy::Profile;
use std::net::{IpAddr, Ipv6Addr};

/// Who may attach at a MAG (S1-23, S1-24).
pub trait AccessPolicy {
    /// Asks who the host at `link` is. `known` is what was granted to it when it was asked about
    /// before, if it is attached.
    fn authenticate(&mut self, link: HostLink, known: Option<&Grant>) -> Answer;

    /// What goes for a host about which somebody else was asked who did not answer; `None`: it may not
    /// attach.
    fn unanswered(&mut self, link: HostLink, known: Option<&Grant>) -> Option<Grant> {
        let _ = (link, known);
        None
    }
}

/// An answer to [`AccessPolicy::authenticate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Known at once: its profile, or `None`: it may not attach.
    Now(Option<Profile>),
    /// Somebody else was asked. The answer comes on the channel that the policy was made with, and
    /// then as [`Engine::authorized`](crate::engine::Engine::authorized).
    Later,
    /// Too much is being asked: ask again in a moment.
    Busy,
}

/// An address as roles and tables have it.
const fn in_ipv6_form(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V6(address) => address,
        IpAddr::V4(address) => address.to_ipv6_mapped(),
    }
}

const fn enabled() -> bool {
    true
}
