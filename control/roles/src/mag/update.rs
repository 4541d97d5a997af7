//! The binding update list: making and sending Proxy Binding Updates (RFC 5213 sections 6.1,
//! 6.9.1.5 and 6.9.4).

use super::config::MagConfig;
use super::counters::MagCounter;
use super::{delegated, draft, ipv4};
use crate::backoff::{Backoff, RateLimit};
use crate::counters::Counters;
use crate::effect::{Effect, Notice};
use crate::event::{HostLink, Timer};
use crate::lifetime::in_units;
use crate::outstanding::{Transmission, Update};
use crate::timestamp::Stamper;
use crate::{Now, SignallingProfile};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::net::Ipv6Addr;
use wire::mh::{
    BindingUpdate, HandoffIndicator, HomeNetworkPrefix, Ipv4HomeAddress, Lifetime, Message,
    MnIdentifier, MobilityOption, NtpTime, UpdateFlags,
};

/// What all hosts of a gateway share.
#[derive(Clone, Debug)]
pub(super) struct Core {
    pub(super) config: MagConfig,
    pub(super) counters: Counters<MagCounter>,
    pub(super) rng: StdRng,
    sequence: u16,
    key: u32,
    stamper: Stamper,
}

/// One entry of the binding update list.
#[derive(Clone, Debug)]
pub(super) struct ListEntry {
    pub(super) mn_identifier: MnIdentifier,
    pub(super) lma: Ipv6Addr,
    pub(super) link: HostLink,
    /// The service that it is registered for (RFC 5149).
    pub(super) service: Option<String>,
    /// Whether home network prefixes are asked for.
    pub(super) ipv6: bool,
    /// The IPv4 home address that the host has or that is asked for, if it is.
    pub(super) ipv4: Option<Ipv4HomeAddress>,
    /// The host's addresses, as far as they are known: the draft's form names them.
    pub(super) home_addresses: Vec<Ipv6Addr>,
    /// Prefixes that are delegated to the host, bound or to be; none: the anchor is asked which. `None`:
    /// it is not told of any.
    pub(super) delegated: Option<Vec<HomeNetworkPrefix>>,
    /// Whether the anchor has said, in the draft's form, that it has no binding for it.
    pub(super) missing: bool,
    /// Downlink GRE key of the session, and whether GRE is asked for.
    pub(super) key: u32,
    pub(super) gre: bool,
    /// Of the last update.
    pub(super) sequence: u16,
    pub(super) rate: RateLimit,
    /// Boxed, for most have none.
    pub(super) update: Option<Box<Update>>,
}

impl ListEntry {
    /// The timer of the outstanding update.
    fn timer(&self, lifetime: Lifetime) -> Timer {
        if lifetime == Lifetime::ZERO {
            Timer::Deregistration {
                mn_identifier: self.mn_identifier.clone(),
                mac: self.link.mac,
            }
        } else {
            Timer::Retransmit { link: self.link }
        }
    }
}

impl Core {
    pub(super) fn new(config: MagConfig) -> Self {
        let mut rng = StdRng::seed_from_u64(config.seed);
        Self {
            counters: Counters::new(),
            sequence: rng.random(),
            key: 0,
            stamper: Stamper::default(),
            rng,
            config,
        }
    }

    /// A sequence number that follows all that this gateway has used.
    pub(super) fn next_sequence(&mut self) -> u16 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// A GRE key that no session here has, until four thousand million more have had theirs.
    pub(super) fn next_key(&mut self) -> u32 {
        self.key = self.key.wrapping_add(1);
        self.key
    }

    /// A key is a session's that was stored: the next ones follow it.
    pub(super) fn restore_key(&mut self, key: u32) {
        self.key = self.key.max(key);
    }

    /// The lifetime to ask for.
    pub(super) fn lifetime(&self) -> Lifetime {
        in_units(self.config.lifetime)
    }

    /// Begins an update, in the place of one that may be outstanding, and sends it.
    pub(super) fn begin(
        &mut self,
        now: Now,
        entry: &mut ListEntry,
        handoff: HandoffIndicator,
        lifetime: Lifetime,
        prefixes: Vec<HomeNetworkPrefix>,
        effects: &mut Vec<Effect>,
    ) {
        self.prepare(entry, handoff, lifetime, prefixes);
        self.transmit(now, entry, effects);
    }

    /// Prepares an update, in the place of one that may be outstanding.
    pub(super) fn prepare(
        &self,
        entry: &mut ListEntry,
        handoff: HandoffIndicator,
        lifetime: Lifetime,
        prefixes: Vec<HomeNetworkPrefix>,
    ) {
        let config = &self.config;
        let backoff = Backoff::new(config.initial_bindack_timeout, config.max_bindack_timeout);
        entry.update = Some(Box::new(Update::new(handoff, lifetime, prefixes, backoff)));
    }

    /// Sends the outstanding update, with the latest timestamp and a new sequence number, and
    /// starts the timer after which it is sent again. Above MAX_UPDATE_RATE it only starts the
    /// timer.
    pub(super) fn transmit(&mut self, now: Now, entry: &mut ListEntry, effects: &mut Vec<Effect>) {
        let Some(lifetime) = entry.update.as_ref().map(|update| update.lifetime) else {
            return;
        };
        let timer = entry.timer(lifetime);
        if let Err(after) = entry.rate.take(now.monotonic, self.config.max_update_rate) {
            self.counters.add(MagCounter::UpdatesDelayed);
            effects.push(Effect::SetTimer { timer, after });
            return;
        }
        entry.sequence = if self.config.timestamps {
            self.next_sequence()
        } else {
            entry.sequence.wrapping_add(1)
        };
        let stamp = self.config.timestamps.then(|| self.stamper.stamp(now));
        let Some(update) = entry.update.as_mut() else {
            return;
        };
        let again = update.goes_out(Transmission {
            sequence: entry.sequence,
            at: now.monotonic,
            timestamp: stamp,
        });
        if again {
            self.counters.add(MagCounter::UpdatesRetransmitted);
        }
        self.counters.add(MagCounter::UpdatesSent);
        let after = update.backoff.step(&mut self.rng);
        let Some(update) = entry.update.as_ref() else {
            return;
        };
        effects.push(Effect::Send {
            from: self.config.local(entry.lma),
            to: entry.lma,
            message: self.message(entry, update, stamp),
        });
        effects.push(Effect::SetTimer { timer, after });
        effects.push(Effect::Notify {
            notice: Notice::UpdateSent {
                mn_identifier: entry.mn_identifier.clone(),
                lma: entry.lma,
                sequence: entry.sequence,
                lifetime_secs: lifetime.as_secs(),
            },
        });
    }

    /// Waits as long as there may be between two sendings, and then sends again.
    pub(super) fn retry_late(&mut self, entry: &mut ListEntry, effects: &mut Vec<Effect>) {
        if let Some(update) = entry.update.as_mut() {
            update.backoff.slow_down();
            let after = update.backoff.step(&mut self.rng);
            let lifetime = update.lifetime;
            effects.push(Effect::SetTimer {
                timer: entry.timer(lifetime),
                after,
            });
        }
    }

    fn message(&self, entry: &ListEntry, update: &Update, stamp: Option<NtpTime>) -> Message {
        let mut options = vec![MobilityOption::MnIdentifier(entry.mn_identifier.clone())];
        if entry.ipv6 {
            options.extend(match self.config.profile {
                SignallingProfile::Rfc => prefixes(update),
                SignallingProfile::Draft => {
                    draft::home_addresses(entry, update, self.config.confirmation_option)
                }
            });
        }
        options.extend(delegated::named(entry));
        let ipv4 = entry.ipv4.map(|asked| match update.handoff {
            // What the session has that is handed over.
            HandoffIndicator::BETWEEN_INTERFACES => ipv4::ANY,
            _ => asked,
        });
        options.extend(ipv4.map(MobilityOption::Ipv4HomeAddressRequest));
        options.push(MobilityOption::HandoffIndicator(update.handoff));
        let technology = self.config.access_technology;
        options.push(MobilityOption::AccessTechnology(technology));
        options.extend(stamp.map(MobilityOption::Timestamp));
        let mac = entry.link.mac.0.to_vec();
        options.push(MobilityOption::MnLinkLayerIdentifier(mac));
        let service = entry.service.clone();
        options.extend(service.map(MobilityOption::ServiceSelection));
        // A de-registration has no key (RFC 5845 section 4.2).
        if entry.gre && update.lifetime != Lifetime::ZERO {
            options.push(MobilityOption::GreKey(Some(entry.key)));
        }
        let forced = self.config.force_udp && entry.lma.to_ipv4_mapped().is_some();
        let forced = match forced {
            true => UpdateFlags::FORCE_UDP,
            false => UpdateFlags::default(),
        };
        Message::BindingUpdate(BindingUpdate {
            sequence: entry.sequence,
            // H as well: without it, a home agent's rules take the update for a correspondent
            // registration (RFC 6275 section 9.5.1).
            flags: UpdateFlags::PROXY
                .with(UpdateFlags::ACKNOWLEDGE)
                .with(UpdateFlags::HOME_REGISTRATION)
                .with(forced),
            lifetime: update.lifetime,
            options,
        })
    }
}

/// What an update asks for: the prefixes that it names, or any.
fn prefixes(update: &Update) -> Vec<MobilityOption> {
    let any = [HomeNetworkPrefix::REQUEST];
    let named = match update.prefixes.as_slice() {
        [] => &any[..],
        named => named,
    };
    let named = named.iter().copied();
    named.map(MobilityOption::HomeNetworkPrefix).collect()
}
