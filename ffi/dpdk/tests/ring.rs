//! A port that gives back what was sent to it.

use dpdk::{Eal, EalConfig, Mbuf, Pool, PoolConfig, Port, PortConfig, WorkerIo};
use packet::{Buf, Burst, PortId, RxTx};

#[test]
fn what_a_ring_takes_it_gives_in_order() {
    let eal = Eal::init(EalConfig {
        name: "test-ring".to_owned(),
        memory_mb: 64,
        ..EalConfig::default()
    })
    .expect("the environment starts");
    let mut port = Port::attach(&eal, PortConfig::new("loop", "net_ring0")).expect("attaches");
    assert_eq!(port.driver(), "net_ring");
    let pool = Pool::new(
        &eal,
        PoolConfig {
            mbufs: 2047,
            ..PoolConfig::default()
        },
    )
    .expect("the memory holds it");
    let pair = port.take_queues().pop().expect("one pair");
    let mut io = WorkerIo::new(vec![pair], pool.clone()).expect("memory for fragments");

    let mut burst = Burst::<Mbuf>::new();
    for length in 1..=63_usize {
        let mut packet = io.alloc().expect("a buffer");
        packet.set_len(length).expect("tail room");
        packet.data_mut().fill(length as u8);
        burst.push(packet);
    }
    assert_eq!(io.tx(PortId(0), &mut burst), 63);
    assert_eq!(io.rx(PortId(0), &mut burst), 63);
    for (packet, length) in burst.iter().zip(1_usize..) {
        assert_eq!(packet.data(), vec![length as u8; length]);
        assert_eq!(packet.stripped_vlan(), None);
    }
    assert_eq!(pool.in_use(), 63);

    // A ring that is full takes a part, and leaves the others in order at the front.
    let mut sent = 0_u32;
    let left = loop {
        io.free(&mut burst);
        for turn in 0..60_u32 {
            let mut packet = io.alloc().expect("a buffer");
            packet.set_len(4).expect("tail room");
            packet
                .data_mut()
                .copy_from_slice(&(sent + turn).to_be_bytes());
            burst.push(packet);
        }
        let went = io.tx(PortId(0), &mut burst);
        sent += went as u32;
        if went < 60 {
            break 60 - went;
        }
    };
    assert_eq!(burst.len(), left);
    let first = burst.first().expect("some are left").data();
    assert_eq!(first, sent.to_be_bytes(), "the next in line is in front");
    io.free(&mut burst);
    assert_eq!(pool.in_use(), sent);

    // While a queue is about, the port does not close; what lies in the ring comes back when it
    // does.
    let held = port.close().err().expect("a queue is held");
    assert!(held.to_string().contains("port loop"), "{held}");
    drop(io);
    assert_eq!(pool.in_use(), 0, "the ring was emptied");
    let leaks = eal
        .shutdown(Vec::new(), vec![pool])
        .expect("nothing is held");
    assert_eq!(leaks.mbufs_in_use(), 0);
}
