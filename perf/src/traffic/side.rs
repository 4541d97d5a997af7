//! One port of the generator: it may send, may receive, and always answers for the stations it plays.

use super::neighbour::{self, Heard};
use super::receiver::Receiver;
use super::sender::Sender;
use packet::{Buf, Burst, PortId, RxTx};
use std::net::Ipv6Addr;
use wire::ether::MacAddr;

/// Who takes frames that come to a port.
pub trait Take {
    /// Takes a frame that came at `now` to the station `own`; false when it is for somebody else.
    fn take(&mut self, frame: &[u8], own: MacAddr, now: u64) -> bool;
}

impl Take for Receiver {
    #[inline]
    fn take(&mut self, frame: &[u8], own: MacAddr, now: u64) -> bool {
        Receiver::take(self, frame, own, now)
    }
}

/// Nobody, or one.
impl<T: Take> Take for Option<T> {
    #[inline]
    fn take(&mut self, frame: &[u8], own: MacAddr, now: u64) -> bool {
        self.as_mut().is_some_and(|it| it.take(frame, own, now))
    }
}

/// Nobody.
impl Take for () {
    fn take(&mut self, _: &[u8], _: MacAddr, _: u64) -> bool {
        false
    }
}

/// The second has what the first does not take.
impl<A: Take, B: Take> Take for (A, B) {
    #[inline]
    fn take(&mut self, frame: &[u8], own: MacAddr, now: u64) -> bool {
        self.0.take(frame, own, now) || self.1.take(frame, own, now)
    }
}

impl<T: Take> Take for &mut T {
    #[inline]
    fn take(&mut self, frame: &[u8], own: MacAddr, now: u64) -> bool {
        (**self).take(frame, own, now)
    }
}

/// A port and what happens on it.
pub struct Side<L: RxTx> {
    link: L,
    port: PortId,
    own: MacAddr,
    /// Who is asked for, and what is known of it.
    sought: Option<(Ipv6Addr, Option<MacAddr>)>,
    came: Burst<L::Buf>,
    answers: Burst<L::Buf>,
}

impl<L: RxTx> Side<L> {
    /// The station `own` at `port` of `link`.
    pub fn new(link: L, port: PortId, own: MacAddr) -> Self {
        Self {
            link,
            port,
            own,
            sought: None,
            came: Burst::new(),
            answers: Burst::new(),
        }
    }

    /// Its own link-layer address.
    pub fn own(&self) -> MacAddr {
        self.own
    }

    /// Asks for the link-layer address of `target` in the name of `source`.
    pub fn ask(&mut self, source: Ipv6Addr, target: Ipv6Addr) {
        if self.sought.is_none_or(|(address, _)| address != target) {
            self.sought = Some((target, None));
        }
        if let Some(question) = neighbour::ask(self.own, source, target) {
            self.queue(&question);
        }
    }

    /// The link-layer address that was asked for, once it is known.
    pub fn found(&self) -> Option<MacAddr> {
        self.sought.and_then(|(_, found)| found)
    }

    /// Takes what has come, hands it to `taker`, answers the questions that it leaves. Returns how many
    /// frames came.
    #[inline]
    pub fn receive(&mut self, taker: &mut impl Take, clock: impl Fn() -> u64) -> usize {
        let came = self.link.rx(self.port, &mut self.came);
        if came > 0 {
            let now = clock();
            self.take(taker, now);
        }
        if !self.answers.is_empty() {
            self.link.tx(self.port, &mut self.answers);
        }
        came
    }

    fn take(&mut self, taker: &mut impl Take, now: u64) {
        let mut came = std::mem::take(&mut self.came);
        for packet in &came {
            packet.prefetch();
        }
        for packet in &came {
            let frame = packet.data();
            if !taker.take(frame, self.own, now) {
                self.other(frame);
            }
        }
        self.link.free(&mut came);
    }

    /// A frame that nobody took.
    fn other(&mut self, frame: &[u8]) {
        match neighbour::hear(frame, self.own) {
            Some(Heard::Question(answer)) => self.queue(&answer),
            Some(Heard::Station(address, mac)) => {
                if let Some((_, found)) = self.sought.as_mut().filter(|it| it.0 == address) {
                    *found = Some(mac);
                }
            }
            None => {}
        }
    }

    /// Puts a frame where the next step sends it from. One that finds no room is lost, as on any link:
    /// who asked asks again.
    fn queue(&mut self, frame: &[u8]) {
        let Some(mut packet) = self.link.alloc().filter(|_| !self.answers.is_full()) else {
            return;
        };
        if packet.set_len(frame.len()).is_ok() {
            packet.data_mut().copy_from_slice(frame);
            self.answers.push(packet);
        }
    }

    /// Sends what is due.
    #[inline]
    pub fn send(&mut self, sender: &mut Sender<L::Buf>, now: u64) -> usize {
        sender.step(&mut self.link, self.port, now)
    }

    /// The link itself, for what is sent otherwise.
    pub fn link(&mut self) -> (&mut L, PortId) {
        (&mut self.link, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::super::account::Sums;
    use super::super::pace::Pace;
    use super::super::plan::tests::plan;
    use super::super::template::Templates;
    use super::*;
    use packet::memory::{Pool, Ports};
    use std::sync::Arc;

    const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

    fn side(pool: &Pool) -> Side<Ports> {
        Side::new(Ports::new(1, pool.clone()), PortId(0), OWN)
    }

    #[test]
    fn what_is_sent_and_handed_back_is_accounted_for() {
        let pool = Pool::new(256, 2048);
        let mut side = side(&pool);
        let plan = Arc::new(plan("--hosts 50 --groups 5").expect("a plan"));
        let templates = Templates::new(&plan, OWN, OWN);
        let pace = Pace::new(100, 1_000, Some(1_000.0), 40);
        let mut sender = Sender::new(Arc::clone(&plan), templates, pace, 1_000);
        let mut receiver = Receiver::new(plan, Some(1_000), Some(0)).expect("a receiver");
        let mut frames = Vec::new();
        for now in 100..160 {
            side.send(&mut sender, now);
            frames.extend(side.link().0.take_sent(PortId(0)));
        }
        assert!(sender.is_over());
        assert_eq!((sender.sent().packets, sender.sent().octets), (40, 40 * 74));
        assert_eq!(frames.len(), 40);
        // One is lost, two change places within their group, one comes twice.
        frames.remove(30);
        frames.swap(0, 5);
        frames.push(frames[38].clone());
        for frame in &frames {
            assert!(side.link().0.receive(PortId(0), frame));
        }
        while side.receive(&mut receiver, || 200) > 0 {}
        let received = receiver.received(1_000);
        let sums = Sums {
            unique: 39,
            reordered: 1,
            reordered_by_at_most: 1,
            duplicated: 1,
            stale: 0,
        };
        assert_eq!((received.packets, received.sums), (40, sums));
        assert_eq!(received.verified.expect("verified").total_wrong(), 0);
        // Packet 0 was due at 100, packet 39 at 139; the clock stands at 200.
        let latency = received.latency_us;
        assert_eq!((latency.min, latency.max), (61_000.0, 100_000.0));
        assert_eq!(pool.in_use(), 0);
    }

    #[test]
    fn a_full_port_keeps_packets_waiting_and_their_due_times() {
        let pool = Pool::new(256, 2048);
        let mut side = side(&pool);
        let plan = Arc::new(plan("").expect("a plan"));
        let templates = Templates::new(&plan, OWN, OWN);
        let pace = Pace::new(0, 1_000, Some(1_000.0), 8);
        let mut sender = Sender::new(Arc::clone(&plan), templates, pace, 0);
        side.link().0.set_tx_room(PortId(0), Some(3));
        assert_eq!(side.send(&mut sender, 7), 3);
        assert!(!sender.is_over());
        side.link().0.set_tx_room(PortId(0), None);
        assert_eq!(side.send(&mut sender, 1_000), 5);
        assert!(sender.is_over());
        assert_eq!(sender.sent().port_full, 1);
        let mut receiver = Receiver::new(plan, Some(0), None).expect("a receiver");
        for frame in side.link().0.take_sent(PortId(0)) {
            receiver.take(&frame, OWN, 1_000);
        }
        assert_eq!(receiver.received(1_000).latency_us.min, 993_000.0);
    }

    #[test]
    fn stations_answer_and_find_each_other() {
        let pool = Pool::new(16, 2048);
        let mut side = side(&pool);
        let (us, gateway) = (
            "2001:db8::2".parse().unwrap(),
            "2001:db8::1".parse().unwrap(),
        );
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        side.ask(us, gateway);
        side.receive(&mut (), || 0);
        let asked = side.link().0.take_sent(PortId(0));
        let Some(Heard::Question(answer)) = neighbour::hear(&asked[0], mac) else {
            panic!("not a question");
        };
        let question = neighbour::ask(mac, gateway, us).expect("a question");
        for frame in [answer, question, vec![0; 60]] {
            assert!(side.link().0.receive(PortId(0), &frame));
        }
        assert_eq!(side.found(), None);
        side.receive(&mut (), || 0);
        assert_eq!(side.found(), Some(mac));
        let sent = side.link().0.take_sent(PortId(0));
        assert_eq!(
            neighbour::hear(&sent[0], mac),
            Some(Heard::Station(us, OWN))
        );
    }
}
