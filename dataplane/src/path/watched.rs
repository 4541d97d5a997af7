//! Packets that somebody watches: each goes alone, and what the stages find is noted down.
//!
//! Nothing here decides anything. What is noted are the arrays that the stages of a round have filled;
//! only what follows from them is worked out a second time, from the same lookups.

use super::decide::{decide, Looked, Step};
use super::work::Work;
use super::{Lane, Path};
use crate::classify::packet::Plan;
use crate::classify::Origin;
use crate::counters::Direction;
use crate::rings::Inject;
use crate::table::Found;
use crate::verdict::Born;
use crate::watch::{Came, Decision, Note};
use crate::worker::{Meter, View};
use packet::{Buf, Burst, PortId, RxTx};

impl<T: RxTx, M: Meter> Path<T, M> {
    /// Takes a packet in hand, if it is wanted and there is a record for it. All packets before it have
    /// gone when this returns true.
    pub(super) fn watch(&mut self, came: Came, data: &[u8], view: &View<'_>, io: &mut T) -> bool {
        if !view.watch.wants(came, data) {
            return false;
        }
        self.output.flush(view, io);
        view.watch.begin(came, data, view.now)
    }

    /// Sends what became of the packet in hand and lets go of it.
    pub(super) fn unwatch(&mut self, view: &View<'_>, io: &mut T) {
        self.output.flush(view, io);
        view.watch.finish();
    }

    /// A burst of which some packets may be wanted. All go in the order in which they came.
    #[cold]
    pub(super) fn receive_watched(
        &mut self,
        burst: Burst<T::Buf>,
        port: PortId,
        view: &View<'_>,
        io: &mut T,
    ) {
        let came = Came::Received(port);
        let mut lane = Lane::new();
        for buf in burst {
            if !view.watch.wants(came, buf.data()) {
                self.enter(buf, port, &mut lane, view, io);
                continue;
            }
            self.run(std::mem::take(&mut lane), view, io);
            let watched = self.watch(came, buf.data(), view, io);
            self.enter(buf, port, &mut lane, view, io);
            if watched {
                self.run(std::mem::take(&mut lane), view, io);
                self.unwatch(view, io);
            }
        }
        self.run(lane, view, io);
    }

    /// Something of control's that may be wanted; if it is not, it joins the lane.
    #[cold]
    pub(super) fn inject_watched(
        &mut self,
        what: Inject<'_>,
        lane: &mut Lane<T::Buf>,
        view: &View<'_>,
        io: &mut T,
    ) {
        let (Inject::Frame { data, .. } | Inject::Packet { data, .. }) = what;
        let came = Came::Born(Born::Injected);
        if view.watch.wants(came, data) {
            self.run(std::mem::take(lane), view, io);
            if self.watch(came, data, view, io) {
                self.inject_one(what, lane, view, io);
                self.run(std::mem::take(lane), view, io);
                return self.unwatch(view, io);
            }
        }
        self.inject_one(what, lane, view, io);
    }

    /// Held packets that go on, and those that were put together.
    #[cold]
    pub(super) fn release_watched(
        &mut self,
        born: Born,
        lane: Lane<T::Buf>,
        view: &View<'_>,
        io: &mut T,
    ) {
        for (buf, meta) in lane {
            let watched = self.watch(Came::Born(born), buf.data(), view, io);
            let mut alone = Lane::new();
            alone.push((buf, meta));
            self.run(alone, view, io);
            if watched {
                self.unwatch(view, io);
            }
        }
    }

    /// Notes down what the stages of a round found for the packet in hand, which is alone in its lane.
    #[cold]
    pub(super) fn note(
        &self,
        lane: &Lane<T::Buf>,
        works: &[Work],
        found: &[Option<Found>],
        view: &View<'_>,
    ) {
        if !view.watch.notes() {
            return;
        }
        let (Some((_, meta)), Some(work)) = (lane.first(), works.first()) else {
            return;
        };
        let note = |note| view.watch.note(note);
        match meta.origin {
            Origin::Link => note(Note::Link {
                interface: meta.interface,
                group: meta.group,
            }),
            Origin::Tunnel(tunnel) => note(Note::Untunnelled(tunnel)),
            Origin::Here => note(Note::Again),
        }
        let fields = &work.fields;
        if fields.length > 0 {
            note(Note::Header {
                source: meta.family.address(fields.source),
                destination: meta.family.address(fields.destination),
                protocol: fields.next_header,
                hop_limit: fields.hop_limit,
                length: fields.length,
            });
        }
        note(match work.plan {
            Plan::Lookup { .. } | Plan::Tunnelled(_) => Note::Lookup,
            Plan::Own { .. } => Note::OnLink,
            Plan::Multicast => Note::Group,
            Plan::Fragment => Note::Fragment,
            Plan::Back => Note::Back,
            Plan::Drop(reason) => Note::Refused(reason),
        });
        let at = |place: Option<u8>| *found.get(usize::from(place?))?;
        let looked = Looked {
            source: at(work.source),
            destination: at(work.destination),
        };
        if work.source.is_some() {
            note(Note::binding(Direction::Up, looked.source));
        }
        if work.destination.is_some() {
            note(Note::binding(Direction::Down, looked.destination));
        }
        if let Plan::Lookup { .. } | Plan::Tunnelled(_) = work.plan {
            let step = decide(meta, fields, looked, &self.known, view);
            note(Note::Decided(decision(&step)));
        }
    }
}

fn decision(step: &Step) -> Decision {
    match *step {
        Step::Tunnel(tunnel, _) => Decision::Tunnel(tunnel),
        Step::Neighbour(adjacency, _) => Decision::Neighbour(adjacency),
        Step::Own => Decision::Own,
        Step::Punt(reason) => Decision::Punt(reason),
        Step::Hold(wanted) => Decision::Hold {
            interface: wanted.interface,
            address: wanted.address,
        },
        Step::Tell(problem) => Decision::Tell(problem.reply),
        Step::Drop(reason) => Decision::Drop(reason),
    }
}
