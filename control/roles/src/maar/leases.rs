//! Leases of hosts, as far as they are a MAAR's affair: a prefix of another anchor of which the host gives
//! its addresses back is let go of (section 4.3 of the draft, S2-46).

use super::Maar;
use crate::event::HostLink;
use crate::{Effect, Now};
use std::net::Ipv6Addr;
use wire::mh::HomeNetworkPrefix;

impl Maar {
    /// A host gives addresses back. Its prefix of ours stays its own for as long as it is here.
    pub(super) fn on_given_back(
        &mut self,
        now: Now,
        link: HostLink,
        addresses: &[Ipv6Addr],
        effects: &mut Vec<Effect>,
    ) {
        let host = self.books.by_link.get(&link);
        let node = host.and_then(|host| self.nodes.get(host));
        let visit = node.and_then(|node| node.visit.as_ref());
        let previous = visit.into_iter().flat_map(|visit| &visit.previous);
        let given_back = |prefix: &HomeNetworkPrefix| {
            let mut addresses = addresses.iter();
            addresses.any(|address| prefix.contains(*address))
        };
        let prefixes = previous.map(|it| it.prefix).filter(given_back);
        for prefix in prefixes.collect::<Vec<_>>() {
            self.on_unused(now, prefix.into(), effects);
        }
    }
}
