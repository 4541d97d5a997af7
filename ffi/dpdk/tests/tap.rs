//! A port that makes its own interface, which the kernel holds the other end of.

mod kernel;

use dpdk::{Eal, EalConfig, Port, PortConfig, WorkerIo};

#[test]
fn frames_cross_a_tap_both_ways() {
    kernel::enter_namespace();
    let eal = Eal::init(EalConfig {
        name: "test-tap".to_owned(),
        memory_mb: 64,
        ..EalConfig::default()
    })
    .expect("the environment starts");
    let mut config = PortConfig::new("twin", "net_tap0,iface=dt1");
    config.mtu = Some(1400);
    let mut port = Port::attach(&eal, config).expect("net_tap attaches");
    assert_eq!((port.driver(), port.mtu()), ("net_tap", 1400));
    let seen = kernel::ip("link show dt1");
    assert!(seen.contains("mtu 1400"), "{seen}");

    let pair = port.take_queues().pop().expect("one pair");
    let mut io = WorkerIo::new(vec![pair], port.pool().clone()).expect("memory for fragments");
    let worker = eal
        .spawn_worker("worker-0", None, move || kernel::echo(&mut io, 50))
        .expect("worker starts");
    kernel::ip("link set dt1 up");
    kernel::exchange("dt1", (0..50).map(kernel::frame));
    assert_eq!(worker.join().expect("no panic"), 50);

    let leaks = eal
        .shutdown(vec![port], Vec::new())
        .expect("nothing is held");
    assert_eq!(leaks.mbufs_in_use(), 0, "{leaks:?}");
    assert!(
        !kernel::ip("link show").contains("dt1"),
        "the interface went with the port"
    );
}
