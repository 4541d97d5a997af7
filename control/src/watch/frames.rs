//! Records as frames: each as it came, and as it went.

use super::Scene;
use crate::rpc::types::Captured;
use crate::rpc::{notification, Line};
use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use dataplane::watch::{Came, Octets, Record};
use packet::PortId;
use std::collections::VecDeque;

/// Octets of memory that the lines in a ring take at most.
const RING_OCTETS: usize = 64 << 20;

/// The last frames of a capture, in memory.
struct Ring {
    lines: VecDeque<Line>,
    most: usize,
    octets: usize,
}

/// What a capture makes of its records.
pub(super) struct Frames {
    ring: Option<Ring>,
    pushed_out: u64,
}

impl Frames {
    /// Keeps the last `ring` frames, or sends all at once.
    pub(super) fn new(ring: Option<usize>) -> Self {
        let ring = ring.map(|most| Ring {
            lines: VecDeque::new(),
            most,
            octets: 0,
        });
        Self {
            ring,
            pushed_out: 0,
        }
    }

    /// Takes a record of worker `of.1` in session `of.0`.
    pub(super) fn take(
        &mut self,
        scene: &Scene<'_>,
        of: (u64, usize),
        record: &Record,
        send: &mut impl FnMut(Line),
    ) {
        if let (Came::Received(port), false) = (record.came, record.further) {
            let line = frame(scene, of, record, (port, &record.before, true));
            self.put(line, send);
        }
        if let Some(port) = record.sent {
            let line = frame(scene, of, record, (port, &record.after, false));
            self.put(line, send);
        }
    }

    fn put(&mut self, line: Line, send: &mut impl FnMut(Line)) {
        let Some(ring) = &mut self.ring else {
            return send(line);
        };
        ring.octets += line.len();
        ring.lines.push_back(line);
        while ring.lines.len() > ring.most || ring.octets > RING_OCTETS {
            let Some(oldest) = ring.lines.pop_front() else {
                break;
            };
            ring.octets -= oldest.len();
            self.pushed_out += 1;
        }
    }

    /// Frames that newer ones have taken the place of.
    pub(super) fn left_out(&self) -> u64 {
        self.pushed_out
    }

    /// What is in the ring.
    pub(super) fn rest(&mut self) -> Vec<Line> {
        let ring = self.ring.take();
        ring.map(|ring| ring.lines.into()).unwrap_or_default()
    }
}

fn frame(
    scene: &Scene<'_>,
    (session, worker): (u64, usize),
    record: &Record,
    (port, octets, received): (PortId, &Octets, bool),
) -> Line {
    let verdict = record.verdict;
    let verdict = verdict.map(|it| format!("{}_{}", it.kind(), it.reason()));
    let time = u64::try_from(scene.wall(record.time).as_nanos()).unwrap_or(u64::MAX);
    notification(
        "captured",
        &Captured {
            session,
            worker,
            number: record.number,
            time_ns: time,
            port: scene.port(port),
            received,
            length: octets.length(),
            data: STANDARD.encode(octets.kept()),
            verdict: verdict.unwrap_or_default(),
        },
    )
}
