use super::super::message::tests::{answer, OWN};
use super::super::revocation::tests::revocation;
use super::*;
use crate::traffic::plan::tests::plan;
use packet::memory::{Pool, Ports};
use wire::mh::Status;

fn storm(line: &str, rounds: u32) -> (Storm, Ports) {
    let course = Course {
        rounds,
        rate: None,
        outstanding: 64,
        retransmit: 100,
        lifetime: 300,
        hz: 1_000,
    };
    let plan = Arc::new(plan(line).expect("a plan"));
    let storm = Storm::new(plan, course, OWN).expect("a storm");
    (storm, Ports::new(1, Pool::new(64, 2048)))
}

fn sent(storm: &mut Storm, link: &mut Ports, now: u64) -> Vec<Vec<u8>> {
    storm.step(link, PortId(0), OWN, now);
    link.take_sent(PortId(0))
}

#[test]
fn every_host_registers_and_then_moves() {
    let (mut storm, mut link) = storm("--hosts 40 --access-gateways 2", 2);
    let mut now = 0;
    while !storm.is_over() {
        for frame in sent(&mut storm, &mut link, now) {
            assert!(storm.take(&answer(&frame, |_| {}), OWN, now + 1));
        }
        now += 1;
        assert!(now < 100, "it does not end");
    }
    let rounds = storm.rounds();
    assert_eq!(rounds.len(), 2);
    assert_eq!((rounds[0].kind, rounds[1].kind), ("register", "move"));
    for round in rounds {
        assert_eq!(
            (round.registered, round.retransmitted, round.abandoned),
            (40, 0, 0)
        );
    }
    assert_eq!(storm.total_answered(), 80);
    assert!(storm.wrong().is_empty());
    assert_eq!(storm.latency().len(), 80);
}

#[test]
fn what_is_lost_is_sent_again_and_at_last_given_up() {
    let (mut storm, mut link) = storm("--hosts 2", 1);
    let first = sent(&mut storm, &mut link, 0);
    assert_eq!(first.len(), 2);
    assert!(sent(&mut storm, &mut link, 99).is_empty());
    let again = sent(&mut storm, &mut link, 100);
    assert_eq!(again.len(), 2);
    // An answer to the first try, late: it counts, and the one to the second is no fault.
    assert!(storm.take(&answer(&first[0], |_| {}), OWN, 101));
    assert!(storm.take(&answer(&again[0], |_| {}), OWN, 102));
    assert_eq!((storm.total_answered(), storm.repeated()), (1, 1));
    let mut tries = 2;
    for now in 103..2_000 {
        tries += sent(&mut storm, &mut link, now).len();
    }
    assert_eq!(tries, usize::from(TRIES));
    assert!(storm.is_over());
    let round = &storm.rounds()[0];
    assert_eq!((round.registered, round.abandoned), (1, 1));
    assert_eq!(round.retransmitted, 1 + u64::from(TRIES - 1));
}

#[test]
fn wrong_answers_are_counted_and_count_for_nothing() {
    let (mut storm, mut link) = storm("--hosts 8 --access-gateways 2", 1);
    let frames = sent(&mut storm, &mut link, 0);
    let take = |storm: &mut Storm, frame: Vec<u8>| storm.take(&frame, OWN, 1);
    take(&mut storm, answer(&frames[0], |it| it.status = Status(130)));
    take(&mut storm, answer(&frames[1], |it| it.sequence = 9));
    take(
        &mut storm,
        answer(&frames[2], |it| {
            it.options.remove(1);
        }),
    );
    take(
        &mut storm,
        answer(&frames[3], |it| it.lifetime = wire::mh::Lifetime::ZERO),
    );
    // The answer for one host on the way of another.
    let mut swapped = answer(&frames[4], |_| {});
    let other = answer(&frames[5], |_| {});
    swapped[54..].copy_from_slice(&other[54..]);
    take(&mut storm, swapped);
    let expected = BTreeMap::from([
        (Wrong::Unreadable(BadAnswer::Malformed), 1),
        (Wrong::Status(130), 1),
        (Wrong::Sequence, 1),
        (Wrong::Prefix, 1),
        (Wrong::Lifetime, 1),
    ]);
    assert_eq!(storm.wrong(), &expected);
    assert_eq!(storm.total_answered(), 0);
    assert!(!storm.take(&[0; 60], OWN, 1), "not for the storm");
}

#[test]
fn an_update_that_came_too_late_is_sent_again_and_no_answer_is_wrong() {
    let (mut storm, mut link) = storm("--hosts 1", 1);
    let first = sent(&mut storm, &mut link, 0);
    let late = answer(&first[0], |it| it.status = Status::TIMESTAMP_MISMATCH);
    assert!(storm.take(&late, OWN, 50));
    assert_eq!((storm.total_answered(), storm.late()), (0, 1));
    let again = sent(&mut storm, &mut link, 100);
    assert_eq!(again.len(), 1);
    let older = |it: &mut wire::mh::BindingAcknowledgement| {
        it.status = Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED;
    };
    assert!(storm.take(&answer(&again[0], |_| {}), OWN, 101));
    assert!(storm.take(&answer(&first[0], older), OWN, 102));
    assert!(storm.wrong().is_empty());
    assert_eq!((storm.total_answered(), storm.repeated()), (1, 1));
}

#[test]
fn no_more_are_outstanding_than_allowed() {
    let (mut storm, mut link) = storm("--hosts 500", 1);
    let mut frames = Vec::new();
    for _ in 0..20 {
        frames.extend(sent(&mut storm, &mut link, 0));
    }
    assert_eq!(frames.len(), 64);
    assert!(storm.take(&answer(&frames[0], |_| {}), OWN, 1));
    assert_eq!(sent(&mut storm, &mut link, 1).len(), 1);
}

#[test]
fn a_revocation_is_acknowledged_and_is_no_wrong_answer() {
    let (mut storm, mut link) = storm("--hosts 2 --access-gateways 2", 1);
    sent(&mut storm, &mut link, 0);
    let (anchor, gateway) = (storm.plan.given().anchor, storm.plan.access_gateway(0));
    assert!(storm.take(&revocation(anchor, gateway, 7), OWN, 1));
    assert!(storm.wrong().is_empty());
    assert_eq!(storm.revocations(), 1);
    let answers = sent(&mut storm, &mut link, 1);
    assert_eq!(answers.len(), 1, "its acknowledgement");
    assert!(sent(&mut storm, &mut link, 2).is_empty(), "once");
}
