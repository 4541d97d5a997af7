//! What comes into being here: what control wants sent, and packets that waited for a neighbour.

use super::{Lane, Path};
use crate::classify::{Family, Meta};
use crate::hold::Held;
use crate::key::NextHop;
use crate::rings::Inject;
use crate::verdict::{Born, Drop, Forward, Verdict};
use crate::watch::Came;
use crate::worker::{Meter, View};
use packet::{Buf, RxTx, MAX_BURST};

/// What control may have sent in one pass.
const INJECTED: usize = MAX_BURST;

impl<T: RxTx, M: Meter> Path<T, M> {
    /// Sends what control wants sent.
    pub(super) fn inject(&mut self, waiting: usize, view: &View<'_>, io: &mut T) -> usize {
        // Mostly so, and a lane is large.
        if waiting == 0 {
            return 0;
        }
        let mut lane = Lane::new();
        let mut count = 0;
        while count < waiting.min(INJECTED) {
            let Some(slot) = self.rings.pop() else {
                break;
            };
            count += 1;
            view.reader.count_born(Born::Injected);
            if view.watch.is_on() {
                self.inject_watched(slot.view(), &mut lane, view, io);
            } else {
                self.inject_one(slot.view(), &mut lane, view, io);
            }
            self.rings.give_back(slot);
        }
        self.run(lane, view, io);
        count
    }

    pub(super) fn inject_one(
        &mut self,
        what: Inject<'_>,
        lane: &mut Lane<T::Buf>,
        view: &View<'_>,
        io: &mut T,
    ) {
        let (Inject::Frame { data, .. } | Inject::Packet { data, .. }) = what;
        let Some(mut buf) = io.alloc() else {
            let verdict = Verdict::Drop(Drop::NoBuffer);
            view.watch.ends(verdict);
            return view.reader.count(verdict);
        };
        if buf.set_len(data.len()).is_err() {
            return self.drop(buf, Drop::NoBuffer, view, io);
        }
        for (to, from) in buf.data_mut().iter_mut().zip(data) {
            *to = *from;
        }
        match what {
            Inject::Frame { interface, .. } => self.send_frame(buf, interface, view, io),
            Inject::Packet { domain, .. } => {
                let success = Verdict::Forward(Forward::Injected);
                let family = Family::of(data);
                lane.push((buf, Meta::here(domain, family, success)));
            }
        }
    }

    /// Lets those held packets go on whose neighbour is no longer the one to wait for.
    pub(super) fn retry(&mut self, view: &View<'_>, io: &mut T) -> usize {
        let mut lane = Lane::new();
        let waits = |held: &Held<T::Buf>| {
            let address = match view.fib.route(held.meta.domain, held.destination) {
                Some(NextHop::OnLink(interface)) if interface == held.wanted.interface => {
                    held.destination
                }
                Some(NextHop::Unresolved { interface, router })
                    if interface == held.wanted.interface =>
                {
                    router
                }
                _ => return false,
            };
            address == held.wanted.address
        };
        // There are no more places to hold packets than places in a lane.
        while let Some(held) = self.hold.take(|held| !waits(held)) {
            view.reader.count_born(Born::Released);
            lane.push((held.buf, held.meta));
        }
        let count = lane.len();
        if view.watch.is_on() {
            self.release_watched(Born::Released, lane, view, io);
        } else {
            self.run(lane, view, io);
        }
        count
    }

    /// Tells the senders of those held packets that have waited long enough.
    pub(super) fn give_up(&mut self, view: &View<'_>, io: &mut T) -> usize {
        let mut count = 0;
        while let Some(held) = self.hold.take_due(view.now) {
            view.reader.count_born(Born::Released);
            let came = Came::Born(Born::Released);
            if view.watch.is_on() {
                // What the packets before became is not this one's.
                let lane = std::mem::take(&mut self.again);
                self.run(lane, view, io);
            }
            let watched = view.watch.is_on() && self.watch(came, held.buf.data(), view, io);
            self.fail(held, view, io);
            if watched {
                let lane = std::mem::take(&mut self.again);
                self.run(lane, view, io);
                self.unwatch(view, io);
            }
            count += 1;
        }
        let lane = std::mem::take(&mut self.again);
        self.run(lane, view, io);
        count
    }
}
