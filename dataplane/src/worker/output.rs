//! What goes out: one burst per port, collected until it is full or the pass ends. A packet meets its
//! verdict when the port has taken it, or has not.

use super::View;
use crate::counters::{Direction, PortDirection};
use crate::key::BindingId;
use crate::verdict::{Drop, Verdict};
use arrayvec::ArrayVec;
use packet::{Buf, Burst, PortId, RxTx, MAX_BURST};

/// What is counted when a packet has gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// Binding that it comes from, or [`NOBODY`].
    up: BindingId,
    /// Binding that it goes to, or [`NOBODY`].
    down: BindingId,
    /// Octets of the packet that the bindings count.
    octets: u32,
    /// [`Verdict::index`], which is compared in one go.
    verdict: u8,
}

/// No binding: above every index that a table has, so that counting for it counts nothing.
pub(crate) const NOBODY: BindingId = BindingId(u32::MAX);

impl Sent {
    /// In place of one.
    pub(crate) const NOTHING: Self = Self::plain(Self::OTHERWISE);

    /// A packet that no binding counts.
    pub(crate) const fn plain(verdict: Verdict) -> Self {
        Self::counted(verdict, NOBODY, NOBODY, 0)
    }

    /// A packet of so many octets from binding `up` to binding `down`.
    #[inline(always)]
    pub(crate) const fn counted(
        verdict: Verdict,
        up: BindingId,
        down: BindingId,
        octets: u32,
    ) -> Self {
        const { assert!(Verdict::COUNT <= 1 << 8) };
        Self {
            up,
            down,
            octets,
            verdict: verdict.index() as u8,
        }
    }

    /// What it ends in.
    fn verdict(&self) -> Verdict {
        let at = usize::from(self.verdict);
        Verdict::all().nth(at).unwrap_or(Self::OTHERWISE)
    }

    /// In place of a verdict.
    const OTHERWISE: Verdict = Verdict::Drop(Drop::QueueFull);
}

/// The bursts of one worker that wait to be sent, and the packets that wait to be given back.
pub(crate) struct Output<T: RxTx> {
    ports: Vec<Queue<T::Buf>>,
    freed: Burst<T::Buf>,
}

struct Queue<B> {
    burst: Burst<B>,
    /// What is counted for each.
    notes: ArrayVec<Sent, MAX_BURST>,
}

impl<T: RxTx> Output<T> {
    pub(crate) fn new(ports: u16) -> Self {
        let queue = || Queue {
            burst: Burst::new(),
            notes: ArrayVec::new(),
        };
        Self {
            ports: (0..ports).map(|_| queue()).collect(),
            freed: Burst::new(),
        }
    }

    /// Sends a frame on `port`, sooner or later in this pass.
    #[inline(always)]
    pub(crate) fn send(
        &mut self,
        port: PortId,
        buf: T::Buf,
        sent: Sent,
        view: &View<'_>,
        io: &mut T,
    ) {
        let Some(queue) = self.ports.get_mut(usize::from(port.0)) else {
            return self.end(buf, Verdict::Drop(Drop::PortDown), view, io);
        };
        if queue.burst.is_full() {
            queue.flush(port, view, io);
        }
        // There is room in both, for a flush leaves none of either.
        if let Err(error) = queue.burst.try_push(buf) {
            return self.end(error.element(), Verdict::Drop(Drop::QueueFull), view, io);
        }
        let _ = queue.notes.try_push(sent);
    }

    /// Sends a whole burst on `port`, each packet with what is counted for it, and leaves it empty.
    #[inline]
    pub(crate) fn send_all(
        &mut self,
        port: PortId,
        burst: &mut Burst<T::Buf>,
        sent: &[Sent],
        view: &View<'_>,
        io: &mut T,
    ) {
        match self.ports.get_mut(usize::from(port.0)) {
            Some(queue) if queue.burst.is_empty() => {
                std::mem::swap(&mut queue.burst, burst);
                // It has none, and there are as many places as in a burst.
                let _ = queue.notes.try_extend_from_slice(sent);
            }
            _ => {
                for (buf, sent) in burst.drain(..).zip(sent) {
                    self.send(port, buf, *sent, view, io);
                }
            }
        }
    }

    /// Counts the end of a packet that does not go out and gives its buffer back.
    pub(crate) fn end(&mut self, buf: T::Buf, verdict: Verdict, view: &View<'_>, io: &mut T) {
        view.reader.count(verdict);
        if view.watch.is_on() {
            view.watch.ends(verdict);
        }
        if self.freed.is_full() {
            io.free(&mut self.freed);
            self.freed.clear();
        }
        // There is room, or the buffer goes back by being dropped.
        let _ = self.freed.try_push(buf);
    }

    /// The same for the packets of a burst from a place on, which end alike, while nobody watches.
    pub(crate) fn end_all(
        &mut self,
        burst: &mut Burst<T::Buf>,
        from: usize,
        verdict: Verdict,
        view: &View<'_>,
        io: &mut T,
    ) {
        let gone = burst.drain(from..);
        view.reader.count_many(verdict, gone.len() as u64);
        if self.freed.remaining_capacity() < gone.len() {
            io.free(&mut self.freed);
            self.freed.clear();
        }
        // A burst has places for as many as can have gone.
        self.freed.extend(gone);
    }

    /// Sends and frees all that waits.
    pub(crate) fn flush(&mut self, view: &View<'_>, io: &mut T) {
        for (queue, port) in self.ports.iter_mut().zip(0..) {
            if !queue.burst.is_empty() {
                queue.flush(PortId(port), view, io);
            }
        }
        if !self.freed.is_empty() {
            io.free(&mut self.freed);
            self.freed.clear();
        }
    }
}

impl<B: Buf> Queue<B> {
    /// Shows to whoever watches what is about to go.
    #[cold]
    fn show(&self, port: PortId, view: &View<'_>) {
        for (buf, sent) in self.burst.iter().zip(&self.notes) {
            view.watch.sends(port, buf.data(), sent.verdict());
        }
    }

    #[inline(never)]
    fn flush<T: RxTx<Buf = B>>(&mut self, port: PortId, view: &View<'_>, io: &mut T) {
        if view.watch.is_on() {
            self.show(port, view);
        }
        let octets = octets(&self.burst);
        let count = io.tx(port, &mut self.burst);
        let octets = octets.wrapping_sub(self::octets(&self.burst));
        let (gone, left) = self
            .notes
            .split_at_checked(count)
            .unwrap_or((self.notes.as_slice(), &[]));
        count_gone(gone, view);
        if view.watch.is_on() {
            let first = gone.first().map(Sent::verdict);
            view.watch.ends(first.unwrap_or(Sent::OTHERWISE));
        }
        view.reader
            .count_port(port, PortDirection::Tx, gone.len() as u64, octets);
        if !left.is_empty() {
            let why = match io.is_up(port) {
                true => Drop::QueueFull,
                false => Drop::PortDown,
            };
            view.reader
                .count_many(Verdict::Drop(why), left.len() as u64);
            io.free(&mut self.burst);
        }
        self.burst.clear();
        self.notes.clear();
    }
}

/// Octets of all frames of a burst.
#[inline(always)]
pub(crate) fn octets<B: Buf>(burst: &Burst<B>) -> u64 {
    burst.iter().map(|buf| buf.data().len() as u64).sum()
}

/// Counts packets that have gone: verdicts by runs of the same.
#[inline(always)]
fn count_gone(gone: &[Sent], view: &View<'_>) {
    let Some(first) = gone.first() else { return };
    let bindings = view.reader.binding_counter(view.seconds);
    let (mut verdict, mut same) = (first.verdict, 0);
    for sent in gone {
        if sent.verdict != verdict {
            view.reader.count_index(verdict.into(), same);
            (verdict, same) = (sent.verdict, 0);
        }
        same += 1;
        let bytes = u64::from(sent.octets);
        bindings.count(sent.up, Direction::Up, bytes);
        bindings.count(sent.down, Direction::Down, bytes);
    }
    view.reader.count_index(verdict.into(), same);
}
