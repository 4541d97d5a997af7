//! What the engine sets timers for. There are several for every host, so those that hosts have are small and the
//! others are kept elsewhere.

use crate::neighbour::Neighbour;
use roles::effect::TunnelEnds;
use roles::event::{HostLink, Timer};

/// What the engine sets a timer for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Alarm {
    /// The role's: the lifetime of a session.
    Lifetime(u64),
    /// The role's: one of a visitor.
    Visitor(Visit, HostLink),
    /// Any other of the role.
    Role(Box<Timer>),
    /// Of a neighbour.
    Neighbour(Box<Neighbour>),
    /// A host is to be looked after.
    Host(HostLink),
    /// A session of a host is to be looked at.
    Session(HostLink),
    /// A DHCPv6 answer to a host has waited for its anchor for long enough.
    HeldAnswer(HostLink),
    /// A lowered tunnel MTU is to be forgotten.
    TunnelMtu(Box<TunnelEnds>),
    /// The topology is to be published.
    Publish,
    /// Reclamation, and whether a worker stalls.
    Housekeeping,
}

/// What a visitor has timers for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Visit {
    Retransmit,
    Refresh,
    Expiry,
    Advertise,
}

impl Visit {
    /// The role's own name of it.
    pub(super) const fn timer(self, link: HostLink) -> Timer {
        match self {
            Self::Retransmit => Timer::Retransmit { link },
            Self::Refresh => Timer::Refresh { link },
            Self::Expiry => Timer::VisitorExpiry { link },
            Self::Advertise => Timer::Advertise { link },
        }
    }
}

impl From<Timer> for Alarm {
    fn from(timer: Timer) -> Self {
        match timer {
            Timer::BindingExpiry { session } => Self::Lifetime(session),
            Timer::Retransmit { link } => Self::Visitor(Visit::Retransmit, link),
            Timer::Refresh { link } => Self::Visitor(Visit::Refresh, link),
            Timer::VisitorExpiry { link } => Self::Visitor(Visit::Expiry, link),
            Timer::Advertise { link } => Self::Visitor(Visit::Advertise, link),
            other => Self::Role(Box::new(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::ether::MacAddr;
    use wire::mh::MnIdentifier;

    /// What is set is what runs out.
    #[test]
    fn a_timer_of_the_role_comes_back_as_it_was() {
        let link = HostLink {
            interface: 3,
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
        };
        let back = |alarm| match alarm {
            Alarm::Lifetime(session) => Timer::BindingExpiry { session },
            Alarm::Visitor(visit, link) => visit.timer(link),
            Alarm::Role(timer) => *timer,
            other => panic!("{other:?}"),
        };
        for timer in [
            Timer::BindingExpiry { session: 7 },
            Timer::Retransmit { link },
            Timer::Refresh { link },
            Timer::VisitorExpiry { link },
            Timer::Advertise { link },
            Timer::Pacing,
            Timer::Deregistration {
                mn_identifier: MnIdentifier::Nai("mn@example.net".to_owned()),
                mac: link.mac,
            },
        ] {
            assert_eq!(back(Alarm::from(timer.clone())), timer);
        }
        assert_eq!(std::mem::size_of::<Alarm>(), 16);
    }
}
