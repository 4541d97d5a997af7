//! Addresses of anchors that have answered, by the prefixes that they anchor: bounded, and forgotten
//! when they are old.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::HomeNetworkPrefix;

/// What is remembered.
#[derive(Clone, Debug, Default)]
pub(super) struct Learned {
    anchors: BTreeMap<HomeNetworkPrefix, (Ipv6Addr, Duration)>,
    /// The same, oldest first.
    ages: BTreeSet<(Duration, HomeNetworkPrefix)>,
}

impl Learned {
    /// Remembers the anchor of a prefix; at most so many.
    pub(super) fn learn(
        &mut self,
        now: Duration,
        most: usize,
        prefix: HomeNetworkPrefix,
        anchor: Ipv6Addr,
    ) {
        self.forget(prefix);
        while self.anchors.len() >= most.max(1) {
            let Some((_, oldest)) = self.ages.pop_first() else {
                break;
            };
            self.anchors.remove(&oldest);
        }
        self.anchors.insert(prefix, (anchor, now));
        self.ages.insert((now, prefix));
    }

    /// The anchor of a prefix, if it answered not longer ago than that.
    pub(super) fn find(
        &mut self,
        now: Duration,
        age: Duration,
        prefix: HomeNetworkPrefix,
    ) -> Option<Ipv6Addr> {
        while let Some(&(at, old)) = self.ages.first() {
            if at + age > now {
                break;
            }
            self.forget(old);
        }
        self.anchors.get(&prefix).map(|(anchor, _)| *anchor)
    }

    pub(super) fn forget(&mut self, prefix: HomeNetworkPrefix) {
        if let Some((_, at)) = self.anchors.remove(&prefix) {
            self.ages.remove(&(at, prefix));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.anchors.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(n: u16) -> HomeNetworkPrefix {
        format!("2001:db8:{n:x}::/64").parse().unwrap()
    }

    fn anchor(n: u16) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, n)
    }

    #[test]
    fn the_oldest_makes_room_and_what_is_old_is_forgotten() {
        let secs = Duration::from_secs;
        let mut learned = Learned::default();
        for n in 1..=4 {
            learned.learn(secs(n.into()), 3, prefix(n), anchor(n));
        }
        assert_eq!(learned.len(), 3);
        assert_eq!(learned.find(secs(5), secs(60), prefix(1)), None);
        assert_eq!(learned.find(secs(5), secs(60), prefix(2)), Some(anchor(2)));
        // Who answers again is remembered anew.
        learned.learn(secs(50), 3, prefix(2), anchor(7));
        assert_eq!(learned.find(secs(64), secs(60), prefix(3)), None);
        assert_eq!(learned.find(secs(64), secs(60), prefix(2)), Some(anchor(7)));
        assert_eq!(learned.len(), 1);
    }
}
