//! A database and MAARs on virtual time, with a network that loses, repeats and reorders, hosts that move
//! at random, and a mode that changes. A seed decides everything; when the trouble is over, everybody
//! must agree, and when the hosts are gone, nothing may be left.
//!
//! The MAARs here are as simple as RFC 8885 lets them be, and are no code of the gateway's.

use crate::cmd_scenario::{acknowledgement, cmd_config, maars, registration, serving_in, CMD};
use crate::scenario::{at, ip, nai, prefix, prefixes_of, stamp};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use roles::cmd::{AnchorState, Cmd, CmdMode, SessionState};
use roles::effect::Effect;
use roles::event::Timer;
use roles::{Event, Role};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use wire::mh::*;

const HOSTS: usize = 4;
const MAARS: usize = 3;
const LIFETIME: u16 = 15;
const TROUBLE: u64 = 90_000;
/// Every host has come to rest, and every update has been repeated until it was heard.
const SETTLED: u64 = TROUBLE + 150_000;
/// Nobody has refreshed anything for longer than a lifetime and all that follows it.
const GONE: u64 = SETTLED + 900_000;

/// What a MAAR knows of a host.
#[derive(Clone, Default)]
struct Part {
    /// Whether it anchors its prefix for the host.
    anchors: bool,
    /// Whether the host is here.
    here: bool,
    /// Whether the database has accepted it since it came.
    registered: bool,
    /// Where its prefix is led to, until the host is accepted here again.
    serving: Option<Ipv6Addr>,
    /// Sequence number of the update that waits for an answer, and of the last that went out.
    waits: Option<u16>,
    last: u16,
    /// Timestamp of the last update that was taken from the database.
    heard: Option<NtpTime>,
}

enum Happening {
    /// A message arrives at the database, or at a MAAR.
    Arrive(Option<usize>, Ipv6Addr, Message),
    Timer(Timer, u64),
    Move(usize, usize),
    /// A MAAR repeats the update of that number, which was not answered, and says the same.
    Repeat(usize, usize, u16, HandoffIndicator),
    /// A MAAR refreshes a host, after the update of that number.
    Refresh(usize, usize, u16),
    Mode(CmdMode),
    /// A host sends a packet at a MAAR.
    Speak(usize, usize),
}

struct Domain {
    now: u64,
    order: u64,
    rng: StdRng,
    agenda: BTreeMap<(u64, u64), Happening>,
    cmd: Cmd,
    timers: BTreeMap<Timer, u64>,
    parts: Vec<Vec<Part>>,
    places: Vec<Option<usize>>,
    sequence: u16,
}

fn maar_of(number: usize) -> Ipv6Addr {
    maars()[number].address
}

fn prefix_of(maar: usize, host: usize) -> String {
    format!("2001:db8:a{}:{}::/64", maar + 1, host + 1)
}

impl Domain {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mode = CmdMode::ALL[rng.random_range(0..3)];
        let mut cmd = Cmd::new(cmd_config(mode));
        cmd.on(at(0), &Event::Maars { maars: maars() }, &mut Vec::new());
        let mut domain = Self {
            now: 0,
            order: 0,
            rng,
            agenda: BTreeMap::new(),
            cmd,
            timers: BTreeMap::new(),
            parts: vec![vec![Part::default(); HOSTS]; MAARS],
            places: vec![None; HOSTS],
            sequence: 0,
        };
        for host in 0..HOSTS {
            let mut time = domain.rng.random_range(0..5_000);
            while time < TROUBLE {
                let maar = domain.rng.random_range(0..MAARS);
                domain.plan(time, Happening::Move(host, maar));
                time += domain.rng.random_range(20..20_000);
            }
        }
        for _ in 0..domain.rng.random_range(0..4) {
            let (time, mode) = (
                domain.rng.random_range(0..TROUBLE),
                domain.rng.random_range(0..3),
            );
            domain.plan(time, Happening::Mode(CmdMode::ALL[mode]));
        }
        domain
    }

    fn plan(&mut self, time: u64, what: Happening) {
        self.order += 1;
        self.agenda.insert((time.max(self.now), self.order), what);
    }

    fn run(&mut self, until: u64) {
        while let Some(entry) = self.agenda.first_entry() {
            if entry.key().0 > until {
                break;
            }
            let ((time, _), what) = entry.remove_entry();
            self.now = time;
            self.happen(what);
            self.check_always();
        }
        self.now = until;
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Arrive(None, from, message) => {
                let to = ip(CMD);
                self.tell(&Event::Message { from, to, message });
            }
            Happening::Arrive(Some(maar), from, message) => self.at_maar(maar, from, &message),
            Happening::Timer(timer, generation) => {
                if self.timers.get(&timer) == Some(&generation) {
                    self.timers.remove(&timer);
                    self.tell(&Event::Timer { timer });
                }
            }
            Happening::Move(host, maar) => self.move_host(host, maar),
            Happening::Repeat(maar, host, sequence, handoff) => {
                if self.parts[maar][host].waits == Some(sequence) {
                    self.register(maar, host, handoff);
                }
            }
            Happening::Refresh(maar, host, sequence) => self.refresh(maar, host, sequence),
            Happening::Speak(host, maar) => {
                if self.places[host] == Some(maar) && !self.parts[maar][host].here {
                    self.come(host, maar);
                }
            }
            Happening::Mode(mode) => self.tell(&Event::Mode { mode }),
        }
    }

    /// Loses some messages and repeats some, while there is trouble; the rest arrive out of order.
    fn post(&mut self, to: Option<usize>, from: Ipv6Addr, message: Message) {
        let trouble = self.now < TROUBLE;
        if trouble && self.rng.random_bool(0.2) {
            return;
        }
        let copies = if trouble && self.rng.random_bool(0.1) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let delay = self.rng.random_range(1..80);
            let message = message.clone();
            self.plan(self.now + delay, Happening::Arrive(to, from, message));
        }
    }

    fn tell(&mut self, event: &Event) {
        let mut effects = Vec::new();
        self.cmd.on(at(self.now), event, &mut effects);
        for effect in effects {
            match effect {
                Effect::Send { to, message, .. } => {
                    let maar = (0..MAARS).find(|it| maar_of(*it) == to);
                    self.post(Some(maar.expect("a MAAR")), ip(CMD), message);
                }
                Effect::SetTimer { timer, after } => {
                    self.order += 1;
                    self.timers.insert(timer.clone(), self.order);
                    let due = self.now + u64::try_from(after.as_millis()).unwrap() + 1;
                    self.plan(due, Happening::Timer(timer, self.order));
                }
                Effect::CancelTimer { timer } => {
                    self.timers.remove(&timer);
                }
                _ => {}
            }
        }
    }

    /// A host moves. The MAAR that it leaves sees no more of that than that nobody is to be registered.
    fn move_host(&mut self, host: usize, maar: usize) {
        if self.places[host] == Some(maar) {
            return;
        }
        if let Some(old) = self.places[host].replace(maar) {
            let part = &mut self.parts[old][host];
            let unheard = part.waits.take().is_some() && !part.registered;
            if unheard && part.serving.is_none() {
                *part = Part::default();
            } else if unheard {
                // What it anchored before the host came back, it anchors still.
                part.here = false;
            }
        }
        self.come(host, maar);
    }

    /// A MAAR sees that a host is with it.
    fn come(&mut self, host: usize, maar: usize) {
        let part = &mut self.parts[maar][host];
        part.registered &= part.here;
        (part.anchors, part.here) = (true, true);
        self.register(maar, host, HandoffIndicator::UNKNOWN);
    }

    fn register(&mut self, maar: usize, host: usize, handoff: HandoffIndicator) {
        self.sequence = self.sequence.wrapping_add(1);
        let mut update = registration(&format!("mn{host}"), &[&prefix_of(maar, host)], self.now);
        update.sequence = self.sequence;
        update.lifetime = Lifetime(LIFETIME);
        for option in &mut update.options {
            if let MobilityOption::HandoffIndicator(it) = option {
                *it = handoff;
            }
        }
        let part = &mut self.parts[maar][host];
        (part.waits, part.last) = (Some(self.sequence), self.sequence);
        self.post(None, maar_of(maar), Message::BindingUpdate(update));
        let repeat = Happening::Repeat(maar, host, self.sequence, handoff);
        self.plan(self.now + 1_000, repeat);
    }

    /// Refreshes a host that is served, until the end.
    fn refresh(&mut self, maar: usize, host: usize, sequence: u16) {
        let part = &self.parts[maar][host];
        let due = part.here && part.waits.is_none() && part.last == sequence;
        if due && self.now < SETTLED {
            self.register(maar, host, HandoffIndicator::NOT_CHANGED);
        }
    }

    fn at_maar(&mut self, maar: usize, from: Ipv6Addr, message: &Message) {
        match message {
            Message::BindingAcknowledgement(answer) => {
                let host = (0..HOSTS).find(|it| {
                    let name = MobilityOption::MnIdentifier(nai(&format!("mn{it}")));
                    answer.options.contains(&name)
                });
                let part = &mut self.parts[maar][host.expect("a host of ours")];
                if part.waits == Some(answer.sequence) && answer.status.is_accepted() {
                    (part.waits, part.registered, part.serving) = (None, true, None);
                    let next = self.now + u64::from(LIFETIME) * 4_000 / 2;
                    let host = host.expect("a host of ours");
                    self.plan(next, Happening::Refresh(maar, host, answer.sequence));
                }
            }
            Message::BindingUpdate(update) => {
                assert_eq!(from, ip(CMD));
                self.told(maar, update);
            }
            Message::RevocationIndication(indication) => self.revoked(maar, indication),
            other => panic!("{other:?}"),
        }
    }

    /// The database says that something has ended. It follows, and has no more to say.
    fn revoked(&mut self, maar: usize, indication: &RevocationIndication) {
        let status = RevocationStatus::SUCCESS;
        let (sequence, flags, options) = (indication.sequence, indication.flags, Vec::new());
        let answer = RevocationAcknowledgement {
            status,
            sequence,
            flags,
            options,
        };
        self.post(
            None,
            maar_of(maar),
            Message::RevocationAcknowledgement(answer),
        );
    }

    /// The database says where a host is, or that it is gone.
    fn told(&mut self, maar: usize, update: &BindingUpdate) {
        let host = (0..HOSTS).find(|it| {
            let name = MobilityOption::MnIdentifier(nai(&format!("mn{it}")));
            update.options.contains(&name)
        });
        let host = host.expect("a host of ours");
        let stamped = update.options.iter().find_map(|option| match option {
            MobilityOption::Timestamp(time) => Some(*time),
            _ => None,
        });
        let own = prefix_of(maar, host);
        let serving = serving_in(&update.options).first().copied();
        let place = self.places[host];
        let part = &mut self.parts[maar][host];
        let old = stamped <= part.heard;
        part.heard = part.heard.max(stamped);
        // The host has come back since; what was said before that is of no more interest.
        let busy = part.here && place == Some(maar) && part.waits.is_some();
        let (status, prefixes) = if old || busy {
            (Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED, vec![])
        } else if !part.anchors {
            (Status::NOT_LMA_FOR_THIS_MOBILE_NODE, vec![])
        } else if update.lifetime == Lifetime::ZERO {
            if prefixes_of(&update.options).contains(&prefix(&own)) {
                *part = Part {
                    heard: part.heard,
                    ..Part::default()
                };
            }
            (Status::ACCEPTED, vec![])
        } else {
            part.here = false;
            part.serving = serving;
            part.waits = None;
            (Status::ACCEPTED, vec![own.as_str()])
        };
        if place == Some(maar) && !part.here {
            // What has overtaken its acceptance is older; the host has something to say of that.
            let speaks = self.now + self.rng.random_range(500..5_000);
            self.plan(speaks, Happening::Speak(host, maar));
        }
        let answer = acknowledgement(update, status, &prefixes);
        self.post(None, maar_of(maar), Message::BindingAcknowledgement(answer));
    }

    /// What holds at any time: a prefix has one anchor, and stands in one session.
    fn check_always(&self) {
        let mut seen = BTreeSet::new();
        for view in self.cmd.bindings(at(self.now)) {
            assert_eq!(view.serving.is_some(), view.state == SessionState::Active);
            for anchor in &view.anchors {
                for prefix in &anchor.prefixes {
                    assert!(seen.insert(*prefix), "{prefix} twice");
                }
            }
            let serving = view
                .anchors
                .iter()
                .filter(|it| it.state == AnchorState::Serving);
            assert_eq!(serving.count(), usize::from(view.serving.is_some()));
        }
        assert_eq!(seen.len(), self.cmd.prefixes());
        assert!(self.cmd.sessions() <= HOSTS);
    }

    /// Everybody agrees on where every host is, and on what it has.
    fn check_settled(&self) {
        for host in 0..HOSTS {
            let Some(place) = self.places[host] else {
                continue;
            };
            let view = self.cmd.binding(at(self.now), &nai(&format!("mn{host}")));
            let view = view.expect("every host that came is known");
            assert_eq!(view.serving, Some(maar_of(place)), "host {host}");
            for maar in 0..MAARS {
                let anchor = view.anchors.iter().find(|it| it.address == maar_of(maar));
                let part = &self.parts[maar][host];
                let known = anchor.is_some_and(|it| !it.prefixes.is_empty());
                if maar == place {
                    assert!(known && part.here && part.anchors);
                } else if known {
                    assert!(part.anchors && !part.here, "{maar} anchors {host}");
                    assert_eq!(part.serving, view.serving);
                    assert_eq!(anchor.unwrap().state, AnchorState::Told);
                }
            }
        }
    }

    /// No state outlives its host.
    fn check_gone(&self) {
        assert_eq!((self.cmd.sessions(), self.cmd.prefixes()), (0, 0));
        assert!(self.timers.is_empty(), "{:?}", self.timers);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Proves S2-12, S2-14, S2-17, S2-27.
    #[test]
    fn a_domain_settles_after_any_trouble(seed in any::<u64>()) {
        settles(seed);
    }
}

fn settles(seed: u64) {
    let mut domain = Domain::new(seed);
    domain.run(SETTLED);
    domain.check_settled();
    domain.run(GONE);
    domain.check_gone();
}

/// What random seeds have found once. The first is of a host that came back to an anchor unheard and
/// went again: an anchor that forgets its prefix over that, and tells nobody, is none. The next two are of a
/// refresh that is repeated: one that does not say again that it is one takes its host from where it is. In
/// the last one, word of a move comes later than that of the next.
#[test]
fn a_domain_settles_after_the_trouble_that_was() {
    for seed in [13_152_006_530_645_656_059, 83, 250, 597] {
        settles(seed);
    }
}

/// Many more seeds than a run of all tests has time for.
#[test]
#[ignore = "long: a hundred thousand domains"]
fn many_domains_settle() {
    let first = std::env::var("DOMAIN_SEED").map_or(0, |it| it.parse().expect("a number"));
    let mut bad = Vec::new();
    for seed in first..first + 100_000 {
        if std::panic::catch_unwind(|| settles(seed)).is_err() {
            bad.push(seed);
        }
    }
    assert_eq!(bad, [0; 0], "seeds that do not settle");
}

#[test]
fn the_same_seed_is_the_same_domain() {
    let run = |seed| {
        let mut domain = Domain::new(seed);
        domain.run(SETTLED);
        let views: Vec<_> = domain.cmd.bindings(at(domain.now)).collect();
        (views, domain.order, stamp(domain.now))
    };
    assert_eq!(run(42), run(42));
}
