//! Hosts that were refused a short time ago: they are not asked about again at each packet (S1-24).

use crate::event::{HostLink, Sign};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// For how long a host is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Until then, whatever it sends.
    Until(Duration),
    /// Until then it does not attach by mere packets: the operator has detached it.
    PacketsUntil(Duration),
    /// Until the operator acts: attaches it, or changes the policy.
    UntilToldOtherwise,
}

impl Hold {
    fn stands(self, now: Duration, sign: Sign) -> bool {
        match (self, sign) {
            (_, Sign::Operator) => false,
            (Self::PacketsUntil(_), Sign::RouterSolicitation { .. }) => false,
            (Self::Until(end) | Self::PacketsUntil(end), _) => now < end,
            (Self::UntilToldOtherwise, _) => true,
        }
    }
}

/// A bounded number of refused hosts; the one refused longest ago makes room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals {
    by_link: BTreeMap<HostLink, Hold>,
    order: VecDeque<HostLink>,
}

impl Refusals {
    pub(crate) fn insert(&mut self, link: HostLink, hold: Hold, most: usize) {
        if most == 0 {
            return;
        }
        if self.by_link.insert(link, hold).is_none() {
            self.order.push_back(link);
        }
        while self.by_link.len() > most {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            self.by_link.remove(&oldest);
        }
    }

    /// Whether a host that shows this sign is to be left alone. If not, its refusal is forgotten.
    pub(crate) fn stands(&mut self, now: Duration, link: HostLink, sign: Sign) -> bool {
        let Some(&hold) = self.by_link.get(&link) else {
            return false;
        };
        let stands = hold.stands(now, sign);
        if !stands {
            self.forget(link);
        }
        stands
    }

    fn forget(&mut self, link: HostLink) {
        self.by_link.remove(&link);
        self.order.retain(|other| *other != link);
    }

    /// Forgets the hosts that were refused, in order, and says which; hosts that the operator has
    /// detached stay.
    pub(crate) fn take_refused(&mut self) -> Vec<HostLink> {
        let detached = |hold: &Hold| matches!(hold, Hold::PacketsUntil(_));
        let refused = self.by_link.iter().filter(|(_, hold)| !detached(hold));
        let refused: Vec<HostLink> = refused.map(|(&link, _)| link).collect();
        self.by_link.retain(|_, hold| detached(hold));
        let by_link = &self.by_link;
        self.order.retain(|link| by_link.contains_key(link));
        refused
    }
}
