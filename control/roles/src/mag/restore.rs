//! Visitors that outlive the process: what is stored of them, and how they come back.
//!
//! A host that is stored is bound; all others are met anew when they show themselves. It is served at
//! once after a restart. When all hosts are, each has its turn: its timers are set, it is watched, and policy is asked
//! about it again. It hears a Router Advertisement within the usual interval: the one that it heard last stands.

use super::counters::MagCounter;
use super::ipv4;
use super::update::ListEntry;
use super::view::VisitorAddress;
use super::visitor::{Bound, Host, Registration, Visitor};
use super::Mag;
use crate::backoff::fraction;
use crate::effect::{Effect, Encapsulation};
use crate::event::{HostLink, Timer};
use crate::presence::Presence;
use crate::store::{Key, Record, VisitorRecord};
use crate::{BoundPrefix, Now};
use std::time::Duration;
use wire::mh::Ipv4HomeAddress;

impl Mag {
    /// A visitor as it was when the gateway ended.
    pub(super) fn on_restored(
        &mut self,
        now: Now,
        record: &VisitorRecord,
        effects: &mut Vec<Effect>,
    ) {
        let link = record.link;
        // A clock that was set back must not make a binding last.
        let left = record.ends.saturating_sub(now.wall);
        let left = left.min(self.core.config.lifetime);
        let after = self.by_prefix.len() + record.prefixes.len() + record.delegated.len();
        let why_not = if left.is_zero() {
            Some(MagCounter::BindingsExpired)
        } else if record.prefixes.is_empty() && record.ipv4.is_none()
            || self.visitors.contains_key(&link)
            || self
                .by_identifier
                .get(&record.profile.mn_identifier)
                .any(|here| here.mac == link.mac)
            || record
                .prefixes
                .iter()
                .chain(&record.delegated)
                .any(|&it| self.by_prefix.contains_key(&BoundPrefix::V6(it)))
        {
            Some(MagCounter::VisitorsNotRestored)
        } else {
            None
        };
        let key = Key::Visitor { link };
        if let Some(why) = why_not {
            self.core.counters.add(why);
            return effects.push(Effect::Forget { key });
        }
        let capacity = self.core.config.capacity;
        if after > capacity || self.visitors.len() >= capacity {
            return effects.push(Effect::NoRoom { key });
        }
        let refresh = record.refresh.saturating_sub(now.wall).min(left);
        // What should have been refreshed meanwhile is, but not all of it in one moment.
        let refresh = refresh.max(fraction(&mut self.core.rng, left / 4));
        let bound = Bound {
            since: now.monotonic,
            refresh: now.monotonic + refresh,
            expiry: now.monotonic + left,
        };
        let delegation = self.core.config.delegation;
        let visitor = Visitor {
            host: Host::restored(record),
            came: Duration::ZERO,
            asked: None,
            taking_over: None,
            registration: Some(Registration::restored(record, bound, delegation)),
        };
        self.core.restore_key(received_key(record.encapsulation));
        let host = record.profile.mn_identifier.clone();
        self.by_identifier.insert(host, link);
        if let Some(registration) = &visitor.registration {
            for prefix in registration.bound_prefixes() {
                let path = registration.path(&self.core.config, prefix);
                self.by_prefix.insert(prefix, link);
                effects.push(Effect::Bind { prefix, path });
            }
            effects.extend(registration.serve_ipv4(true));
        }
        self.occupy(&visitor.host);
        self.visitors.insert(link, Box::new(visitor));
        let heartbeat = self.core.config.heartbeat;
        self.peers.share(&heartbeat, record.profile.lma, effects);
        self.core.counters.add(MagCounter::VisitorsRestored);
    }

    /// A visitor that is served since it was restored is looked after again.
    pub(super) fn on_resumed(&mut self, now: Now, link: HostLink, effects: &mut Vec<Effect>) {
        let Some(visitor) = self.visitors.get_mut(&link) else {
            return;
        };
        let registration = visitor.registration.as_ref();
        let Some((registration, bound)) = registration.and_then(|it| Some((it, it.bound?))) else {
            return;
        };
        effects.push(visitor.host.watch());
        let left = |at: Duration| at.saturating_sub(now.monotonic);
        let mut set = |timer, after| effects.push(Effect::SetTimer { timer, after });
        set(Timer::VisitorExpiry { link }, left(bound.expiry));
        // One that has shown itself meanwhile has been dealt with.
        if registration.arrived.is_none() && registration.list.update.is_none() {
            set(Timer::Refresh { link }, left(bound.refresh));
        }
        let interval = self.core.config.advertising.interval;
        if !interval.is_zero() && !visitor.host.was_advertised() {
            let after = fraction(&mut self.core.rng, interval);
            set(Timer::Advertise { link }, after);
        }
        visitor.asked = Some(now.monotonic);
        self.core.counters.add(MagCounter::HostsAsked);
        effects.push(Effect::Authenticate { link });
    }
}

/// The downlink GRE key of a session, 0 where it has none.
const fn received_key(encapsulation: Encapsulation) -> u32 {
    match encapsulation {
        Encapsulation::Gre { keys: Some(keys) } => keys.receive,
        _ => 0,
    }
}

impl Registration {
    /// Has it stored as it stands, with its host, once it is bound.
    pub(super) fn store(&self, now: Now, host: &Host) -> Option<Effect> {
        let bound = self.bound?;
        let wall = |at: Duration| now.wall + at.saturating_sub(now.monotonic);
        let record = Record::Visitor(VisitorRecord {
            link: host.link,
            link_local: host.link_local,
            addresses: host.addresses.iter().map(VisitorAddress::of).collect(),
            dhcp_server: self.dhcp_server,
            profile: self.profile.clone(),
            prefixes: self.prefixes.clone(),
            delegated: self.delegated.clone(),
            ipv4: self.ipv4,
            encapsulation: self.encapsulation,
            sequence: self.list.sequence,
            refresh: wall(bound.refresh),
            ends: wall(bound.expiry),
        });
        Some(Effect::Store { record })
    }

    fn restored(record: &VisitorRecord, bound: Bound, delegation: bool) -> Self {
        Self {
            list: ListEntry {
                mn_identifier: record.profile.mn_identifier.clone(),
                lma: record.profile.lma,
                link: record.link,
                service: record.profile.service_selection.clone(),
                // What the anchor refused before, it is asked for anew.
                ipv6: record.profile.ipv6,
                ipv4: record.ipv4.map_or_else(
                    || ipv4::wanted(&record.profile),
                    |has| {
                        Some(Ipv4HomeAddress {
                            address: has.address,
                            prefix_length: has.prefix_length,
                        })
                    },
                ),
                key: received_key(record.encapsulation),
                gre: matches!(record.encapsulation, Encapsulation::Gre { .. }),
                sequence: record.sequence,
                home_addresses: record.addresses.iter().map(|it| it.address).collect(),
                missing: false,
                delegated: delegation.then(|| record.delegated.clone()),
                rate: Default::default(),
                update: None,
            },
            profile: record.profile.clone(),
            prefixes: record.prefixes.clone(),
            delegated: record.delegated.clone(),
            ipv4: record.ipv4,
            encapsulation: record.encapsulation,
            bound: Some(bound),
            accepted: None,
            arrived: None,
            doubted: false,
            presence: Presence::default(),
            announced: true,
            halted: false,
            untold: false,
            dhcp_server: record.dhcp_server,
        }
    }
}
