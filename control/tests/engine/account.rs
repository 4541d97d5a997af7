//! Hosts that are served on terms of AAA: their account, their time, and orders about them.

use crate::host::Host;
use crate::store;
use crate::story::{attach, domain, gateway, meet, visitors, CAPACITY, CN, MAG1, MN};
use crate::world::World;
use control::aaa::authorization::Defaults;
use control::aaa::{
    AaaCounters, Authorization, Cause, ErrorCause, Grant, Ledger, Order, Record, RecordKind,
    Selector, Terms, What,
};
use control::engine::Engine;
use control::gateway::Gateway;
use control::policy::{AccessPolicy, Answer};
use roles::event::HostLink;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

/// Somebody else is asked, whose answers the test gives.
pub struct Elsewhere;

impl AccessPolicy for Elsewhere {
    fn authenticate(&mut self, _: HostLink, _: Option<&Grant>) -> Answer {
        Answer::Later
    }
}

fn grant(name: &str, terms: Terms) -> Grant {
    let defaults = Defaults {
        lma: "2001:db8:c::1".parse().ok(),
        roaming: None,
        managed: false,
        other: false,
        interim_interval: Duration::ZERO,
    };
    let granted = Authorization::default().grant(name, &defaults);
    let granted = granted.expect("an LMA is named");
    let user_name = granted.terms.user_name;
    Grant {
        terms: Terms { user_name, ..terms },
        ..granted
    }
}

/// A domain whose first MAG keeps account, with a host that shows itself and one that answers.
fn asked() -> (World, Host, Host, HostLink, Receiver<Record>) {
    let mut world = domain();
    let mut cn = Host::correspondent(CN);
    meet(&mut world, &mut cn);
    let (ledger, records) = Ledger::new(world.now(), 100, AaaCounters::default());
    let engine = &mut world.nodes[MAG1].engine;
    engine.serve_on_terms(Some(ledger));
    engine.exchange_access_policy(Box::new(Elsewhere));
    let mut mn = Host::new(MN, 1);
    attach(&mut world, &mut mn);
    assert!(mn.router.is_none(), "nobody has let it in yet");
    let link = HostLink {
        interface: 1,
        mac: mn.mac,
    };
    (world, mn, cn, link, records)
}

/// The host is let in on these terms.
fn let_in(world: &mut World, mn: &mut Host, link: HostLink, terms: Terms) {
    let now = world.now();
    let granted = Some(grant("mn1@example.net", terms));
    world.nodes[MAG1].engine.authorized(now, link, granted);
    world.pass(Duration::from_millis(100));
    mn.live(world);
    assert_eq!(visitors(world, MAG1).len(), 1);
}

pub fn take(records: &mut Receiver<Record>) -> Vec<Record> {
    std::iter::from_fn(|| records.try_recv().ok()).collect()
}

pub fn secs(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

/// Proves S1-23.
#[test]
fn a_session_is_accounted_for_until_its_time_is_over() {
    let (mut world, mut mn, mut cn, link, mut records) = asked();
    let terms = Terms {
        interim_interval: secs(60),
        session_timeout: secs(150),
        class: vec![b"gold".to_vec()],
        ..Terms::default()
    };
    let_in(&mut world, &mut mn, link, terms);
    for sequence in 0..5 {
        mn.ping(&mut world, cn.address(), sequence);
        cn.live(&mut world);
        world.settle();
    }
    // It answers whoever asks whether it is still there.
    for _ in 0..160 {
        world.pass(Duration::from_secs(1));
        mn.live(&mut world);
    }
    let records = take(&mut records);
    let kinds: Vec<RecordKind> = records.iter().map(|record| record.kind).collect();
    let stop = RecordKind::Stop(Cause::SessionTimeout);
    let expected = [
        RecordKind::Start,
        RecordKind::Interim,
        RecordKind::Interim,
        stop,
    ];
    assert_eq!(kinds, expected);
    for record in &records {
        assert_eq!(record.session, records[0].session);
        let facts = record.facts.as_ref().expect("of a session");
        assert_eq!(facts.user_name, "mn1@example.net");
        assert_eq!((facts.prefixes.len(), facts.class.len()), (1, 1));
        let pings = if record.kind == RecordKind::Start {
            0
        } else {
            5
        };
        assert_eq!((facts.up.packets, facts.down.packets), (pings, pings));
    }
    let last = records[3].facts.as_ref().expect("of a session");
    // Its time runs from the grant, the account from the binding a moment later.
    assert_eq!(last.time.as_secs_f64().round(), 150.0);
    assert!(last.up.bytes > 0 && last.up.bytes == last.down.bytes);
    assert!(visitors(&world, MAG1).is_empty());
    assert_eq!(world.nodes[MAG1].engine.granted_hosts(), 0);
}

/// A gateway is killed with a host on its books: the host is served again at once, and its account begins
/// again when the server has said on which terms, with all that went through since the start.
///
/// Proves S1-23.
#[test]
fn an_account_begins_again_after_a_restart() {
    let (mut world, _anchor, access) = store::domain();
    let mut cn = Host::correspondent(CN);
    meet(&mut world, &mut cn);
    let books = |engine: &mut Engine<Gateway>, now| {
        let (ledger, records) = Ledger::new(now, 100, AaaCounters::default());
        engine.serve_on_terms(Some(ledger));
        engine.exchange_access_policy(Box::new(Elsewhere));
        records
    };
    let now = world.now();
    let mut before = books(&mut world.nodes[MAG1].engine, now);
    let mut mn = Host::new(MN, 1);
    attach(&mut world, &mut mn);
    let link = HostLink {
        interface: 1,
        mac: mn.mac,
    };
    let_in(&mut world, &mut mn, link, Terms::default());
    store::rest(&mut world);
    mn.live(&mut world);
    assert_eq!(take(&mut before).len(), 1);

    let now = world.now();
    let mut records = None;
    world.nodes[MAG1] = gateway(MAG1, CAPACITY, "", now, access.keeper(), |engine| {
        records = Some(books(engine, now));
    });
    let mut records = records.expect("it was prepared");
    for _ in 0..3 {
        cn.live(&mut world);
        world.pass(Duration::from_millis(20));
    }
    assert_eq!(visitors(&world, MAG1).len(), 1);
    for sequence in 0..3 {
        mn.ping(&mut world, cn.address(), sequence);
        cn.live(&mut world);
        world.settle();
    }
    assert_eq!(take(&mut records).len(), 0, "nobody knows the terms");
    let terms = Terms {
        class: vec![b"gold".to_vec()],
        ..Terms::default()
    };
    let now = world.now();
    let granted = Some(grant("mn1@example.net", terms));
    world.nodes[MAG1].engine.authorized(now, link, granted);
    let started = take(&mut records);
    assert_eq!(started.len(), 1);
    assert_eq!(started[0].kind, RecordKind::Start);
    let facts = started[0].facts.as_ref().expect("of a session");
    assert_eq!((facts.prefixes.len(), facts.class.len()), (1, 1));
    let now = world.now();
    world.nodes[MAG1].engine.close_accounts(now);
    let told = take(&mut records);
    let facts = told[0].facts.as_ref().expect("of a session");
    assert_eq!(facts.up.packets, 3);
}

#[test]
fn a_host_that_is_idle_for_too_long_is_detached() {
    let (mut world, mut mn, cn, link, mut records) = asked();
    let terms = Terms {
        idle_timeout: secs(10),
        ..Terms::default()
    };
    let_in(&mut world, &mut mn, link, terms);
    for sequence in 0..10 {
        world.pass(Duration::from_secs(5));
        mn.ping(&mut world, cn.address(), sequence);
    }
    assert_eq!(visitors(&world, MAG1).len(), 1);
    world.pass(Duration::from_secs(20));
    let kinds: Vec<RecordKind> = take(&mut records).iter().map(|it| it.kind).collect();
    let stop = RecordKind::Stop(Cause::IdleTimeout);
    assert_eq!(kinds, [RecordKind::Start, stop]);
    assert!(visitors(&world, MAG1).is_empty());
}

/// Proves S1-24.
#[test]
fn orders_end_and_change_sessions_and_say_why_they_do_not() {
    let (mut world, mut mn, _, link, mut records) = asked();
    let_in(&mut world, &mut mn, link, Terms::default());
    let order = |world: &mut World, selector: Selector, what: What| {
        let now = world.now();
        let outcome = world.nodes[MAG1]
            .engine
            .order(now, Order { selector, what });
        world.pass(Duration::from_millis(100));
        outcome
    };
    let session = take(&mut records).remove(0).session.to_string();
    let named = Selector {
        session: Some(session),
        port: Some("access".to_owned()),
        ..Selector::default()
    };
    let nobody = Selector {
        user_name: Some("nobody".to_owned()),
        ..Selector::default()
    };
    let elsewhere = Selector {
        port: Some("core".to_owned()),
        ..named.clone()
    };
    for selector in [nobody, elsewhere] {
        let outcome = order(&mut world, selector, What::Disconnect);
        assert_eq!(outcome, Err(ErrorCause::SESSION_CONTEXT_NOT_FOUND));
    }
    // Another identity: the old session ends, and one under the new name begins.
    let change = Authorization {
        mn_identifier: Some("two@example.net".to_owned()),
        ..Authorization::default()
    };
    let change = What::Change(Box::new(change));
    assert_eq!(order(&mut world, named.clone(), change), Ok(()));
    let told = take(&mut records);
    let kinds: Vec<RecordKind> = told.iter().map(|record| record.kind).collect();
    let preempted = RecordKind::Stop(Cause::PortPreempted);
    assert_eq!(kinds, [preempted, RecordKind::Start]);
    let names = told
        .iter()
        .map(|it| it.facts.as_ref().map(|it| it.mn_identifier.to_string()));
    let names: Vec<_> = names.flatten().collect();
    assert_eq!(names, ["mn1@example.net", "two@example.net"]);
    // The server is asked, as the order wants, and says no.
    let by_mac = Selector {
        mac: Some(mn.mac),
        ..Selector::default()
    };
    let ask = What::AskAgain(Some(vec![1]));
    let outcome = order(&mut world, by_mac.clone(), ask);
    assert_eq!(outcome, Err(ErrorCause::REQUEST_INITIATED));
    let now = world.now();
    world.nodes[MAG1].engine.authorized(now, link, None);
    world.pass(Duration::from_millis(100));
    let told = take(&mut records);
    let kinds: Vec<RecordKind> = told.iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [RecordKind::Stop(Cause::AdminReset)]);
    let outcome = order(&mut world, by_mac, What::Disconnect);
    assert_eq!(outcome, Err(ErrorCause::SESSION_CONTEXT_NOT_FOUND));
    assert_eq!(world.nodes[MAG1].engine.granted_hosts(), 0);
}
