//! What stands between the outer header and the inner packet, as far as it tells tunnels apart.

use crate::key::Encapsulation;

/// What tells tunnels between the same ends apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    /// 0 plain, 1 UDP, 2 GRE without keys, 3 GRE with keys.
    pub(super) kind: u8,
    key: u32,
}

impl Mark {
    /// Nothing but the inner packet.
    pub(crate) const PLAIN: Self = Self { kind: 0, key: 0 };

    /// A UDP header.
    pub(crate) const UDP: Self = Self { kind: 1, key: 0 };

    /// A GRE header with this key, or without.
    pub(crate) const fn gre(key: Option<u32>) -> Self {
        match key {
            None => Self { kind: 2, key: 0 },
            Some(key) => Self { kind: 3, key },
        }
    }

    pub(super) const fn of(encapsulation: Encapsulation) -> Self {
        match encapsulation {
            Encapsulation::Plain => Self::PLAIN,
            Encapsulation::Udp => Self::UDP,
            Encapsulation::Gre { keys: None, .. } => Self::gre(None),
            Encapsulation::Gre {
                keys: Some(keys), ..
            } => Self::gre(Some(keys.receive)),
        }
    }

    pub(super) const fn word(self) -> u64 {
        (self.kind as u64) << 32 | self.key as u64
    }
}
