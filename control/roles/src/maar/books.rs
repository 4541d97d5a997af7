//! Who holds what: the prefixes of our pools, hosts by link and by prefix, and the logical routers that
//! are shown for them.

use super::config::MaarConfig;
use super::counters::MaarCounter;
use super::discovery::FoundBy;
use super::node::{Node, Previous};
use super::update::Core;
use crate::backoff::RateLimit;
use crate::effect::{Effect, LogicalRouter, Notice};
use crate::event::HostLink;
use crate::keyed::Keyed;
use crate::pool::{Interface, Prefixes};
use crate::BoundPrefix;
use hashbrown::HashMap;
use std::net::Ipv6Addr;
use wire::mh::{HomeNetworkPrefix, MnIdentifier};

/// The books of a gateway.
#[derive(Clone, Debug)]
pub(super) struct Books {
    pub(super) prefixes: Prefixes,
    pub(super) by_link: Keyed<HostLink, MnIdentifier>,
    /// Whose the prefixes are that are bound.
    pub(super) by_prefix: HashMap<HomeNetworkPrefix, MnIdentifier>,
    /// How many prefixes logical routers are shown for, by interface.
    shown: HashMap<(u16, LogicalRouter), u32>,
    /// Number of the last session.
    pub(super) last_session: u64,
}

/// What another anchor has for a host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) anchor: Ipv6Addr,
    pub(super) prefix: HomeNetworkPrefix,
    pub(super) router: Option<LogicalRouter>,
    pub(super) found: FoundBy,
}

impl Books {
    pub(super) fn new(config: &MaarConfig) -> Self {
        Self {
            prefixes: Prefixes::new(config.pools.clone(), config.remembered_prefixes),
            by_link: Keyed::default(),
            by_prefix: HashMap::new(),
            shown: HashMap::new(),
            last_session: 0,
        }
    }

    fn show(&mut self, interface: u16, router: LogicalRouter, effects: &mut Vec<Effect>) {
        let count = self.shown.entry((interface, router)).or_default();
        *count += 1;
        if *count == 1 {
            effects.push(Effect::ShowRouter { interface, router });
        }
    }

    fn hide(&mut self, interface: u16, router: LogicalRouter, effects: &mut Vec<Effect>) {
        let Some(count) = self.shown.get_mut(&(interface, router)) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.shown.remove(&(interface, router));
            effects.push(Effect::HideRouter { interface, router });
        }
    }

    /// Leads a prefix of another anchor to a host that is bound here (S2-16); whether anything has
    /// changed.
    pub(super) fn add_previous(
        &mut self,
        core: &mut Core,
        node: &mut Node,
        told: Told,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Told {
            anchor,
            prefix,
            router,
            found,
        } = told;
        // Where a host has come back to its anchor, the anchor itself may be named too.
        if anchor == core.config.address {
            return false;
        }
        let Some(visit) = node.visit.as_mut() else {
            return false;
        };
        let interface = visit.link.interface;
        let known = visit.previous.iter().position(|it| it.prefix == prefix);
        if let Some(at) = known {
            let Some(mut known) = visit.previous.get(at).cloned() else {
                return false;
            };
            if known.anchor != anchor {
                core.counters.add(MaarCounter::AnchorsRefused);
                return false;
            }
            if router.is_none() || router == known.router {
                return false;
            }
            if let Some(old) = core.shown(visit, &known) {
                self.hide(interface, old, effects);
            }
            known.router = router;
            if let Some(new) = core.shown(visit, &known) {
                self.show(interface, new, effects);
            }
            if let Some(place) = visit.previous.get_mut(at) {
                *place = known;
            }
            return true;
        }
        if let Err(why) = self.may_lead_here(core, told, visit.previous.len()) {
            core.counters.add(why);
            return false;
        }
        let previous = Previous {
            anchor,
            prefix,
            router,
            release: None,
            renewal: None,
            rate: RateLimit::default(),
            found,
        };
        let local = core.config.address;
        self.by_prefix.insert(prefix, node.mn_identifier.clone());
        effects.push(Effect::Bind {
            prefix: prefix.into(),
            path: previous.path(local, visit.link),
        });
        if let Some(router) = core.shown(visit, &previous) {
            self.show(interface, router, effects);
        }
        effects.push(Effect::Notify {
            notice: Notice::BindingUp {
                mn_identifier: node.mn_identifier.clone(),
                prefix: prefix.into(),
                tunnel: previous.tunnel(local),
            },
        });
        core.counters.add(MaarCounter::AnchorsAdded);
        visit.previous.push(previous);
        true
    }

    /// Whether a prefix may be one of that anchor's, and is nobody's here.
    pub(super) fn is_anchored_by(
        &self,
        config: &MaarConfig,
        anchor: Ipv6Addr,
        prefix: HomeNetworkPrefix,
    ) -> bool {
        let usable = prefix.length > 0 && prefix.is_well_formed() && !prefix.prefix.is_multicast();
        usable
            && config.may_anchor(anchor, prefix)
            && !config.is_ours(prefix)
            && !self.by_prefix.contains_key(&prefix)
    }

    /// Whether a prefix of another anchor may be led to a host that has so many already.
    fn may_lead_here(&self, core: &Core, told: Told, has: usize) -> Result<(), MaarCounter> {
        let config = &core.config;
        if !self.is_anchored_by(config, told.anchor, told.prefix) {
            return Err(MaarCounter::AnchorsRefused);
        }
        // What was acknowledged before a restart is kept, however many there may be now.
        if has >= config.most_previous && told.found != FoundBy::Kept {
            return Err(MaarCounter::AnchorsTooMany);
        }
        if self.by_prefix.len() >= config.capacity {
            return Err(MaarCounter::RefusedNoRoom);
        }
        Ok(())
    }

    /// Leads a prefix of another anchor here no longer; says how the host saw its anchor.
    pub(super) fn remove_previous(
        &mut self,
        core: &Core,
        node: &mut Node,
        prefix: HomeNetworkPrefix,
        effects: &mut Vec<Effect>,
    ) -> Option<Option<LogicalRouter>> {
        let visit = node.visit.as_mut()?;
        let at = visit.previous.iter().position(|it| it.prefix == prefix)?;
        let previous = visit.previous.remove(at);
        let router = core.shown(visit, &previous);
        effects.push(Effect::Unbind {
            prefix: prefix.into(),
        });
        self.by_prefix.remove(&prefix);
        if let Some(router) = router {
            self.hide(visit.link.interface, router, effects);
        }
        effects.push(binding_down(&node.mn_identifier, prefix));
        Some(router)
    }

    /// Shows or hides, for a host that moves between our links, the routers that it sees.
    pub(super) fn move_routers(
        &mut self,
        core: &Core,
        node: &mut Node,
        to: HostLink,
        effects: &mut Vec<Effect>,
    ) {
        let Some(visit) = node.visit.as_mut() else {
            return;
        };
        let from = visit.link;
        for previous in &visit.previous {
            if let Some(router) = core.shown(visit, previous) {
                self.hide(from.interface, router, effects);
            }
        }
        visit.link = to;
        for previous in &visit.previous {
            if let Some(router) = core.shown(visit, previous) {
                self.show(to.interface, router, effects);
            }
        }
    }

    /// The prefix of a host of ours is free again: nothing is bound for it any more.
    pub(super) fn free(&mut self, core: &mut Core, node: &Node) {
        self.by_prefix.remove(&node.prefix);
        self.prefixes.release(node.prefix, Interface::default());
        core.counters.add(MaarCounter::PrefixesFreed);
    }
}

/// The notice that a prefix is no longer bound.
pub(super) fn binding_down(mn_identifier: &MnIdentifier, prefix: HomeNetworkPrefix) -> Effect {
    Effect::Notify {
        notice: Notice::BindingDown {
            mn_identifier: mn_identifier.clone(),
            prefix: BoundPrefix::V6(prefix),
        },
    }
}
