//! The anchor: prefixes from pools, and their end.

use crate::scenario::*;
use roles::lma::Lma;
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
    let delete = |host| Event::Delete {
        mn_identifier: nai(host),
    };
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
