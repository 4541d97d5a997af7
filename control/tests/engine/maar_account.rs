//! Hosts that a MAAR serves on terms of AAA, as a MAG does: who is refused has no service, and what a host is led
//! here of other anchors is on its account beside what it has of this one.

use crate::account::{take, Elsewhere};
use crate::bytes::ip;
use crate::maar::{domain, Domain, OLD, OTHER};
use control::aaa::authorization::Defaults;
use control::aaa::{
    AaaCounters, Authorization, Cause, Grant, Ledger, Order, Record, RecordKind, Selector, What,
};
use roles::event::HostLink;
use roles::BoundPrefix;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use wire::mh::*;

/// Longer than a host that was refused is left alone.
const HOLD: u32 = 31;

/// A MAAR that keeps account, and a host that has shown itself to it.
fn asked() -> (Domain, HostLink, Receiver<Record>) {
    let mut domain = domain();
    let now = domain.world.now();
    let (ledger, records) = Ledger::new(now, 100, AaaCounters::default());
    let engine = &mut domain.world.nodes[0].engine;
    engine.serve_on_terms(Some(ledger));
    engine.exchange_access_policy(Box::new(Elsewhere));
    domain.mn.solicit_router(&mut domain.world);
    assert_eq!(domain.rest(1), [], "nobody has let it in yet");
    let mac = domain.mn.mac;
    (domain, HostLink { interface: 1, mac }, records)
}

/// What a server grants that names an anchor and a prefix, as it would at a MAG.
fn granted() -> Grant {
    let defaults = Defaults {
        lma: None,
        roaming: ip("2001:db8:c::2c").into(),
        managed: false,
        other: false,
        interim_interval: Duration::ZERO,
    };
    let answer = Authorization {
        lma: ip("2001:db8:c::1").into(),
        prefixes: vec!["2001:db8:7::/64".parse().unwrap()],
        ..Authorization::default()
    };
    answer.grant("mn1@example.net", &defaults).expect("granted")
}

fn decide(domain: &mut Domain, link: HostLink, grant: Option<Grant>) {
    let now = domain.world.now();
    domain.world.nodes[0].engine.authorized(now, link, grant);
}

fn served() -> (Domain, HostLink, Receiver<Record>) {
    let (mut domain, link, records) = asked();
    decide(&mut domain, link, Some(granted()));
    domain.serve();
    (domain, link, records)
}

/// Proves S2-04.
#[test]
fn a_host_that_the_servers_refuse_has_no_service() {
    let (mut domain, link, mut records) = asked();
    decide(&mut domain, link, None);
    assert_eq!(domain.rest(1), []);
    domain.mn.solicit_router(&mut domain.world);
    assert_eq!(domain.rest(HOLD), [], "it is left alone for a while");
    assert!(domain.node().is_none());
    assert_eq!(domain.world.nodes[0].engine.writer().bindings_len(), 0);
    assert!(domain.mn.router.is_none());
    assert_eq!(take(&mut records).len(), 0);
    assert_eq!(domain.world.nodes[0].engine.granted_hosts(), 0);
    // They have thought better of it.
    domain.mn.solicit_router(&mut domain.world);
    decide(&mut domain, link, Some(granted()));
    domain.serve();
    assert_eq!(take(&mut records).len(), 1);
}

/// Proves S2-04.
#[test]
fn what_a_host_is_led_of_other_anchors_is_on_its_account() {
    let (mut domain, _, mut records) = served();
    for _ in 0..3 {
        domain.through_the_tunnel();
        domain.rest(1);
    }
    let selector = Selector {
        mac: Some(domain.mn.mac),
        ..Selector::default()
    };
    let now = domain.world.now();
    let what = What::Disconnect;
    let outcome = domain.world.nodes[0]
        .engine
        .order(now, Order { selector, what });
    assert_eq!(outcome, Ok(()));
    let heard = domain.rest(1);
    let [Message::BindingUpdate(update)] = &heard[..] else {
        panic!("one update: {heard:?}");
    };
    assert_eq!(update.lifetime, Lifetime::ZERO);
    let records = take(&mut records);
    let kinds: Vec<RecordKind> = records.iter().map(|record| record.kind).collect();
    assert_eq!(
        kinds,
        [RecordKind::Start, RecordKind::Stop(Cause::AdminReset)]
    );
    let facts = records[0].facts.as_ref().expect("of a session");
    let old: HomeNetworkPrefix = OLD.parse().unwrap();
    let own = facts
        .prefixes
        .iter()
        .filter(|it| **it != BoundPrefix::V6(old));
    assert_eq!((facts.prefixes.len(), own.count()), (2, 1));
    let facts = records[1].facts.as_ref().expect("of a session");
    assert_eq!((facts.up.packets, facts.down.packets), (0, 3));
    assert_eq!(domain.world.nodes[0].engine.granted_hosts(), 0);
}

/// The host goes on to another MAAR, whose account is its own from then on.
#[test]
fn the_account_of_a_host_ends_when_it_is_served_elsewhere() {
    let (mut domain, _, mut records) = served();
    assert_eq!(take(&mut records).len(), 1);
    let wall = domain.world.now().wall;
    let host = MnIdentifier::Nai("mn1@example.net".to_owned());
    let flags = UpdateFlags::ACKNOWLEDGE
        .with(UpdateFlags::PROXY)
        .with(UpdateFlags::DISTRIBUTED);
    domain.tell(&Message::BindingUpdate(BindingUpdate {
        sequence: 1,
        flags,
        lifetime: Lifetime(75),
        options: vec![
            MobilityOption::MnIdentifier(host),
            MobilityOption::HandoffIndicator(HandoffIndicator::UNKNOWN),
            MobilityOption::AccessTechnology(AccessTechnology::ETHERNET),
            MobilityOption::Timestamp(NtpTime::from_unix(wall)),
            MobilityOption::ServingMaar(ip(OTHER)),
        ],
    }));
    domain.rest(1);
    let records = take(&mut records);
    assert!(matches!(
        records[..],
        [Record {
            kind: RecordKind::Stop(_),
            ..
        }]
    ));
    assert_eq!(domain.world.nodes[0].engine.granted_hosts(), 0);
    assert_eq!(domain.bound(), [BoundPrefix::V6(domain.own())]);
}
