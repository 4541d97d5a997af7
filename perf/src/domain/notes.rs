//! What nodes did about hosts, as it comes to the part that the host is in.
//!
//! A note is not on the agenda: all of a stretch of time are handed over at its end, in the order of time,
//! and each says when what it is about was done.

use super::ground::Place;
use super::host::Held;
use super::leases::Said;
use super::part::{Happening, Part, ACCESS_US, SECOND};
use super::routes::{Hold, HostNumber, Prefix, Way};
use super::walk::link;
use super::Mode;
use roles::effect::AdvertisedPrefix;
use roles::event::{Departure, Sign};
use roles::{BoundPrefix, Event};
use std::net::Ipv6Addr;
use wire::mh::HomeNetworkPrefix;

/// Neighbour unreachability detection of a host that is not there (RFC 4861 section 10), about.
const UNREACHABLE_AFTER: u64 = 4 * SECOND;

/// What a node did about a host.
pub enum Note {
    /// It entered a prefix into its table.
    Bound {
        host: HostNumber,
        prefix: Prefix,
        hold: Hold,
    },
    /// It took one out.
    Unbound {
        host: HostNumber,
        prefix: Prefix,
        place: Place,
    },
    /// It sent a message about the host.
    Sent { host: HostNumber },
    /// It sent a Router Advertisement, so many microseconds later.
    Advertised {
        place: Place,
        host: HostNumber,
        router: bool,
        managed: bool,
        prefixes: Vec<AdvertisedPrefix>,
        after: u64,
    },
    /// It handed on what the DHCPv6 server says to the host, which has this prefix there, so many
    /// microseconds later.
    Configured {
        place: Place,
        host: HostNumber,
        said: Said,
        prefix: Prefix,
        after: u64,
    },
    /// It began to look whether the host is there.
    Watched { place: Place, host: HostNumber },
    /// It asked the host whether it has an address.
    Probed {
        place: Place,
        host: HostNumber,
        address: Ipv6Addr,
    },
    /// It crashed.
    Crashed { place: Place },
    /// It started again.
    Started { place: Place },
}

impl Part {
    /// Heeds what a node did at that time.
    pub fn heed_note(&mut self, at: u64, note: Note) {
        match note {
            Note::Bound { host, prefix, hold } => self.bound(at, host, prefix, hold),
            Note::Unbound {
                host,
                prefix,
                place,
            } => {
                let state = &mut self.hosts[host];
                let way = state.routes.unbind(at, prefix, place);
                if state.at == Some(place) && way.is_some_and(Way::serves) {
                    self.plan_to_speak(at, host);
                }
            }
            Note::Sent { host } => match self.hosts[host].arrival.as_mut() {
                None => self.figures.upkeep_messages += 1,
                Some(arrival) => {
                    arrival.messages += 1;
                    if arrival.anchors == 0 {
                        self.figures.attachment_messages += 1;
                    }
                }
            },
            Note::Advertised {
                place,
                host,
                router,
                managed,
                prefixes,
                after,
            } => {
                if self.hosts[host].at == Some(place) {
                    let heard = at + after + ACCESS_US;
                    self.hear((at, heard), host, (router, managed), &prefixes);
                }
            }
            Note::Configured {
                place,
                host,
                said,
                prefix,
                after,
            } => {
                if self.hosts[host].at == Some(place) {
                    let heard = at + after + ACCESS_US;
                    self.hear_server(heard, host, place, (said, prefix));
                }
            }
            Note::Watched { place, host } => {
                if self.hosts[host].at != Some(place) {
                    let what = Happening::Notice(place, host, Departure::Unreachable);
                    self.agenda.enter(at + UNREACHABLE_AFTER, what);
                }
            }
            Note::Probed {
                place,
                host,
                address,
            } => {
                if self.hosts[host].at == Some(place) {
                    let sign = Sign::Packet { source: address };
                    let link = link(host);
                    self.frame(at + ACCESS_US, place, Event::HostSeen { link, sign });
                }
            }
            Note::Crashed { place } => {
                let hosts = self.hosts.iter_mut();
                hosts.for_each(|(_, host)| host.routes.clear(place));
            }
            Note::Started { place } => {
                let here = self.hosts.iter().filter(|(_, it)| it.at == Some(place));
                let here: Vec<HostNumber> = here.map(|(host, _)| host).collect();
                for host in here {
                    self.plan_to_speak(at, host);
                }
            }
        }
    }

    fn bound(&mut self, at: u64, host: HostNumber, prefix: Prefix, hold: Hold) {
        let (place, way) = (hold.place, hold.way);
        let (route, old) = self.hosts[host].routes.bind(prefix, hold);
        if let Some(passed) = route.loop_from(place) {
            let what = format!("packets for {prefix} go round: {passed:?}");
            return self.violate_at(at, Some(host), what);
        }
        self.resume(host, prefix);
        let access = matches!(way, Way::Access(_)) && self.scenario.mode != Mode::Central;
        if access && old != Some(way) {
            self.plan_idle(at, place, host, prefix);
        }
        let here = self.hosts[host].at == Some(place);
        if here && !way.serves() && old.is_some_and(Way::serves) {
            // It is taken to be elsewhere.
            self.plan_to_speak(at, host);
        }
    }

    /// Enters when a prefix will have been without packets for long.
    fn plan_idle(&mut self, now: u64, place: Place, host: HostNumber, prefix: Prefix) {
        let held = &self.hosts[host].held;
        let held = held.iter().find(|held| held.prefix == prefix);
        let last = held.and_then(|held| held.sessions.iter().max()).copied();
        let when = last.unwrap_or(now).max(now) + self.scenario.idle_s * SECOND;
        self.agenda
            .enter(when, Happening::Idle(place, host, prefix));
    }

    /// A gateway looks whether a prefix of a host is in use; what nobody uses, the role is told of.
    pub fn look_idle(&mut self, place: Place, host: HostNumber, prefix: Prefix) {
        let now = self.agenda.now();
        let route = self.hosts[host].routes.get(prefix);
        let hold = route.and_then(|route| route.at(place));
        if !hold.is_some_and(|hold| matches!(hold.way, Way::Access(_))) {
            return;
        }
        let state = &self.hosts[host];
        let used = |held: &Held| held.prefix == prefix && held.is_used(now);
        if !(state.at == Some(place) && state.held.iter().any(used)) {
            let prefix = HomeNetworkPrefix {
                prefix: prefix.address(),
                length: 64,
            };
            let prefix = BoundPrefix::V6(prefix);
            self.frame(now, place, Event::Unused { prefix });
        }
        // Again, for as long as it stays in the table.
        self.plan_idle(now, place, host, prefix);
    }

    /// A path of a host that has moved may be whole again.
    fn resume(&mut self, host: HostNumber, prefix: Prefix) {
        let state = &mut self.hosts[host];
        let (Some(at), Some(arrival)) = (state.at, state.arrival.as_mut()) else {
            return;
        };
        let Some(index) = arrival.waiting.iter().position(|it| *it == prefix) else {
            return;
        };
        let ground = &self.ground;
        let delay = |anchor| ground.delay(anchor, at);
        let route = state.routes.get(prefix);
        let Some(first) = route.and_then(|route| route.first_packet(at, delay)) else {
            return;
        };
        arrival.waiting.swap_remove(index);
        arrival.resumed = arrival.resumed.max(first);
        if arrival.waiting.is_empty() {
            let took = arrival.resumed.saturating_sub(arrival.began);
            let anchors = arrival.anchors;
            self.figures.sessions.enter(took);
            self.figures.with_anchors(anchors).sessions.enter(took);
        }
    }

    /// A host hears a Router Advertisement.
    fn hear(
        &mut self,
        (now, heard): (u64, u64),
        number: HostNumber,
        (router, managed): (bool, bool),
        prefixes: &[AdvertisedPrefix],
    ) {
        for advertised in prefixes {
            let prefix = Prefix::of(advertised.prefix.prefix);
            let anchor = self.anchor_of(prefix);
            let host = &mut self.hosts[number];
            if advertised.valid == 0 {
                let broken = host.lose(prefix, now);
                self.figures.broken += broken;
                continue;
            }
            let offered = advertised.preferred > 0 && router;
            if managed && offered {
                self.hear_managed(heard, number);
                continue;
            }
            host.hold(prefix, anchor);
            if offered {
                host.served = true;
                host.current = Some(prefix);
                self.addressed(heard, number);
            }
        }
        let host = &self.hosts[number];
        if !host.served && host.asking != Some(host.moves) {
            let (moves, when) = (host.moves, now + SECOND);
            self.agenda.enter(when, Happening::Solicit(number, moves));
        }
    }

    /// A host has an address to begin sessions with.
    pub fn addressed(&mut self, heard: u64, number: HostNumber) {
        let arrival = self.hosts[number].arrival.as_mut();
        let Some(arrival) = arrival.filter(|it| !it.addressed) else {
            return;
        };
        arrival.addressed = true;
        let took = heard - arrival.began;
        if arrival.anchors == 0 {
            self.figures.first_address.enter(took);
        } else {
            self.figures.address.enter(took);
        }
    }
}
