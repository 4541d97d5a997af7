//! A real environment with a port that makes packets of nothing.

use dpdk::{
    cycles, hz, Eal, EalConfig, Error, Hugepages, Mbuf, Pool, Port, PortConfig, WorkerIo, HEADROOM,
};
use packet::memory::{self, HEAD_ROOM};
use packet::{Buf, Burst, NoRoom, PortId, RxTx};

/// The processors that the calling thread may run on, as the kernel prints them.
fn allowed() -> String {
    let status = std::fs::read_to_string("/proc/thread-self/status").expect("procfs");
    let line = status
        .lines()
        .find(|line| line.starts_with("Cpus_allowed_list"));
    line.expect("a line for the affinity").to_owned()
}

/// All threads of the process, each with the processors that it may run on.
fn threads() -> Vec<(String, String)> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("procfs");
    let read = |task: std::io::Result<std::fs::DirEntry>| {
        let task = task.ok()?;
        let status = std::fs::read_to_string(task.path().join("status")).ok()?;
        let line = status
            .lines()
            .find(|line| line.starts_with("Cpus_allowed_list"))?;
        Some((
            task.file_name().to_string_lossy().into_owned(),
            line.to_owned(),
        ))
    };
    tasks.filter_map(read).collect()
}

#[test]
fn packets_are_made_moved_and_all_given_back() {
    let before = allowed();
    let earlier = threads();
    let eal = Eal::init(EalConfig {
        name: "test-null".to_owned(),
        housekeeping: vec![0],
        memory_mb: 64,
        hugepages: Hugepages::Auto,
        ..EalConfig::default()
    })
    .expect("the environment starts without hugepages");

    assert_eq!(allowed(), before, "the caller keeps its affinity");
    let child = std::thread::spawn(allowed).join().expect("thread");
    assert_eq!(child, before, "so do the threads it starts");
    for (thread, cores) in threads()
        .into_iter()
        .filter(|thread| !earlier.contains(thread))
    {
        assert_eq!(
            cores, "Cpus_allowed_list:\t0",
            "thread {thread} of DPDK's own"
        );
    }
    assert!(!std::path::Path::new("/var/run/dpdk/test-null").exists());
    assert!(matches!(
        Eal::init(EalConfig::default()),
        Err(Error::AlreadyStarted)
    ));
    assert!(hz() > 0 && cycles() > 0);

    let mut config = PortConfig::new("core", "net_null0,size=100");
    config.queues = 2;
    config.mtu = Some(9000);
    config.mbufs = Some(2047);
    let mut port = Port::attach(&eal, config).expect("net_null attaches");
    assert_eq!(
        (port.name(), port.driver(), port.queues()),
        ("core", "net_null", 2)
    );
    for note in port.notes() {
        println!("note: {note}");
    }
    let pool = port.pool().clone();
    assert_eq!(pool.in_use(), 0);

    mbuf_arithmetic(pool.alloc().expect("a buffer"));
    mbuf_is_like_plain_memory(&pool);
    assert_eq!(pool.in_use(), 0);

    let queues = port.take_queues();
    assert_eq!(queues.len(), 2);
    assert!(port.take_queues().is_empty());
    let core = eal.cores().last().copied();
    let workers: Vec<_> = queues
        .into_iter()
        .enumerate()
        .map(|(index, pair)| {
            let mut io = WorkerIo::new(vec![pair], pool.clone()).expect("memory for fragments");
            eal.spawn_worker(&format!("worker-{index}"), core, move || {
                (work(&mut io), allowed())
            })
            .expect("worker starts")
        })
        .collect();
    let pinned = format!("Cpus_allowed_list:\t{}", core.expect("a core"));
    for worker in workers {
        assert_eq!(worker.join().expect("no panic"), (640, pinned.clone()));
    }
    assert_eq!(port.stats().tx_packets, 2 * 640);

    let outside = eal
        .spawn_worker("lost", Some(9999), || ())
        .err()
        .expect("no such core");
    assert!(outside.to_string().contains("9999"), "{outside}");
    let panic = eal
        .spawn_worker("bad", None, || panic!("on purpose"))
        .expect("starts")
        .join();
    assert!(panic
        .expect_err("panicked")
        .to_string()
        .contains("on purpose"));

    let leaks = eal
        .shutdown(vec![port], vec![pool])
        .expect("nothing is held");
    assert_eq!(leaks.pools.len(), 1, "the port's pool, once");
    assert_eq!(leaks.mbufs_in_use(), 0);
    assert!(!std::path::Path::new("/var/run/dpdk/test-null").exists());
    assert_eq!(allowed(), before);
}

/// Receives ten full bursts and sends them, half of each in a second go after a refusal.
fn work(io: &mut WorkerIo) -> usize {
    assert_eq!(io.ports(), 1);
    let mut burst = Burst::<Mbuf>::new();
    let mut sent = 0;
    for _ in 0..10 {
        assert_eq!(io.rx(PortId(0), &mut burst), 64);
        assert_eq!(io.rx(PortId(0), &mut burst), 0, "no room");
        assert_eq!(io.tx(PortId(7), &mut burst), 0, "no such port");
        assert!(burst.iter().all(|packet| packet.data().len() == 100));
        sent += io.tx(PortId(0), &mut burst);
        assert!(burst.is_empty());
    }
    io.rx(PortId(0), &mut burst);
    io.free(&mut burst);
    assert!(burst.is_empty());
    assert_eq!(io.rx(PortId(1), &mut burst), 0, "no such port");
    sent
}

/// What the contract says of head room, tail room and length.
fn mbuf_arithmetic(mut mbuf: Mbuf) {
    assert_eq!(mbuf.data().len(), 0);
    assert_eq!(mbuf.headroom(), HEADROOM);
    assert!(mbuf.is_contiguous());
    assert_eq!(mbuf.stripped_vlan(), None);
    mbuf.set_len(4).expect("tail room");
    mbuf.data_mut().copy_from_slice(b"tail");
    mbuf.prepend(40).expect("head room");
    assert_eq!((mbuf.data().len(), mbuf.packet_len()), (44, 44));
    assert_eq!(&mbuf.data()[40..], b"tail");
    mbuf.prefetch();
    assert_eq!(mbuf.prepend(HEADROOM - 40 + 1), Err(NoRoom));
    mbuf.prepend(HEADROOM - 40).expect("to the last octet");
    assert_eq!(mbuf.headroom(), 0);
    mbuf.trim_front(HEADROOM).expect("as much as was added");
    assert_eq!(mbuf.data(), b"tail");
    assert_eq!(mbuf.trim_front(5), Err(NoRoom));
    mbuf.trim_front(1).expect("one octet");
    mbuf.set_len(2).expect("shorter");
    assert_eq!((mbuf.data(), mbuf.packet_len()), (&b"ai"[..], 2));
    mbuf.set_len(9000)
        .expect("a jumbo frame fits, for the port's MTU says so");
    assert_eq!(mbuf.set_len(65000), Err(NoRoom));
    assert_eq!(mbuf.data().len(), 9000, "a refusal changes nothing");
}

/// The same random steps on an mbuf and on a buffer in plain memory: same answers, same octets.
fn mbuf_is_like_plain_memory(pool: &Pool) {
    assert_eq!(HEADROOM, HEAD_ROOM);
    let whole = {
        let mut probe = pool.alloc().expect("a buffer");
        probe.set_len(9000).expect("tail room");
        (9000..)
            .find(|length| probe.set_len(*length).is_err())
            .expect("an end")
            - 1
            + HEADROOM
    };
    let plain = memory::Pool::new(1, whole);
    let mut state = 1_u64;
    let mut random = move |below: usize| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for _ in 0..200 {
        let mut mbuf = pool.alloc().expect("a buffer");
        let mut buffer = plain.alloc().expect("a buffer");
        for step in 0..40_u8 {
            let below = [8, 60, 300, whole + 9][random(4)];
            let octets = random(below);
            let outcomes = match random(3) {
                0 => (mbuf.prepend(octets), buffer.prepend(octets)),
                1 => (mbuf.trim_front(octets), buffer.trim_front(octets)),
                _ => {
                    let before = mbuf.data().len();
                    let outcomes = (mbuf.set_len(octets), buffer.set_len(octets));
                    // Octets that were added hold anything: give them a value.
                    for data in [mbuf.data_mut(), buffer.data_mut()] {
                        if let Some(added) = data.get_mut(before..) {
                            added.fill(step);
                        }
                    }
                    outcomes
                }
            };
            assert_eq!(outcomes.0, outcomes.1);
            for data in [mbuf.data_mut(), buffer.data_mut()] {
                if let Some(first) = data.first_mut() {
                    *first = step;
                }
            }
            assert_eq!(mbuf.data().len(), buffer.data().len());
            assert_eq!(mbuf.data().len(), mbuf.packet_len() as usize);
            assert_eq!(mbuf.data().first(), buffer.data().first());
            assert_eq!(mbuf.data().last(), buffer.data().last());
        }
    }
}
