//! The other gateways of a domain: by their addresses, and by what they give hosts prefixes of.

use super::node::Node;
use super::Maar;
use crate::effect::Effect;
use crate::Now;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use wire::mh::{HomeNetworkPrefix, MnIdentifier};

/// Another gateway of the domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Its global address.
    pub address: Ipv6Addr,
    /// What it gives hosts prefixes of; none: not known, and not asked about.
    pub pools: Vec<HomeNetworkPrefix>,
}

impl Neighbour {
    /// Whether it may anchor this prefix.
    pub(super) fn may_anchor(&self, prefix: HomeNetworkPrefix) -> bool {
        let mut pools = self.pools.iter();
        self.pools.is_empty() || pools.any(|pool| covers(*pool, prefix))
    }
}

/// Whether all addresses of a prefix are of a pool.
fn covers(pool: HomeNetworkPrefix, prefix: HomeNetworkPrefix) -> bool {
    pool.length <= prefix.length && pool.contains(prefix.prefix)
}

/// The other gateways of a domain: nobody else is a serving or a previous one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Neighbours {
    by_address: BTreeMap<Ipv6Addr, Neighbour>,
    /// Whose each pool is. Pools of one domain share no addresses (S2-01), so that the one which a prefix
    /// is of is the next before it in their order.
    #[serde(skip)]
    by_pool: BTreeMap<HomeNetworkPrefix, Ipv6Addr>,
}

impl From<Vec<Neighbour>> for Neighbours {
    fn from(neighbours: Vec<Neighbour>) -> Self {
        let pools = neighbours.iter();
        let pools = pools.flat_map(|it| it.pools.iter().map(|pool| (*pool, it.address)));
        let by_pool = pools.collect();
        let by_address = neighbours.into_iter().map(|it| (it.address, it)).collect();
        Self {
            by_address,
            by_pool,
        }
    }
}

impl Neighbours {
    /// The gateway at this address.
    pub fn at(&self, address: Ipv6Addr) -> Option<&Neighbour> {
        self.by_address.get(&address)
    }

    /// The gateway that is named with the pool which a prefix is of.
    pub fn with_pool_of(&self, prefix: HomeNetworkPrefix) -> Option<Ipv6Addr> {
        let (pool, address) = self.by_pool.range(..=prefix).next_back()?;
        covers(*pool, prefix).then_some(*address)
    }
}

impl Maar {
    /// The other gateways were read anew. What those that are gone anchor is led here no longer; what is
    /// led to them ends as it would if they were down.
    pub(super) fn on_neighbours(
        &mut self,
        now: Now,
        neighbours: &[Neighbour],
        effects: &mut Vec<Effect>,
    ) {
        self.core.config.neighbours = neighbours.to_vec().into();
        let config = &self.core.config;
        let gone = |node: &Node| -> Vec<HomeNetworkPrefix> {
            let previous = node.visit.iter().flat_map(|visit| &visit.previous);
            let gone = previous.filter(|it| !config.may_anchor(it.anchor, it.prefix));
            gone.map(|it| it.prefix).collect()
        };
        let touched = self.nodes.iter();
        let touched = touched.map(|(host, node)| (host.clone(), gone(node)));
        let touched: Vec<(MnIdentifier, Vec<HomeNetworkPrefix>)> =
            touched.filter(|(_, gone)| !gone.is_empty()).collect();
        for (host, prefixes) in touched {
            self.forget_anchors(now, &host, &prefixes, effects);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> HomeNetworkPrefix {
        text.parse().unwrap()
    }

    fn neighbour(last: u16, pools: &[&str]) -> Neighbour {
        Neighbour {
            address: Ipv6Addr::new(0x2001, 0xdb8, 0xff, 0, 0, 0, 0, last),
            pools: pools.iter().map(|pool| prefix(pool)).collect(),
        }
    }

    #[test]
    fn a_prefix_is_of_the_pool_that_holds_all_of_it() {
        let all = vec![
            neighbour(1, &["2001:db8:100::/40", "2001:db8:400::/48"]),
            neighbour(2, &["2001:db8:200::/40"]),
            neighbour(3, &[]),
        ];
        let whose: Vec<Ipv6Addr> = all.iter().map(|it| it.address).collect();
        let neighbours = Neighbours::from(all);
        for (text, expected) in [
            ("2001:db8:100::/64", Some(whose[0])),
            ("2001:db8:1ff:ffff::/64", Some(whose[0])),
            ("2001:db8:400:7::/64", Some(whose[0])),
            ("2001:db8:200::/40", Some(whose[1])),
            ("2001:db8:200::/39", None),
            ("2001:db8:300::/64", None),
            ("2001:db8::/64", None),
            ("2001:db8:401::/64", None),
        ] {
            assert_eq!(neighbours.with_pool_of(prefix(text)), expected, "{text}");
        }
        assert!(neighbours
            .at(whose[2])
            .unwrap()
            .may_anchor(prefix("2001:db8:300::/64")));
        assert_eq!(neighbours.at(Ipv6Addr::LOCALHOST), None);
    }
}
