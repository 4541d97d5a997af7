//! A port on one end of a veth pair, the kernel on the other.

mod kernel;

use dpdk::{Eal, EalConfig, Error, Hugepages, Port, PortConfig, WorkerIo};

#[test]
fn frames_cross_a_veth_pair_both_ways() {
    kernel::enter_namespace();
    kernel::ip("link add g1 type veth peer name h1");
    kernel::ip("link set g1 up");
    kernel::ip("link set h1 up");
    let eal = Eal::init(EalConfig {
        name: "test-af-packet".to_owned(),
        memory_mb: 64,
        hugepages: Hugepages::Never,
        ..EalConfig::default()
    })
    .expect("the environment starts");

    let mut config = PortConfig::new("access", "net_af_packet0,iface=g1");
    config.queues = 2;
    let few = Port::attach(&eal, config.clone())
        .err()
        .expect("one queue pair by default");
    assert!(
        matches!(
            few,
            Error::Queues {
                wanted: 2,
                receive: 1,
                transmit: 1,
                ..
            }
        ),
        "{few}"
    );
    assert!(few.to_string().contains("qpairs=2"), "{few}");
    config.devargs = "net_af_packet0,iface=g1,qpairs=2".to_owned();
    let two = Port::attach(&eal, config.clone()).expect("the refusal left nothing open");
    assert_eq!(two.queues(), 2);
    assert_eq!(two.close().expect("no queue was taken").in_use(), 0);

    config.queues = 1;
    config.devargs = "net_af_packet0,iface=g1".to_owned();
    config.mtu = Some(1400);
    config.mac = Some([0x02, 0, 0, 0, 0, 0x77]);
    config.promiscuous = true;
    let mut port = Port::attach(&eal, config.clone()).expect("attaches again");
    assert_eq!(port.driver(), "net_af_packet");
    assert_eq!(port.mac(), [0x02, 0, 0, 0, 0, 0x77]);
    assert_eq!(port.mtu(), 1400, "{:?}", port.notes());
    assert!(port.is_promiscuous() && port.link_up());
    let seen = kernel::ip("link show g1");
    assert!(
        seen.contains("02:00:00:00:00:77") && seen.contains("mtu 1400"),
        "{seen}"
    );
    config.name = "again".to_owned();
    let taken = Port::attach(&eal, config)
        .err()
        .expect("the device is in use");
    assert!(
        taken
            .to_string()
            .starts_with("port again: device `net_af_packet0`"),
        "{taken}"
    );

    let pair = port.take_queues().pop().expect("one pair");
    let pool = port.pool().clone();
    let mut io = WorkerIo::new(vec![pair], pool.clone()).expect("memory for fragments");
    let worker = eal
        .spawn_worker("worker-0", eal.cores().first().copied(), move || {
            kernel::echo(&mut io, 100)
        })
        .expect("worker starts");
    kernel::exchange("h1", (0..100).map(kernel::frame));
    assert_eq!(worker.join().expect("no panic"), 100);
    assert!(port.stats().rx_packets >= 100);
    assert!(port.stats().tx_packets >= 100);

    port.close().expect("no queue is held");

    // Nine times the usual MTU: slots and buffers are as large, and frames come in one piece.
    kernel::ip("link set h1 mtu 9000");
    let mut config = PortConfig::new("jumbo", "net_af_packet0,iface=g1");
    config.mtu = Some(9000);
    config.descriptors = 128;
    config.mbufs = Some(1023);
    let mut port = Port::attach(&eal, config).expect("attaches with larger slots");
    assert_eq!(port.mtu(), 9000, "{:?}", port.notes());
    let pair = port.take_queues().pop().expect("one pair");
    let jumbo = port.pool().clone();
    let mut io = WorkerIo::new(vec![pair], jumbo.clone()).expect("memory for fragments");
    let worker = eal
        .spawn_worker("worker-1", eal.cores().first().copied(), move || {
            kernel::echo(&mut io, 3)
        })
        .expect("worker starts");
    let sized = |octets| {
        let mut frame = kernel::frame(9);
        frame.resize(octets, 9);
        frame
    };
    kernel::exchange("h1", [1514, 2100, 9014].map(sized));
    assert_eq!(worker.join().expect("no panic"), 3);

    let leaks = eal
        .shutdown(vec![port], vec![pool, jumbo])
        .expect("nothing is held");
    assert_eq!(leaks.mbufs_in_use(), 0, "{leaks:?}");
}
