//! Servers played by the test, on a clock of its own.

use super::*;
use crate::aaa::codec::tests::{answer_to, nas, question};
use crate::aaa::codec::{access_request, Nas, Question};
use radius::core::code::Code;

struct Asked(Question, Nas);

impl Work for Asked {
    fn write(&self, identifier: u8, secret: &Secret) -> Option<Vec<u8>> {
        access_request(&self.0, &self.1, identifier, secret)
    }

    const COUNTED: AaaCounter = AaaCounter::Asked;
}

fn asked() -> Asked {
    Asked(question(), nas())
}

fn secret(server: usize) -> Secret {
    Secret::new(format!("secret {server}"))
}

const TIMING: Timing = Timing {
    timeout: Duration::from_secs(1),
    transmissions: 3,
    dead_time: Duration::from_secs(30),
};

fn client(servers: usize) -> (Client<Asked>, AaaCounters) {
    let counters = AaaCounters::default();
    let client = Client::new((0..servers).map(secret), TIMING, 1, counters.clone());
    (client, counters)
}

/// What was sent: to which server, from which lane.
fn sent(client: &mut Client<Asked>) -> Vec<(usize, u16, Arc<[u8]>)> {
    let acts = client.acts().into_iter();
    acts.filter_map(|act| match act {
        Act::Send {
            server,
            lane,
            datagram,
        } => Some((server, lane, datagram)),
        _ => None,
    })
    .collect()
}

/// Lets time pass until nothing is open; returns the servers that were sent to, and how many
/// requests were given up.
fn starve(client: &mut Client<Asked>, now: &mut Duration) -> (Vec<usize>, usize) {
    let (mut to, mut given_up) = (Vec::new(), 0);
    loop {
        for act in client.acts() {
            match act {
                Act::Send { server, .. } => to.push(server),
                Act::GivenUp(_) => given_up += 1,
                _ => {}
            }
        }
        let Some(due) = client.next() else {
            return (to, given_up);
        };
        *now = due;
        client.expire(due);
    }
}

#[test]
fn a_request_is_sent_again_and_goes_on_to_the_next_server() {
    let (mut client, counters) = client(2);
    let mut now = Duration::ZERO;
    assert!(client.begin(now, asked()).is_ok());
    let (to, given_up) = starve(&mut client, &mut now);
    assert_eq!((to, given_up), (vec![0, 0, 0, 1, 1, 1], 1));
    // One, two and four seconds each, give or take a tenth.
    assert!((12..=16).contains(&now.as_secs()), "{now:?}");
    assert_eq!(counters.get(AaaCounter::Retransmitted), 4);
    assert_eq!(counters.get(AaaCounter::FailedOver), 1);
    assert_eq!(counters.get(AaaCounter::ServersLost), 2);
    // All are dead: there is nobody to wait for.
    assert!(client.begin(now, asked()).is_ok());
    assert!(matches!(client.acts().as_slice(), [Act::GivenUp(_)]));
    // After the dead time one request tries the first again, and one alone.
    now += TIMING.dead_time;
    for _ in 0..2 {
        assert!(client.begin(now, asked()).is_ok());
    }
    let to: Vec<usize> = sent(&mut client).iter().map(|it| it.0).collect();
    assert_eq!(to, [0, 1]);
}

#[test]
fn an_answer_ends_the_request_and_brings_a_server_back() {
    let (mut client, counters) = client(1);
    let mut now = Duration::ZERO;
    assert!(client.begin(now, asked()).is_ok());
    starve(&mut client, &mut now);
    assert!(client.servers().all(|server| server.dead));
    now += TIMING.dead_time;
    assert!(client.begin(now, asked()).is_ok());
    let (server, lane, datagram) = sent(&mut client).remove(0);
    // A forged answer leaves the question open.
    let forged = answer_to(&datagram, Code::AccessAccept, &Secret::new("x"), |_| {});
    assert!(client.received(now, server, lane, &forged).is_none());
    assert_eq!(counters.get(AaaCounter::AnswerMissigned), 1);
    let answer = answer_to(&datagram, Code::AccessReject, &secret(0), |_| {});
    let taken = client.received(now, server, lane, &answer);
    assert!(matches!(taken, Some((_, Answer::Reject))));
    assert!(matches!(client.acts().as_slice(), [Act::Back(0)]));
    assert!(client.servers().all(|server| !server.dead));
    assert_eq!(client.open(), (0, 0));
    // The same again, as the network may deliver it.
    assert!(client.received(now, server, lane, &answer).is_none());
    assert_eq!(counters.get(AaaCounter::AnswerUnexpected), 1);
}

#[test]
fn a_server_that_answers_others_is_not_dead() {
    let (mut client, counters) = client(1);
    let mut now = Duration::ZERO;
    assert!(client.begin(now, asked()).is_ok());
    assert!(client.begin(now, asked()).is_ok());
    let (server, lane, datagram) = sent(&mut client).remove(0);
    now += Duration::from_millis(3);
    let answer = answer_to(&datagram, Code::AccessReject, &secret(0), |_| {});
    assert!(client.received(now, server, lane, &answer).is_some());
    let (_, given_up) = starve(&mut client, &mut now);
    assert_eq!(given_up, 1);
    assert_eq!(counters.get(AaaCounter::ServersLost), 0);
}

#[test]
fn more_requests_than_a_port_has_identifiers_take_more_ports_and_then_wait() {
    let (mut client, _) = client(1);
    let room = usize::from(LANES * IDENTIFIERS);
    for _ in 0..room + 100 {
        assert!(client.begin(Duration::ZERO, asked()).is_ok());
    }
    let sent = sent(&mut client);
    assert_eq!(sent.len(), room);
    assert_eq!(client.open(), (room, 100));
    let mut used: Vec<_> = sent.iter().map(|(_, lane, it)| (*lane, it[1])).collect();
    used.sort_unstable();
    used.dedup();
    assert_eq!(used.len(), room, "an identifier is used twice");
    // An answer makes room for one that waits.
    let (server, lane, datagram) = &sent[5];
    let answer = answer_to(datagram, Code::AccessReject, &secret(0), |_| {});
    assert!(client
        .received(Duration::ZERO, *server, *lane, &answer)
        .is_some());
    assert_eq!(client.open(), (room, 99));
    for _ in 0..WAITING - 99 {
        assert!(client.begin(Duration::ZERO, asked()).is_ok());
    }
    assert!(client.begin(Duration::ZERO, asked()).is_err());
}
