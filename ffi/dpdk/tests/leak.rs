//! A packet that nobody gave back before the end.

use dpdk::{Eal, EalConfig, Error, Port, PortConfig};
use packet::Buf;

#[test]
fn a_packet_that_is_still_out_is_reported_and_stays_valid() {
    let eal = Eal::init(EalConfig {
        name: "test-leak".to_owned(),
        memory_mb: 64,
        ..EalConfig::default()
    })
    .expect("the environment starts");
    let mut port = Port::attach(&eal, PortConfig::new("core", "net_null0")).expect("attaches");
    let mut kept = port.pool().alloc().expect("a buffer");
    kept.set_len(1000).expect("tail room");
    kept.data_mut().fill(7);

    let queues = port.take_queues();
    let held = port.close().err().expect("queues are held");
    assert!(matches!(&held, Error::StillHeld { .. }), "{held}");
    drop(queues);

    let port = Port::attach(&eal, PortConfig::new("core", "net_null0")).expect("closed by now");
    let other = port.pool().alloc().expect("a buffer");
    let leaks = eal
        .shutdown(vec![port], Vec::new())
        .expect("nothing but packets is held");
    assert_eq!(leaks.mbufs_in_use(), 1);
    assert_eq!(leaks.pools.len(), 1);
    assert_eq!(leaks.pools[0].name, "core");
    assert!(
        kept.data().iter().all(|octet| *octet == 7),
        "its memory is still there"
    );
    drop(kept);
    drop(other);
}
