//! A walk through a domain of three MAARs without a database: what each table holds at every stop, with
//! either way of finding anchors, and with messages that are lost.

use crate::alone_scenario::{Domain, Known, ASKS, IDENTIFIER};
use crate::maar_walk::WALK;
use crate::scenario::{at, link, nai, solicits};
use roles::event::Departure;
use roles::maar::{Backend, FoundBy, MaarCounter};
use roles::Event;

/// Proves S2-43, S2-45, S2-48, S2-49, S2-51, S2-52, S2-54.
#[test]
fn a_walk_keeps_every_prefix_whoever_tells_of_it() {
    for backend in [ASKS, Backend::Asked] {
        for known in [Known::ByPrefix, Known::ByPools] {
            let mut domain = Domain::new(3, backend, known, 1, 0.0);
            for (place, anchors) in WALK {
                domain.walk_to(place);
                domain.check(place, anchors, &format!("{backend:?} at {place}"));
            }
            // The prefix of every anchor was given once, and is the host's still.
            for n in 1..=3 {
                assert_eq!(domain.count(n, MaarCounter::PrefixesReserved), 1);
            }
            assert_eq!(domain.prefixes.len(), 3);
        }
    }
}

/// Proves S2-44, S2-45.
#[test]
fn an_anchor_is_written_to_in_its_prefix_until_its_own_address_is_known() {
    let mut domain = Domain::new(3, ASKS, Known::ByPrefix, 1, 0.0);
    let constructed = |domain: &Domain| {
        let to = domain.to.iter();
        to.filter(|to| to.to_bits() as u64 == IDENTIFIER).count()
    };
    let found = |domain: &Domain| {
        let host = domain.maar(domain.place).nodes(at(domain.now)).next();
        let host = host.expect("the host");
        let previous = host.previous.iter();
        previous.map(|it| it.found).collect::<Vec<_>>()
    };
    domain.walk_to(1);
    domain.walk_to(2);
    assert_eq!(constructed(&domain), 1);
    assert_eq!(found(&domain), [FoundBy::Constructed]);
    // Who was written to in its prefix answers from its own address, and refreshes go there.
    domain.run(domain.now + 300_000);
    assert_eq!(constructed(&domain), 1);
    domain.check(2, &[1], "after a refresh");
    // It is remembered when the host comes back another time.
    domain.walk_to(3);
    domain.walk_to(2);
    let learned = found(&domain).contains(&FoundBy::Learned);
    assert!(learned, "{:?}", found(&domain));
    assert!(domain.maar(2).learned() >= 1);
}

/// Where pools are configured with their gateway, that is whom one writes to.
#[test]
fn a_configured_anchor_is_written_to_at_its_own_address() {
    let mut domain = Domain::new(3, ASKS, Known::ByPools, 1, 0.0);
    for (place, _) in WALK {
        domain.walk_to(place);
    }
    assert!(domain.to.iter().all(|to| to.to_bits() as u64 != IDENTIFIER));
}

/// Proves S2-48, S2-52, S2-53.
#[test]
fn a_walk_survives_lost_messages() {
    for seed in 0..40 {
        let mut domain = Domain::new(3, ASKS, Known::ByPrefix, seed, 0.1);
        for (place, anchors) in WALK {
            domain.walk_to(place);
            // A host whose questions were all lost solicits again.
            domain.tell(place, solicits(link(1, 1)));
            domain.run(domain.now + 60_000);
            domain.check(place, anchors, &format!("seed {seed}, at {place}"));
        }
    }
}

/// Proves S2-48.
#[test]
fn each_gateway_keeps_the_hosts_that_it_anchors_or_serves_and_no_other() {
    let mut domain = Domain::new(4, ASKS, Known::ByPrefix, 1, 0.0);
    for place in [1, 2] {
        domain.walk_to(place);
    }
    assert_eq!(
        (domain.maar(1).sessions(), domain.maar(2).sessions()),
        (1, 1)
    );
    assert_eq!(
        (domain.maar(3).sessions(), domain.maar(4).sessions()),
        (0, 0)
    );
    // The anchor knows the gateway that serves, and no other anchor.
    let anchor = domain
        .maar(1)
        .nodes(at(domain.now))
        .next()
        .expect("the host");
    assert!(anchor.previous.is_empty() && anchor.sought.is_empty());
    assert_eq!(anchor.serving, Some(domain.nodes[1].address));
    domain.walk_to(3);
    for n in [1, 2] {
        let anchor = domain
            .maar(n)
            .nodes(at(domain.now))
            .next()
            .expect("the host");
        assert!(anchor.previous.is_empty(), "at {n}");
        assert_eq!(anchor.serving, Some(domain.nodes[2].address), "at {n}");
    }
    assert_eq!(domain.maar(4).sessions(), 0);
}

/// Proves S2-48.
#[test]
fn nothing_outlives_a_host_that_leaves() {
    for loss in [0.0, 0.2] {
        let mut domain = Domain::new(3, ASKS, Known::ByPrefix, 3, loss);
        for (place, _) in WALK {
            domain.walk_to(place);
        }
        let mn_identifier = nai("mn");
        domain.tell(2, Event::Delete { mn_identifier });
        assert!(
            loss > 0.0 || domain.prefixes.is_empty(),
            "the host was told"
        );
        domain.place = 0;
        // What was not acknowledged ends with its lifetime.
        domain.run(domain.now + 400_000);
        for (n, node) in (1..).zip(&domain.nodes) {
            assert!(node.table.is_empty(), "at {n}: {:?}", node.table);
            assert_eq!(node.maar.sessions(), 0, "at {n}");
        }
    }
}

/// Proves S2-48.
#[test]
fn anchors_let_go_of_a_host_that_nobody_renews() {
    let mut domain = Domain::new(3, ASKS, Known::ByPrefix, 3, 0.0);
    for place in [1, 2] {
        domain.walk_to(place);
    }
    // Its gateway waits for it, and tells its anchors nothing.
    let why = Departure::Unreachable;
    let link = link(1, 1);
    domain.tell(2, Event::HostGone { link, why });
    domain.place = 0;
    domain.run(domain.now + 320_000);
    assert_eq!(
        domain.count(1, MaarCounter::PreviousExpired) + domain.count(1, MaarCounter::PreviousEnded),
        1
    );
    assert!(domain.nodes.iter().all(|node| node.table.is_empty()));
}
