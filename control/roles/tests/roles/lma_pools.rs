//! The anchor: prefixes from pools, and their end.

use crate::scenario::*;
use roles::lma::Lma;
use roles::policy::{AnchoredHost, LmaPolicy};
use roles::pool::{BadPool, Pool, Pools};
use roles::Event;
use wire::mh::*;

fn small_lma(remembered: usize) -> Lma {
    let mut config = lma_config();
    let pool = Pool::new(prefix("2001:db8:1::/62"), 64).unwrap();
    config.pools = Pools::new([pool]).unwrap();
    config.remembered_prefixes = remembered;
    lma_with(config)
}

#[test]
fn an_empty_pool_and_a_full_cache_refuse() {
    let mut lma = small_lma(10);
    let mut taken = Vec::new();
    for host in ["a", "b", "c", "d"] {
        taken.push(given(&tell(&mut lma, 10, pbu(host, 10).event())));
    }
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 4);
    assert_eq!(
        status(&tell(&mut lma, 10, pbu("e", 10).event())),
        Status(130)
    );
    // A refresh still fits.
    assert_eq!(status(&tell(&mut lma, 20, pbu("a", 20).event())), Status(0));

    let mut config = lma_config();
    config.capacity = 2;
    let mut lma = lma_with(config);
    assert_eq!(
        status(&tell(&mut lma, 10, pbu("mn", 10).event())),
        Status(0)
    );
    assert_eq!(
        status(&tell(&mut lma, 10, pbu("two", 10).event())),
        Status(130)
    );
    assert_eq!(status(&tell(&mut lma, 10, pbu("a", 10).event())), Status(0));
    assert_eq!(
        status(&tell(&mut lma, 10, pbu("b", 10).event())),
        Status(130)
    );
    assert_eq!(lma.sessions(), 2);
}

#[test]
fn released_prefixes_are_given_last_and_oldest_first() {
    let mut lma = small_lma(10);
    let a = given(&tell(&mut lma, 10, pbu("a", 10).event()));
    let b = given(&tell(&mut lma, 10, pbu("b", 10).event()));
    tell(&mut lma, 20, delete("a"));
    tell(&mut lma, 20, delete("b"));
    let c = given(&tell(&mut lma, 30, pbu("c", 30).event()));
    let d = given(&tell(&mut lma, 30, pbu("d", 30).event()));
    assert!(![a, b].contains(&c) && ![a, b, c].contains(&d));
    assert_eq!(given(&tell(&mut lma, 30, pbu("e", 30).event())), a);
    // What b had is still kept for it.
    assert_eq!(given(&tell(&mut lma, 40, pbu("b", 40).event())), b);
}

fn delete(host: &str) -> Event {
    let mn_identifier = nai(host);
    Event::Delete { mn_identifier }
}

/// A policy that gives these prefixes to one host and serves all others from the pools.
fn fixing(prefixes: &[&str]) -> Event {
    let host = AnchoredHost {
        mn_identifier: nai("fixed"),
        home_network_prefixes: prefixes.iter().map(|p| prefix(p)).collect(),
        ipv4_home_address: None,
        ipv4: true,
        ipv6: true,
        domain: None,
        delegation: true,
        allowance: None,
        proxy_registration: true,
    };
    let hosts = vec![host];
    Event::Policy {
        policy: LmaPolicy { hosts, ..policy() },
    }
}

/// Hosts that ask for one prefix after the other leave no more behind than is to be remembered.
#[test]
fn what_was_released_first_is_forgotten_first() {
    let mut lma = small_lma(2);
    let named = ["2001:db8:1::/64", "2001:db8:1:1::/64", "2001:db8:1:2::/64"];
    for (host, prefix) in ["a", "b", "c"].into_iter().zip(named) {
        let asked = pbu(host, 10).prefix(prefix).event();
        assert_eq!(status(&tell(&mut lma, 10, asked)), Status(0));
        tell(&mut lma, 20, delete(host));
    }
    let theirs =
        |lma: &mut Lma, prefix| status(&tell(lma, 30, pbu("d", 30).prefix(prefix).event()));
    assert_eq!(theirs(&mut lma, named[2]), Status(155), "kept for c");
    assert_eq!(theirs(&mut lma, named[1]), Status(155), "kept for b");
    assert_eq!(theirs(&mut lma, named[0]), Status(0));
}

/// Whatever was remembered and forgotten, the whole pool can be given again.
#[test]
fn no_prefix_is_lost() {
    for remembered in [0, 1, 3, 4] {
        let mut lma = small_lma(remembered);
        for round in 0..4 {
            let hosts: Vec<String> = (0..4).map(|n| format!("{round}-{n}")).collect();
            for host in &hosts {
                let effects = tell(&mut lma, 10, pbu(host, 10).event());
                assert_eq!(status(&effects), Status(0), "{remembered}, {host}");
            }
            for host in &hosts {
                tell(&mut lma, 20, delete(host));
            }
        }
    }
}

/// All that is remembered is now policy's: what is fresh is given instead.
#[test]
fn a_policy_that_fixes_what_is_remembered_stops_nobody() {
    let mut lma = small_lma(1);
    let had = given(&tell(&mut lma, 10, pbu("a", 10).event()));
    tell(&mut lma, 20, delete("a"));
    tell(&mut lma, 30, fixing(&[&had.to_string()]));
    let effects = tell(&mut lma, 40, pbu("b", 40).event());
    assert_eq!(status(&effects), Status(0));
    assert_ne!(given(&effects), had);
}

/// The only prefix that policy gives up again is found, wherever it is.
#[test]
fn a_prefix_that_policy_gives_up_is_in_its_pool_again() {
    for free in 0..16 {
        let mut config = lma_config();
        let pool = Pool::new(prefix("2001:db8:1::/60"), 64).unwrap();
        config.pools = Pools::new([pool]).unwrap();
        let mut lma = lma_with(config);
        tell(&mut lma, 1, fixing(&["2001:db8:1::/60"]));
        let effects = tell(&mut lma, 10, pbu("mn", 10).event());
        assert_eq!(status(&effects), Status(130));
        let others = (0..16).filter(|place| *place != free);
        let others: Vec<String> = others.map(|n| format!("2001:db8:1:{n:x}::/64")).collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        tell(&mut lma, 20, fixing(&others));
        let effects = tell(&mut lma, 30, pbu("mn", 30).event());
        assert_eq!(
            given(&effects),
            prefix(&format!("2001:db8:1:{free:x}::/64"))
        );
    }
}

/// What policy fixes is passed over as a whole: two thousand million places here.
#[test]
fn wide_fixed_prefixes_are_passed_at_once() {
    let mut config = lma_config();
    let pool = Pool::new(prefix("2001:db8::/32"), 64).unwrap();
    config.pools = Pools::new([pool]).unwrap();
    let mut lma = lma_with(config);
    let most = ["2001:db8::/33", "2001:db8:8000::/34"];
    tell(&mut lma, 1, fixing(&most));
    for host in 0..20 {
        let effects = tell(&mut lma, 10, pbu(&host.to_string(), 10).event());
        let rest = prefix("2001:db8:c000::/34");
        assert!(rest.contains(given(&effects).prefix));
    }
}

#[test]
fn pools_that_cannot_be() {
    let pool = |text, length| Pool::new(prefix(text), length);
    assert!(matches!(
        pool("2001:db8::/48", 47),
        Err(BadPool::Length { .. })
    ));
    assert!(matches!(
        pool("2001:db8::/48", 112),
        Err(BadPool::Length { .. })
    ));
    assert!(matches!(pool("ff00::/16", 64), Err(BadPool::Prefix(_))));
    assert!(matches!(pool("fe80::/64", 64), Err(BadPool::Prefix(_))));
    assert!(matches!(pool("::/0", 48), Err(BadPool::Prefix(_))));
    let one = pool("2001:db8::/32", 64).unwrap();
    let other = pool("2001:db8:1::/48", 64).unwrap();
    assert!(matches!(
        Pools::new([one, other]),
        Err(BadPool::Overlap(..))
    ));
    assert_eq!(other.size(), 65_536);
}
