//! Sessions that become one (RFC 5213 section 5.4).
//!
//! A host hands a session over to an interface that has a session already. All prefixes of an interface
//! are of one session, so the two become one: the one that was handed over, with the prefixes of both.
//! The acknowledgement tells the gateway all of them.
//!
//! ```text
//!   session 1: interface a, prefix P ──┐ handed over to b
//!   session 2: interface b, prefix Q ──┴──► session 1: interface b, prefixes P and Q
//! ```
//!
//! A session has one IPv4 home address: that of the session which is handed over, or else that of the
//! interface's own.

use super::cache::Entry;
use super::counters::LmaCounter;
use super::request::Request;
use super::Lma;
use crate::effect::{Effect, Notice};
use crate::event::Timer;
use crate::store::Key;
use crate::BoundPrefix;

impl Lma {
    /// The other sessions of the interface that an update names, none unless one is handed over to it.
    fn of_same_interface(&self, request: &Request<'_>, session: u64) -> Vec<u64> {
        let Some(link_layer) = request.link_layer else {
            return Vec::new();
        };
        let sessions = self.cache.of(request.mn_identifier);
        sessions
            .filter(|it| it.session != session && it.domain == request.domain)
            .filter(|it| it.is_of(request.access_technology, link_layer))
            .map(|it| it.session)
            .collect()
    }

    /// Lets a session that is handed over without an IPv4 home address have that of the interface that
    /// it comes to.
    pub(super) fn bring_address(&mut self, request: &Request<'_>, session: u64) {
        let wants = request
            .ipv4
            .is_some_and(|asked| asked.address.is_unspecified());
        let entry = self.cache.get(session);
        if !wants || entry.is_none_or(|entry| entry.ipv4.is_some()) {
            return;
        }
        for other in self.of_same_interface(request, session) {
            let address = self.cache.get_mut(other).and_then(|it| it.ipv4.take());
            if let Some(entry) = self.cache.get_mut(session).filter(|_| address.is_some()) {
                entry.ipv4 = address;
                return;
            }
        }
    }

    /// Makes the other sessions of an interface part of the one that an update brings to it. Returns
    /// them as they were; what they had is to be bound anew.
    pub(super) fn absorb(
        &mut self,
        request: &Request<'_>,
        session: u64,
        effects: &mut Vec<Effect>,
    ) -> Vec<Entry> {
        let mut absorbed = Vec::new();
        for other in self.of_same_interface(request, session) {
            let Some(mut other) = self.cache.remove(other) else {
                continue;
            };
            self.counters.add(LmaCounter::BindingsMerged);
            if let Some(domain) = other.domain {
                self.domains.release_key(domain, other.encapsulation);
            }
            self.peers.unshare(other.care_of, effects);
            effects.push(Effect::CancelTimer {
                timer: Timer::BindingExpiry {
                    session: other.session,
                },
            });
            effects.push(Effect::Forget {
                key: Key::Binding {
                    session: other.session,
                },
            });
            if let Some(address) = other.ipv4.take() {
                let addresses = self.domains.addresses_mut(other.domain);
                addresses.release(address, other.interface());
                let prefix = BoundPrefix::ipv4(other.domain, address);
                effects.push(Effect::Unbind { prefix });
                effects.push(Effect::Notify {
                    notice: Notice::BindingDown {
                        mn_identifier: other.mn_identifier.clone(),
                        prefix,
                    },
                });
            }
            if let Some(entry) = self.cache.get_mut(session) {
                entry.prefixes.extend(&other.prefixes);
                entry.prefixes.sort_unstable();
                entry.home_addresses.extend(&other.home_addresses);
                entry.delegated.extend(&other.delegated);
                entry.delegated.sort_unstable();
                entry.timestamp = entry.timestamp.max(other.timestamp);
            }
            for &prefix in &other.delegated {
                self.delegations.take(prefix, session);
            }
            absorbed.push(other);
        }
        absorbed
    }
}
