use super::*;
use rustix::event::{poll, PollFd, PollFlags};

fn readable(rings: &ControlRings) -> bool {
    let mut fds = [PollFd::new(rings, PollFlags::IN)];
    let now = rustix::event::Timespec::default();
    poll(&mut fds, Some(&now)).expect("poll") == 1
}

fn pair(depth: usize) -> (ControlRings, WorkerRings) {
    let (control, mut workers) = channel_with(1, depth).expect("rings");
    (control, workers.remove(0))
}

#[test]
fn a_punted_frame_arrives_whole_and_its_slot_returns() {
    let (mut control, mut worker) = pair(2);
    for round in 0..5u8 {
        worker
            .punt(Punt::Mobility, InterfaceId(3), &[&[round, 1], &[2, 3]])
            .expect("a free slot");
        worker
            .want(InterfaceId(4), IpAddr::V4([1, 2, 3, 4].into()))
            .expect("room");
        let mut seen = Vec::new();
        let count = control.poll(|index, message| {
            assert_eq!(index, 0);
            seen.push(match message {
                Message::Punted(punted) => {
                    assert_eq!(punted.reason, Punt::Mobility);
                    (punted.interface, punted.frame.to_vec())
                }
                Message::NeighbourWanted { interface, .. } => (*interface, Vec::new()),
            });
        });
        assert_eq!(count, 2);
        assert_eq!(seen[0], (InterfaceId(3), vec![round, 1, 2, 3]));
        assert_eq!(seen[1], (InterfaceId(4), vec![]));
    }
}

#[test]
fn a_full_ring_refuses_and_loses_no_slot() {
    let (mut control, mut worker) = pair(2);
    for _ in 0..3 {
        assert!(worker.punt(Punt::Mobility, InterfaceId(0), &[&[1]]).is_ok());
        assert!(worker
            .want(InterfaceId(0), IpAddr::V4([0; 4].into()))
            .is_ok());
        let full = worker.punt(Punt::Mobility, InterfaceId(0), &[&[2]]);
        assert_eq!(full, Err(RingError::Full));
        assert_eq!(control.poll(|_, _| ()), 2);
    }
}

#[test]
fn a_long_frame_is_cut_on_the_way_up_and_refused_on_the_way_down() {
    let (mut control, mut worker) = pair(1);
    let long = [7; FRAME_OCTETS + 9];
    worker
        .punt(Punt::UnknownHost, InterfaceId(0), &[&[1; 12], &long])
        .expect("a free slot");
    control.poll(|_, message| {
        if let Message::Punted(punted) = message {
            assert_eq!(punted.frame.len(), FRAME_OCTETS);
        }
    });
    let packet = Inject::Packet {
        domain: Domain(0),
        data: &long,
    };
    assert_eq!(control.inject(0, packet), Err(RingError::TooLong));
    assert_eq!(control.inject(1, packet), Err(RingError::NoWorker));
}

#[test]
fn injected_packets_arrive_in_order_until_the_ring_is_full() {
    let (mut control, mut worker) = pair(2);
    let inject = |control: &mut ControlRings, octet: u8| {
        let what = Inject::Frame {
            interface: InterfaceId(1),
            data: &[octet],
        };
        control.inject(0, what)
    };
    assert_eq!(inject(&mut control, 1), Ok(()));
    assert_eq!(inject(&mut control, 2), Ok(()));
    assert_eq!(inject(&mut control, 3), Err(RingError::Full));
    for octet in [1, 2] {
        let slot = worker.pop().expect("injected");
        match slot.view() {
            Inject::Frame { interface, data } => {
                assert_eq!((interface, data), (InterfaceId(1), &[octet][..]));
            }
            Inject::Packet { .. } => panic!("a frame was injected"),
        }
        worker.give_back(slot);
    }
    assert!(worker.pop().is_none());
    assert_eq!(inject(&mut control, 4), Ok(()));
}

#[test]
fn only_a_sleeping_control_is_woken_and_only_once() {
    let (mut control, mut worker) = pair(8);
    let punt = |worker: &mut WorkerRings| {
        let _ = worker.punt(Punt::Mobility, InterfaceId(0), &[&[1]]);
        worker.flush();
    };
    punt(&mut worker);
    assert!(!readable(&control), "control was awake");
    assert!(!control.prepare_sleep(), "a message waits");
    control.poll(|_, _| ());
    assert!(control.prepare_sleep());
    worker.flush();
    assert!(!readable(&control), "nothing was pushed");
    punt(&mut worker);
    assert!(readable(&control));
    control.awake();
    assert!(!readable(&control));
    punt(&mut worker);
    assert!(!readable(&control));
}

#[test]
fn no_wake_is_lost_between_two_threads() {
    const ROUNDS: usize = 2000;
    let (mut control, mut worker) = pair(4);
    let sender = std::thread::spawn(move || {
        let mut sent = 0;
        while sent < ROUNDS {
            if worker.punt(Punt::Mobility, InterfaceId(0), &[&[1]]).is_ok() {
                sent += 1;
            }
            worker.flush();
        }
    });
    let mut seen = 0;
    while seen < ROUNDS {
        seen += control.poll(|_, _| ());
        if seen < ROUNDS && control.prepare_sleep() {
            let mut fds = [PollFd::new(&control, PollFlags::IN)];
            let patience = rustix::event::Timespec {
                tv_sec: 20,
                tv_nsec: 0,
            };
            let woken = poll(&mut fds, Some(&patience)).expect("poll");
            assert_eq!(woken, 1, "a message came without a wake");
            control.awake();
        }
    }
    sender.join().expect("sender");
}
