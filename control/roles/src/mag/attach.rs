//! Hosts that show themselves, and the answer to who they are (RFC 5213 section 6.9.1.1).

use super::counters::MagCounter;
use super::ipv4;
use super::update::ListEntry;
use super::visitor::{attaching, Host, Registration, Visitor};
use super::Mag;
use crate::effect::{Effect, Encapsulation, Notice};
use crate::event::{HostLink, Sign, Timer};
use crate::policy::Profile;
use crate::presence::Presence;
use crate::refusal::Hold;
use crate::store::Key;
use crate::Now;
use std::net::Ipv6Addr;
use wire::mh::HandoffIndicator;

impl Mag {
    pub(super) fn on_host_seen(
        &mut self,
        now: Now,
        link: HostLink,
        sign: Sign,
        effects: &mut Vec<Effect>,
    ) {
        if self.visitors.contains_key(&link) {
            return self.seen_again(now, link, sign, effects);
        }
        let attaches = match sign {
            Sign::RouterSolicitation { .. } => self.core.config.attach_on.router_solicitation,
            Sign::Packet { .. } | Sign::Probe { .. } => self.core.config.attach_on.packet,
            Sign::Operator => true,
        };
        if !attaches || link.mac.is_group() {
            return self.core.counters.add(MagCounter::SignsNotAttaching);
        }
        if self.refusals.stands(now.monotonic, link, sign) {
            return self.core.counters.add(MagCounter::SignsWhileRefused);
        }
        if self.visitors.len() >= self.core.config.capacity {
            self.core.counters.add(MagCounter::RefusedNoRoom);
            let why = "the gateway serves as many hosts as it has room for".to_owned();
            let notice = Notice::AttachRefused { link, why };
            return effects.push(Effect::Notify { notice });
        }
        self.ask(now, link, effects);
        self.note(now, link, sign, effects);
    }

    /// Asks who a host is that is not known yet.
    fn ask(&mut self, now: Now, link: HostLink, effects: &mut Vec<Effect>) {
        let visitor = Visitor {
            host: Host::new(link),
            came: now.monotonic,
            asked: Some(now.monotonic),
            taking_over: None,
            registration: None,
        };
        self.visitors.insert(link, Box::new(visitor));
        self.core.counters.add(MagCounter::HostsAsked);
        effects.push(Effect::Authenticate { link });
    }

    /// A sign of a host that is in the visitor list.
    fn seen_again(&mut self, now: Now, link: HostLink, sign: Sign, effects: &mut Vec<Effect>) {
        self.note(now, link, sign, effects);
        let Some(visitor) = self.visitors.get_mut(&link) else {
            return;
        };
        let came = !matches!(sign, Sign::Packet { .. } | Sign::Probe { .. });
        if came {
            visitor.came = now.monotonic;
        }
        let Some(registration) = visitor.registration.as_mut() else {
            let patience = self.core.config.initial_bindack_timeout;
            if visitor
                .asked
                .is_none_or(|at| at + patience <= now.monotonic)
            {
                visitor.asked = Some(now.monotonic);
                self.core.counters.add(MagCounter::HostsAsked);
                effects.push(Effect::Authenticate { link });
            }
            return;
        };
        let still_here = registration.presence.shows();
        let Some(bound) = registration.bound else {
            if came {
                registration.arrived = Some(now.monotonic);
            }
            if std::mem::take(&mut registration.doubted) {
                let attaching = registration.attaching();
                let (lifetime, asked) = (self.core.lifetime(), registration.prefixes.clone());
                let list = &mut registration.list;
                self.core
                    .begin(now, list, attaching, lifetime, asked, effects);
            } else if still_here {
                self.core.transmit(now, &mut registration.list, effects);
            }
            return;
        };
        if matches!(sign, Sign::RouterSolicitation { .. }) {
            let core = &mut self.core;
            let host = &mut visitor.host;
            host.answer_solicitation(now.monotonic, core, registration, effects);
        }
        // A host that solicits has just come up on its link. It may have been elsewhere in between,
        // unseen by this gateway, so its anchor is told that it is here.
        if came {
            registration.arrived = Some(now.monotonic);
        }
        if sign == Sign::Operator {
            registration.halted = false;
            // Who says so knows it: what is on its way may be older than a stay elsewhere.
            if registration.list.update.is_some() {
                return self.tell_of_arrival(now, link, effects);
            }
        }
        if still_here {
            return self.tell_again(now, link, effects);
        }
        if !came {
            return;
        }
        let settled = bound.since + self.core.config.initial_bindack_timeout;
        if settled <= now.monotonic || registration.list.update.is_some() {
            self.extend(now, link, effects);
        } else if !registration.halted {
            // Most likely the solicitation and the answer to an earlier one have crossed. It can
            // wait, and others like it with it.
            effects.push(Effect::SetTimer {
                timer: Timer::Refresh { link },
                after: settled - now.monotonic,
            });
        }
    }

    pub(super) fn on_authenticated(
        &mut self,
        now: Now,
        link: HostLink,
        profile: Option<&Profile>,
        effects: &mut Vec<Effect>,
    ) {
        let asked = self.visitors.get_mut(&link).and_then(|v| v.asked.take());
        if asked.is_none() {
            return self.core.counters.add(MagCounter::UnexpectedAnswer);
        }
        let Some(profile) = profile else {
            self.end_registration(now, link, effects);
            self.core.counters.add(MagCounter::RefusedByPolicy);
            let hold = Hold::Until(now.monotonic + self.core.config.refusal_hold);
            let why = "policy does not let it attach".to_owned();
            return self.refuse(link, why, hold, effects);
        };
        let current = self.visitors.get_mut(&link);
        if let Some(Visitor {
            host,
            registration: Some(registration),
            ..
        }) = current.map(Box::as_mut)
        {
            let list = &registration.list;
            // Prefixes that policy names take the place of others; none leaves the choice as it is.
            let (named, had) = (&profile.home_network_prefixes, &registration.profile);
            let renamed = !named.is_empty()
                && *named != had.home_network_prefixes
                && *named != registration.prefixes;
            let families = (profile.ipv6, profile.ipv4_home_address);
            let same = list.mn_identifier == profile.mn_identifier
                && list.service == profile.service_selection
                && had.domain == profile.domain
                && list.lma == profile.lma
                && families == (had.ipv6, had.ipv4_home_address);
            if same && !renamed {
                let told = (registration.profile.managed, registration.profile.other);
                if registration.profile != *profile {
                    registration.profile = profile.clone();
                    effects.extend(registration.store(now, host));
                }
                if registration.bound.is_some() && told != (profile.managed, profile.other) {
                    let core = &mut self.core;
                    host.advertise(now.monotonic, core, registration, &[], effects);
                }
                if std::mem::take(&mut registration.halted) {
                    self.extend(now, link, effects);
                }
                return;
            }
            self.end_registration(now, link, effects);
        }
        self.register(now, link, profile, effects);
    }

    /// Registers a host that may attach with its anchor.
    fn register(&mut self, now: Now, link: HostLink, profile: &Profile, effects: &mut Vec<Effect>) {
        let old = {
            let mut here = self.by_identifier.get(&profile.mn_identifier);
            here.find(|old| old.mac == link.mac)
        };
        if let Some(old) = old {
            let came = |link| self.visitors.get(&link).map(|it| it.came);
            if came(old) > came(link) {
                // It went back there while policy was asked.
                self.remove(link);
                return;
            }
            if self.is_registered_as(old, profile) {
                return self.move_here(now, old, link, effects);
            }
            self.end(now, old, false, true, effects);
            self.remove(old);
        }
        let mut list = ListEntry {
            mn_identifier: profile.mn_identifier.clone(),
            lma: profile.lma,
            link,
            service: profile.service_selection.clone(),
            ipv6: profile.ipv6,
            ipv4: ipv4::wanted(profile),
            home_addresses: self.known_addresses(link, profile.learn_addresses),
            missing: false,
            delegated: self.core.config.delegation.then(Vec::new),
            key: self.core.next_key(),
            gre: self.core.config.gre || profile.domain.is_some(),
            sequence: self.core.next_sequence(),
            rate: Default::default(),
            update: None,
        };
        let mut prefixes = profile.home_network_prefixes.clone();
        let key = (profile.mn_identifier.clone(), link.mac);
        if let Some(left) = self.take_leaving(&key, profile.lma, effects) {
            // It is back before its de-registration was over: it asks for what it had.
            list.sequence = left.list.sequence;
            list.rate = left.list.rate;
            // Or for what policy names now.
            let open = profile.home_network_prefixes.is_empty();
            if open && !left.prefixes.is_empty() {
                prefixes = left.prefixes;
            }
        }
        let Some(visitor) = self.visitors.get_mut(&link) else {
            return;
        };
        self.by_identifier
            .insert(profile.mn_identifier.clone(), link);
        let lifetime = self.core.lifetime();
        let (handoff, asked) = match visitor.taking_over.take() {
            Some(named) => (HandoffIndicator::BETWEEN_INTERFACES, named),
            None => (attaching(profile), prefixes.clone()),
        };
        self.core
            .begin(now, &mut list, handoff, lifetime, asked, effects);
        // From now on: retransmissions are for hosts that are still there (section 6.9.4).
        effects.push(visitor.host.watch());
        visitor.registration = Some(Registration {
            profile: profile.clone(),
            list,
            prefixes,
            delegated: Vec::new(),
            ipv4: None,
            encapsulation: Encapsulation::Plain,
            bound: None,
            accepted: None,
            arrived: None,
            doubted: false,
            presence: Presence::default(),
            announced: false,
            halted: false,
            untold: false,
            dhcp_server: None,
        });
    }

    pub(super) fn anchor_of(&self, link: HostLink) -> Option<Ipv6Addr> {
        let registration = self.visitors.get(&link)?.registration.as_ref()?;
        Some(registration.list.lma)
    }

    /// Whether a host's registration is one that its profile on another link would make.
    fn is_registered_as(&self, link: HostLink, profile: &Profile) -> bool {
        let visitor = self.visitors.get(&link);
        let registration = visitor.and_then(|it| it.registration.as_ref());
        registration.is_some_and(|it| {
            it.list.lma == profile.lma
                && it.list.service == profile.service_selection
                && it.profile.domain == profile.domain
        })
    }

    /// A host shows itself on another link of this gateway: its registration comes along. Its
    /// anchor sees no difference.
    fn move_here(&mut self, now: Now, old: HostLink, link: HostLink, effects: &mut Vec<Effect>) {
        let Some(left) = self.remove(old) else {
            return;
        };
        let (Some(mut registration), Some(visitor)) =
            (left.registration, self.visitors.get_mut(&link))
        else {
            return;
        };
        self.core.counters.add(MagCounter::HostsMoved);
        registration.list.link = link;
        let host = registration.list.mn_identifier.clone();
        self.by_identifier.remove(&host, old);
        self.by_identifier.insert(host.clone(), link);
        visitor.host.link_local = visitor.host.link_local.or(left.host.link_local);
        for held in left.host.addresses {
            if !visitor.host.has(held.address) {
                visitor.host.addresses.push(held);
            }
        }
        if registration.bound.is_some() {
            for prefix in registration.bound_prefixes() {
                let path = registration.path(&self.core.config, prefix);
                self.by_prefix.insert(prefix, link);
                effects.push(Effect::Bind { prefix, path });
            }
            effects.extend(registration.ipv4.map(|_| Effect::ServeIpv4 {
                link: old,
                service: None,
            }));
            effects.extend(registration.serve_ipv4(true));
            let key = Key::Visitor { link: old };
            effects.push(Effect::Forget { key });
            effects.extend(registration.store(now, &visitor.host));
        }
        super::leave::cancel_timers(old, effects);
        effects.push(Effect::Unwatch { link: old });
        effects.push(visitor.host.watch());
        if let Some(bound) = registration.bound {
            effects.push(Effect::SetTimer {
                timer: Timer::Refresh { link },
                after: bound.refresh.saturating_sub(now.monotonic),
            });
            effects.push(Effect::SetTimer {
                timer: Timer::VisitorExpiry { link },
                after: bound.expiry.saturating_sub(now.monotonic),
            });
            let core = &mut self.core;
            let host = &mut visitor.host;
            host.advertise(now.monotonic, core, &registration, &[], effects);
        }
        // The timer of an outstanding update ran for the old link.
        self.core.transmit(now, &mut registration.list, effects);
        if registration.announced {
            let mn_identifier = host.clone();
            for notice in [
                Notice::Detached {
                    link: old,
                    mn_identifier: host,
                },
                Notice::Attached {
                    link,
                    mn_identifier,
                },
            ] {
                effects.push(Effect::Notify { notice });
            }
        }
        visitor.registration = Some(registration);
    }

    /// The access policy may say something else of one host: asks about it anew.
    pub(super) fn ask_again(&mut self, now: Now, link: HostLink, effects: &mut Vec<Effect>) {
        if let Some(visitor) = self.visitors.get_mut(&link) {
            visitor.asked = Some(now.monotonic);
            self.core.counters.add(MagCounter::HostsAsked);
            effects.push(Effect::Authenticate { link });
        }
    }

    /// The access policy changed: asks about every host anew, those that were refused among them.
    pub(super) fn on_access_policy(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for (&link, visitor) in &mut self.visitors {
            visitor.asked = Some(now.monotonic);
            self.core.counters.add(MagCounter::HostsAsked);
            effects.push(Effect::Authenticate { link });
        }
        for link in self.refusals.take_refused() {
            if self.visitors.len() < self.core.config.capacity {
                self.ask(now, link, effects);
            }
        }
    }
}
