//! Two ports joined by shared memory, as a generator and a gateway are.

use dpdk::{Eal, EalConfig, Mbuf, Port, PortConfig, WorkerIo};
use packet::{Buf, Burst, PortId, RxTx};

#[test]
fn packets_cross_between_two_ports() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let socket = directory.path().join("memif.sock");
    let eal = Eal::init(EalConfig {
        name: "test-memif".to_owned(),
        memory_mb: 64,
        ..EalConfig::default()
    })
    .expect("the environment starts");
    let attach = |number: usize, role: &str| {
        let devargs = format!(
            "net_memif{number},role={role},id=0,socket-abstract=no,socket={}",
            socket.display()
        );
        Port::attach(&eal, PortConfig::new(role, devargs)).expect("attaches")
    };
    let mut ports = [attach(0, "server"), attach(1, "client")];
    // The two shake hands on a thread of DPDK's own; how long that takes is not judged here.
    while !ports.iter().all(Port::link_up) {
        std::thread::yield_now();
    }
    let queues = ports.iter_mut().flat_map(Port::take_queues).collect();
    let mut io = WorkerIo::new(queues, ports[0].pool().clone()).expect("memory for fragments");
    assert_eq!(io.ports(), 2);

    for (from, to) in [(PortId(0), PortId(1)), (PortId(1), PortId(0))] {
        let mut burst = Burst::<Mbuf>::new();
        for length in 60..100_usize {
            let mut packet = io.alloc().expect("a buffer");
            packet.set_len(length).expect("tail room");
            packet.data_mut().fill(length as u8);
            burst.push(packet);
        }
        // A server can only send once its client has polled and so lent it buffers.
        let mut arrived = Burst::<Mbuf>::new();
        while arrived.len() < 40 {
            io.tx(from, &mut burst);
            io.rx(to, &mut arrived);
        }
        assert!(burst.is_empty());
        for (packet, length) in arrived.iter().zip(60_usize..) {
            assert_eq!(packet.data(), vec![length as u8; length]);
        }
        io.free(&mut arrived);
    }
    drop(io);
    // Both ends of one connection go down together, which is where the driver is weakest.
    let leaks = eal
        .shutdown(ports.into(), Vec::new())
        .expect("nothing is held");
    assert_eq!(leaks.pools.len(), 2);
    assert_eq!(leaks.mbufs_in_use(), 0, "{leaks:?}");
    assert!(!socket.exists(), "the socket went with its port");
}
