//! A host on an access link, and what it is told about the network there.

use super::config::MagConfig;
use super::counters::MagCounter;
use super::update::{Core, ListEntry};
use super::view::VisitorAddress;
use crate::advertising::{Advertising, Told};
use crate::effect::{
    AdvertisedPrefix, Advertisement, Effect, Encapsulation, Ipv4Service, Learned, Notice, Path,
    TunnelEnds,
};
use crate::event::{HostLink, Timer};
use crate::policy::Profile;
use crate::presence::Presence;
use crate::store::VisitorRecord;
use crate::BoundPrefix;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;
use wire::mh::{HandoffIndicator, HomeNetworkPrefix, NtpTime};

/// A host on an access link.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub(super) host: Host,
    /// When it came up on its link, or last said that it had.
    pub(super) came: Duration,
    /// Since when it is being asked who this is, if it is.
    pub(super) asked: Option<Duration>,
    /// The prefixes of the session that it takes over once it may attach; none: its only one.
    pub(super) taking_over: Option<Vec<HomeNetworkPrefix>>,
    /// There once it may attach.
    pub(super) registration: Option<Registration>,
}

/// What is known of a host by looking at it.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) link: HostLink,
    pub(super) link_local: Option<Ipv6Addr>,
    /// The others, those known longest first.
    pub(super) addresses: Vec<Held>,
    /// Addresses that it claimed and may not have, the last few.
    pub(super) refused: Vec<Ipv6Addr>,
    /// Source of a Router Solicitation that is not answered yet.
    pub(super) solicited: Option<Ipv6Addr>,
    /// What it has been advertised.
    told: Told,
}

/// An address of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) address: Ipv6Addr,
    pub(super) by: Learned,
    /// Whether subscribers know.
    pub(super) announced: bool,
}

/// What there is once a host may attach.
#[derive(Clone, Debug)]
pub(super) struct Registration {
    pub(super) profile: Profile,
    pub(super) list: ListEntry,
    /// Bound, or to be asked for; none: the anchor is to choose.
    pub(super) prefixes: Vec<HomeNetworkPrefix>,
    /// Prefixes that are delegated to it and bound.
    pub(super) delegated: Vec<HomeNetworkPrefix>,
    /// What it has of IPv4: bound with the prefixes.
    pub(super) ipv4: Option<Ipv4Service>,
    /// How packets go to its anchor, once it is bound.
    pub(super) encapsulation: Encapsulation,
    pub(super) bound: Option<Bound>,
    /// Timestamp of the last update that the anchor accepted, if it had one.
    pub(super) accepted: Option<NtpTime>,
    /// When the host came up on its link, unless its anchor has been told since.
    pub(super) arrived: Option<Duration>,
    /// Whether its anchor has it with another gateway; the next sign of it here says otherwise.
    pub(super) doubted: bool,
    /// Whether it has been asked if it is still here: its anchor is told as soon as it says so.
    pub(super) presence: Presence,
    /// Whether subscribers know that it attached.
    pub(super) announced: bool,
    /// No update goes out any more until the operator acts (RFC 5213 section 6.9.1.2 rule 6).
    pub(super) halted: bool,
    /// Whether an address of it has become known since its anchor was told last (S1-25).
    pub(super) untold: bool,
    /// The DHCP server that it has its leases from (S1-27).
    pub(super) dhcp_server: Option<IpAddr>,
}

/// What the anchor is told of the attachment of a host (RFC 5213 section 6.9.1.1): whether it moves or
/// comes by one interface more, a gateway knows only where policy says so.
pub(super) const fn attaching(profile: &Profile) -> HandoffIndicator {
    if profile.simultaneous {
        HandoffIndicator::NEW_INTERFACE
    } else {
        HandoffIndicator::UNKNOWN
    }
}

/// A binding that the anchor has accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    /// When it was last accepted.
    pub(super) since: Duration,
    pub(super) refresh: Duration,
    pub(super) expiry: Duration,
}

impl Host {
    pub(super) fn new(link: HostLink) -> Self {
        Self {
            link,
            link_local: None,
            addresses: Vec::new(),
            refused: Vec::new(),
            solicited: None,
            told: Told::default(),
        }
    }

    /// As it was known before a restart.
    pub(super) fn restored(record: &VisitorRecord) -> Self {
        let held = |known: &VisitorAddress| Held {
            address: known.address,
            by: known.learned,
            announced: true,
        };
        Self {
            link_local: record.link_local,
            addresses: record.addresses.iter().map(held).collect(),
            ..Self::new(record.link)
        }
    }

    pub(super) fn has(&self, address: Ipv6Addr) -> bool {
        self.link_local == Some(address) || self.addresses.iter().any(|it| it.address == address)
    }

    /// An address that it can be asked by.
    pub(super) fn address(&self) -> Option<Ipv6Addr> {
        let first = self.addresses.first().map(|held| held.address);
        self.link_local.or(first)
    }

    pub(super) fn watch(&self) -> Effect {
        Effect::Watch {
            link: self.link,
            address: self.address().map(IpAddr::V6),
        }
    }

    /// Whether it has heard a Router Advertisement since this gateway has known it.
    pub(super) fn was_advertised(&self) -> bool {
        self.told.is_any()
    }

    /// Advertises what the host is served with, as news. `gone` are prefixes that it is no longer.
    pub(super) fn advertise(
        &mut self,
        now: Duration,
        core: &mut Core,
        registration: &Registration,
        gone: &[HomeNetworkPrefix],
        effects: &mut Vec<Effect>,
    ) {
        self.told.is_news();
        self.advertise_again(now, core, registration, gone, effects);
    }

    /// Advertises what the host has been told before.
    pub(super) fn advertise_again(
        &mut self,
        now: Duration,
        core: &mut Core,
        registration: &Registration,
        gone: &[HomeNetworkPrefix],
        effects: &mut Vec<Effect>,
    ) {
        if registration.prefixes.is_empty() && gone.is_empty() {
            // A host without IPv6 has no IPv6 router either (RFC 5844 section 3).
            return;
        }
        let Advertising {
            router_lifetime,
            valid,
            preferred,
            mtu,
            ..
        } = core.config.advertising;
        let seconds = |span: Duration| u32::try_from(span.as_secs()).unwrap_or(u32::MAX);
        let served = registration
            .prefixes
            .iter()
            .map(|&prefix| AdvertisedPrefix {
                prefix,
                valid: seconds(valid),
                preferred: seconds(preferred).min(seconds(valid)),
            });
        let advertisement = Advertisement {
            prefixes: served.chain(gone.iter().map(withdrawn)).collect(),
            router_lifetime: u16::try_from(router_lifetime.as_secs()).unwrap_or(u16::MAX),
            managed: registration.profile.managed,
            other: registration.profile.other,
            mtu,
            router: None,
        };
        self.send(core, advertisement, effects);
        let advertising = &core.config.advertising;
        if let Some(after) = self.told.tell(now, advertising, &mut core.rng) {
            effects.push(Effect::SetTimer {
                timer: Timer::Advertise { link: self.link },
                after,
            });
        }
    }

    /// Advertises that the service has ended.
    pub(super) fn withdraw(
        &mut self,
        now: Duration,
        core: &mut Core,
        registration: &Registration,
        effects: &mut Vec<Effect>,
    ) {
        if registration.prefixes.is_empty() {
            return;
        }
        core.counters.add(MagCounter::AdvertisementsWithdrawing);
        self.told.withdraw(now);
        let advertisement = Advertisement {
            prefixes: registration.prefixes.iter().map(withdrawn).collect(),
            router_lifetime: 0,
            managed: registration.profile.managed,
            other: registration.profile.other,
            mtu: None,
            router: None,
        };
        self.send(core, advertisement, effects);
    }

    fn send(&mut self, core: &mut Core, advertisement: Advertisement, effects: &mut Vec<Effect>) {
        core.counters.add(MagCounter::AdvertisementsSent);
        let known = self.solicited.take().or(self.link_local);
        effects.push(Effect::Advertise {
            link: self.link,
            to: known.unwrap_or(Ipv6Addr::UNSPECIFIED),
            advertisement,
        });
    }

    /// Answers a solicitation of a host that is served: at once, or when enough time has passed
    /// since the last advertisement.
    pub(super) fn answer_solicitation(
        &mut self,
        now: Duration,
        core: &mut Core,
        registration: &Registration,
        effects: &mut Vec<Effect>,
    ) {
        let earliest = self.told.answer_at(now, &core.config.advertising);
        if earliest <= now {
            self.advertise(now, core, registration, &[], effects);
        } else {
            effects.push(Effect::SetTimer {
                timer: Timer::Advertise { link: self.link },
                after: earliest - now,
            });
        }
    }
}

const fn withdrawn(prefix: &HomeNetworkPrefix) -> AdvertisedPrefix {
    AdvertisedPrefix {
        prefix: *prefix,
        valid: 0,
        preferred: 0,
    }
}

impl Registration {
    /// What the anchor is told of an attachment.
    pub(super) const fn attaching(&self) -> HandoffIndicator {
        attaching(&self.profile)
    }

    /// Where the packets of what is bound for it go.
    pub(super) fn path(&self, config: &MagConfig, bound: BoundPrefix) -> Path {
        Path::Access {
            tunnel: self.tunnel(config),
            link: self.list.link,
            delegated: self.is_delegated(bound),
        }
    }

    /// Whether a prefix is delegated to the host, and so none of its link.
    pub(super) fn is_delegated(&self, bound: BoundPrefix) -> bool {
        let delegated = self.delegated.iter();
        delegated
            .into_iter()
            .any(|it| BoundPrefix::V6(*it) == bound)
    }

    pub(super) fn tunnel(&self, config: &MagConfig) -> TunnelEnds {
        TunnelEnds {
            local: config.local(self.list.lma),
            remote: self.list.lma,
            encapsulation: self.encapsulation,
        }
    }

    /// What is bound for it, when it is bound.
    pub(super) fn bound_prefixes(&self) -> Vec<BoundPrefix> {
        let prefixes = self.prefixes.iter().chain(&self.delegated);
        let prefixes = prefixes.copied().map(BoundPrefix::V6);
        let domain = self.profile.domain;
        let ipv4 = self
            .ipv4
            .map(|ipv4| BoundPrefix::ipv4(domain, ipv4.address));
        prefixes.chain(ipv4).collect()
    }

    pub(super) fn binding_down(&self, prefix: BoundPrefix) -> Effect {
        Effect::Notify {
            notice: Notice::BindingDown {
                mn_identifier: self.list.mn_identifier.clone(),
                prefix,
            },
        }
    }
}
