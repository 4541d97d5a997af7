//! The anchor against a model of RFC 5213 section 5.4.1, over whatever several gateways may say of a
//! few hosts with a few interfaces.

use crate::scenario::*;
use proptest::prelude::*;
use roles::effect::{Effect, Path};
use roles::lma::{BindingState, Lma};
use roles::BoundPrefix;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::time::Duration;
use wire::mh::*;

/// What a gateway says.
#[derive(Clone, Debug)]
struct Said {
    host: usize,
    interface: Option<u8>,
    gateway: usize,
    handoff: u8,
    /// Names the prefixes of the host's nth session.
    names: Option<usize>,
    leaves: bool,
}

fn said() -> impl Strategy<Value = Said> {
    let interface = prop_oneof![4 => (1..4u8).prop_map(Some), 1 => Just(None)];
    let names = prop_oneof![3 => Just(None), 2 => (0..3usize).prop_map(Some)];
    (
        0..2usize,
        interface,
        0..2usize,
        1..=5u8,
        names,
        prop::bool::weighted(0.2),
    )
        .prop_map(|(host, interface, gateway, handoff, names, leaves)| Said {
            host,
            interface,
            gateway,
            handoff,
            names,
            leaves,
        })
}

const HOSTS: [&str; 2] = ["one", "other"];
const GATEWAYS: [&str; 2] = [MAG1, MAG2];
const SESSIONS: usize = 4;

/// A session as the model has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Session {
    interface: Option<u8>,
    gateway: usize,
    prefixes: BTreeSet<HomeNetworkPrefix>,
    pending: bool,
    /// Whether its gateway has told more than a refresh.
    attached: bool,
}

/// What becomes of an update: an answer, or none; and the session that has changed by it, or is new.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Accepted(usize),
    Created,
    Refused(u8),
    Silent,
}

/// Which session the rules find. Waits are over at once.
fn rule(sessions: &[Session], said: &Said, named: &BTreeSet<HomeNetworkPrefix>) -> Outcome {
    let has = |test: &dyn Fn(&Session) -> bool| sessions.iter().position(test);
    let new = if said.leaves {
        Outcome::Silent
    } else if sessions.len() == SESSIONS {
        Outcome::Refused(129)
    } else {
        Outcome::Created
    };
    let own = said
        .interface
        .and_then(|it| has(&|session| session.interface == Some(it)));
    let found = if !named.is_empty() {
        let Some(place) = has(&|session| !session.prefixes.is_disjoint(named)) else {
            return if own.is_some() {
                Outcome::Refused(159)
            } else {
                new
            };
        };
        let it = &sessions[place];
        let left = said.handoff == 5 && !said.leaves && !it.pending;
        if left && it.attached && it.gateway != said.gateway {
            return Outcome::Refused(129);
        }
        let again = said.handoff == 2
            && it.gateway == said.gateway
            && own == Some(place)
            && named.is_subset(&it.prefixes);
        if it.prefixes != *named && !again {
            return Outcome::Refused(159);
        }
        let same = match (said.interface, it.interface) {
            (Some(asked), Some(known)) => asked == known,
            (None, None) => said.handoff == 3,
            _ => false,
        };
        if same || said.handoff == 2 || it.gateway == said.gateway {
            Some(place)
        } else if said.leaves {
            return Outcome::Silent;
        } else if it.pending {
            Some(place)
        } else {
            return Outcome::Refused(155);
        }
    } else if own.is_some() {
        own
    } else {
        let only = (sessions.len() == 1).then_some(0);
        let repeats = |session: &&Session| {
            said.interface.is_none()
                && session.interface.is_none()
                && session.gateway == said.gateway
                && said.handoff != 1
        };
        match (only, said.handoff) {
            (Some(place), 2) => Some(place),
            (Some(place), 3) if said.interface.is_none() => Some(place),
            (Some(place), 4) if sessions[place].pending => Some(place),
            _ if sessions.iter().filter(repeats).count() == 1 => has(&|session| repeats(&session)),
            _ => None,
        }
    };
    let Some(place) = found else {
        let there = |session: &&Session| session.gateway == said.gateway;
        let meant = sessions.iter().filter(there).count() == 1;
        if said.leaves && named.is_empty() && said.interface.is_none() && meant {
            return Outcome::Accepted(has(&|session| there(&session)).unwrap());
        }
        return new;
    };
    let it = &sessions[place];
    let elsewhere = it.gateway != said.gateway;
    if said.leaves && elsewhere {
        return Outcome::Silent;
    }
    if said.handoff == 5 && !said.leaves && !it.pending && it.attached && elsewhere {
        return Outcome::Refused(129);
    }
    Outcome::Accepted(place)
}

/// The anchor, what its effects have made of the table, and the model.
struct Run {
    lma: Lma,
    table: BTreeMap<BoundPrefix, Path>,
    model: [Vec<Session>; 2],
    now: u64,
}

impl Run {
    fn new() -> Self {
        let mut config = lma_config();
        config.max_delay_before_new_bce_assign = Duration::ZERO;
        Self {
            lma: lma_with(config),
            table: BTreeMap::new(),
            model: [Vec::new(), Vec::new()],
            now: 1000,
        }
    }

    fn say(&mut self, said: &Said) {
        self.now += 10;
        let sessions = self.model[said.host].clone();
        let named = said.names.and_then(|nth| sessions.get(nth));
        let named = named.map_or_else(BTreeSet::new, |session| session.prefixes.clone());
        let mut update = pbu(HOSTS[said.host], self.now)
            .from(GATEWAYS[said.gateway])
            .handoff(HandoffIndicator(said.handoff));
        update = match said.interface {
            Some(interface) => update.interface(interface),
            None => update.without(25),
        };
        if !named.is_empty() {
            let options = named.iter().copied().map(MobilityOption::HomeNetworkPrefix);
            update = options.fold(update.without(22), Pbu::and);
        }
        if said.leaves {
            update = update.lifetime(0);
        }
        let effects = tell(&mut self.lma, self.now, update.event());
        let answer = effects.iter().find_map(|effect| match effect {
            Effect::Send {
                message: Message::BindingAcknowledgement(answer),
                ..
            } => Some(answer.clone()),
            _ => None,
        });
        self.apply(&effects);
        let outcome = rule(&sessions, said, &named);
        let answered = answer.as_ref().map(|answer| answer.status.0);
        let expected = match outcome {
            Outcome::Accepted(_) | Outcome::Created => Some(0),
            Outcome::Refused(status) => Some(status),
            Outcome::Silent => None,
        };
        assert_eq!(answered, expected, "{said:?} with {sessions:?}");
        let told = answer.map_or_else(Vec::new, |answer| prefixes_of(&answer.options));
        self.follow(said, &outcome, told.into_iter().collect());
        self.compare();
    }

    fn apply(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Bind { prefix, path } => {
                    self.table.insert(*prefix, *path);
                }
                Effect::Unbind { prefix } => {
                    assert!(
                        self.table.remove(prefix).is_some(),
                        "{prefix} was not there"
                    );
                }
                _ => {}
            }
        }
    }

    /// What the model makes of an outcome.
    fn follow(&mut self, said: &Said, outcome: &Outcome, told: BTreeSet<HomeNetworkPrefix>) {
        let sessions = &mut self.model[said.host];
        let refreshes = said.handoff == 5;
        match *outcome {
            Outcome::Created => sessions.push(Session {
                interface: said.interface,
                gateway: said.gateway,
                prefixes: told,
                pending: false,
                attached: !refreshes,
            }),
            Outcome::Accepted(place) => {
                let mut it = sessions[place].clone();
                it.pending = said.leaves;
                if !said.leaves {
                    it.attached = !refreshes || it.attached && it.gateway == said.gateway;
                    it.gateway = said.gateway;
                    it.interface = said.interface;
                    // Those of the same interface are one.
                    let same = |other: &Session| {
                        said.interface.is_some() && other.interface == said.interface
                    };
                    for other in sessions.iter().filter(|other| same(other)) {
                        it.prefixes.extend(&other.prefixes);
                    }
                    let mut at = 0;
                    sessions.retain(|other| {
                        at += 1;
                        at - 1 == place || !same(other)
                    });
                    assert_eq!(told, it.prefixes, "the answer tells all that it has");
                }
                let place = place.min(sessions.len() - 1);
                let meant = sessions[..=place]
                    .iter()
                    .rposition(|other| other.prefixes.is_subset(&it.prefixes));
                sessions[meant.unwrap()] = it;
            }
            Outcome::Refused(_) | Outcome::Silent => {}
        }
    }

    /// The binding cache and the table are what the model says.
    fn compare(&self) {
        let mut expected = Vec::new();
        for (host, sessions) in self.model.iter().enumerate() {
            for it in sessions {
                expected.push((
                    nai(HOSTS[host]),
                    it.prefixes.iter().copied().collect::<Vec<_>>(),
                    ip(GATEWAYS[it.gateway]),
                    it.interface,
                    it.pending,
                ));
            }
        }
        let views = self.lma.bindings(at(self.now));
        let mut found: Vec<_> = views
            .map(|view| {
                let interface = view.link_layer_identifier.map(|id| id[5]);
                let pending = view.state == BindingState::Pending;
                (
                    view.mn_identifier,
                    view.prefixes,
                    view.care_of,
                    interface,
                    pending,
                )
            })
            .collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
        let ways = found.iter().flat_map(|(_, prefixes, care_of, _, pending)| {
            let way = (!pending).then_some(*care_of);
            prefixes
                .iter()
                .map(move |&prefix| (BoundPrefix::V6(prefix), way))
        });
        let table = self.table.iter().map(|(prefix, path)| {
            let way: Option<Ipv6Addr> = match path {
                Path::Anchor { tunnel } => Some(tunnel.remote),
                _ => None,
            };
            (*prefix, way)
        });
        let ways: BTreeMap<_, _> = ways.collect();
        assert_eq!(ways, table.collect::<BTreeMap<_, _>>());
        // No two sessions of a host are of one interface.
        for sessions in &self.model {
            let named: Vec<_> = sessions.iter().filter_map(|it| it.interface).collect();
            let once: BTreeSet<_> = named.iter().collect();
            assert_eq!(named.len(), once.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_gateways_say_the_rules_decide(story in prop::collection::vec(said(), 1..40)) {
        let mut run = Run::new();
        for said in &story {
            run.say(said);
        }
    }
}
