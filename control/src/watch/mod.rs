//! Sessions of watching packets, from a request to the last line.
//!
//! ```text
//!   trace, capture ──► Filter ──► Session ──start──► Tap of every worker that takes part
//!                                    │ poll, every few milliseconds while there is any
//!                                    ▼
//!            Traced, in words │ Captured, as octets ──► ring, or the client's queue
//! ```
//!
//! A worker takes part in one session at a time. A client that goes away ends its session; one that
//! does not keep up loses frames, which are counted, and holds nobody up.

mod filter;
mod frames;
mod words;

use crate::engine::Engine;
use crate::gateway::{Gateway, PortInfo};
use crate::rpc::types::{Stopped, WatchEnded, Watching};
use crate::rpc::{notification, CaptureParams, FilterWords, Line, RpcError, TraceParams};
use crate::rpc::{LARGEST_SNAP, LONGEST_TRACE};
use dataplane::watch::{Session, SessionConfig, Tap};
use frames::Frames;
use roles::Now;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use words::Words;

/// How often records are read while there is a session.
pub(crate) const INTERVAL: Duration = Duration::from_millis(5);

/// Packets of a trace that does not say how many.
const PACKETS: u64 = 10;

/// Octets of memory that the records of one capture take at most.
const CAPTURE_OCTETS: usize = 32 << 20;

/// The least and the most records that a worker has for a session.
const DEPTHS: [usize; 2] = [64, 4_096];

/// Whoever asked for a session.
pub(crate) type Client = mpsc::Sender<Line>;

/// What is made of a session's records.
enum Product {
    Words(Words),
    Frames(Frames),
}

/// A session that runs.
struct Running {
    number: u64,
    session: Arc<Session>,
    taps: Vec<usize>,
    client: Client,
    product: Product,
    packets: u64,
    left_out: u64,
}

/// What records are put into words with.
pub(crate) struct Scene<'a> {
    pub(crate) engine: &'a Engine<Gateway>,
    pub(crate) ports: &'a [PortInfo],
    pub(crate) now: Now,
    /// The same moment on the workers' clock.
    pub(crate) clock: Duration,
}

impl<'a> Scene<'a> {
    /// As things are `now`.
    pub(crate) fn new(engine: &'a Engine<Gateway>, ports: &'a [PortInfo], now: Now) -> Self {
        Self {
            engine,
            ports,
            now,
            clock: dataplane::clock::now(),
        }
    }
}

/// All sessions.
pub(crate) struct Watches {
    taps: Vec<Arc<Tap>>,
    running: Vec<Running>,
    last: u64,
}

impl Watches {
    /// None yet, on workers with these taps.
    pub(crate) fn new(taps: Vec<Arc<Tap>>) -> Self {
        Self {
            taps,
            running: Vec::new(),
            last: 0,
        }
    }

    /// Whether there are sessions, whose records have to be read.
    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    pub(crate) fn trace(
        &mut self,
        ports: &[PortInfo],
        params: &TraceParams,
        client: Option<Client>,
    ) -> Result<Watching, RpcError> {
        let packets = params.packets.unwrap_or(PACKETS).min(LONGEST_TRACE);
        let depth = usize::try_from(packets).unwrap_or(usize::MAX);
        let [least, most] = DEPTHS;
        let config = |filter| SessionConfig {
            filter,
            notes: true,
            snap: 0,
            packets: Some(packets),
            depth: depth.clamp(least, most),
        };
        let product = Product::Words(Words::default());
        self.start(ports, &params.filter(), config, product, client)
    }

    pub(crate) fn capture(
        &mut self,
        ports: &[PortInfo],
        params: &CaptureParams,
        client: Option<Client>,
    ) -> Result<Watching, RpcError> {
        let snap = params.snap.unwrap_or(LARGEST_SNAP);
        let workers = match params.worker {
            Some(_) => 1,
            None => self.taps.len().max(1),
        };
        let [least, most] = DEPTHS;
        let depth = CAPTURE_OCTETS / (2 * snap.max(1)) / workers;
        let config = |filter| SessionConfig {
            filter,
            notes: false,
            snap,
            packets: params.packets,
            depth: depth.clamp(least, most),
        };
        let product = Product::Frames(Frames::new(params.ring));
        self.start(ports, &params.filter(), config, product, client)
    }

    fn start(
        &mut self,
        ports: &[PortInfo],
        words: &FilterWords,
        config: impl FnOnce(dataplane::watch::Filter) -> SessionConfig,
        product: Product,
        client: Option<Client>,
    ) -> Result<Watching, RpcError> {
        let filter = filter::read(words, ports)?;
        let taps = self.chosen(words.worker)?;
        let Some(client) = client else {
            return Err(RpcError::refused(
                "packets can only be sent to the connection that asks for them",
                "give the request an `id` on a connection of its own",
            ));
        };
        if let Some(worker) = taps.iter().find(|at| self.is_busy(**at)) {
            let by = self.running.iter().find(|it| it.taps.contains(worker));
            return Err(RpcError::refused(
                format!("worker {worker} is watched already"),
                match by {
                    Some(it) => format!(
                        "wait for session {0} to end, or end it: `anchorctl stop {0}`",
                        it.number
                    ),
                    None => "its last session is just ending: try again".to_owned(),
                },
            ));
        }
        let session = Session::new(config(filter), self.taps.len());
        let each = taps.iter().filter_map(|at| self.taps.get(*at));
        for tap in each {
            // None of them is busy.
            let _ = tap.start(&session);
        }
        self.last += 1;
        let workers = taps.len();
        self.running.push(Running {
            number: self.last,
            session,
            taps,
            client,
            product,
            packets: 0,
            left_out: 0,
        });
        Ok(Watching {
            session: self.last,
            workers,
        })
    }

    /// The workers that take part.
    fn chosen(&self, worker: Option<usize>) -> Result<Vec<usize>, RpcError> {
        match worker {
            None => Ok((0..self.taps.len()).collect()),
            Some(worker) if worker < self.taps.len() => Ok(vec![worker]),
            Some(worker) => Err(RpcError::not_found(
                format!("there is no worker {worker}"),
                format!("the workers are 0 to {}", self.taps.len().saturating_sub(1)),
            )),
        }
    }

    fn is_busy(&self, worker: usize) -> bool {
        self.taps.get(worker).is_some_and(|tap| tap.is_busy())
    }

    /// Ends a session.
    pub(crate) fn stop(&mut self, scene: &Scene<'_>, number: u64) -> Result<Stopped, RpcError> {
        let at = self.running.iter().position(|it| it.number == number);
        let Some(at) = at else {
            let known: Vec<_> = self.running.iter().map(|it| it.number).collect();
            return Err(RpcError::not_found(
                format!("there is no session {number}"),
                match known.is_empty() {
                    true => "nothing is watched".to_owned(),
                    false => format!("those that run are {known:?}"),
                },
            ));
        };
        let mut running = self.running.swap_remove(at);
        running.poll(scene);
        running.end(&self.taps, "stopped");
        Ok(Stopped { session: number })
    }

    /// Reads what workers have recorded; ends what is complete or whose client has gone. Returns how
    /// many records there were.
    pub(crate) fn poll(&mut self, scene: &Scene<'_>) -> usize {
        let mut count = 0;
        let mut at = 0;
        while let Some(running) = self.running.get_mut(at) {
            let complete = running.session.is_complete();
            let read = running.poll(scene);
            count += read;
            let why = match (complete && read == 0, running.client.is_closed()) {
                (true, _) => "complete",
                (_, true) => "stopped",
                _ => {
                    at += 1;
                    continue;
                }
            };
            self.running.swap_remove(at).end(&self.taps, why);
        }
        count
    }
}

impl Running {
    fn poll(&mut self, scene: &Scene<'_>) -> usize {
        let Self {
            number,
            session,
            client,
            product,
            packets,
            left_out,
            ..
        } = self;
        let mut send = |line: Line| match client.try_send(line) {
            Err(mpsc::error::TrySendError::Full(_)) => *left_out += 1,
            // A client that has gone is found by whoever polls.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
        };
        let count = session.poll(|worker, record| {
            *packets += u64::from(!record.further);
            match product {
                Product::Words(words) => words.take(scene, (*number, worker), record, &mut send),
                Product::Frames(frames) => frames.take(scene, (*number, worker), record, &mut send),
            }
        });
        if let (0, Product::Words(words)) = (count, product) {
            words.flush(&mut send);
        }
        count
    }

    /// Ends it: what is left goes to the client at its own pace.
    fn end(mut self, taps: &[Arc<Tap>], why: &str) {
        for tap in self.taps.iter().filter_map(|at| taps.get(*at)) {
            tap.stop(&self.session);
        }
        let mut lines = match &mut self.product {
            Product::Words(words) => {
                let mut lines = Vec::new();
                words.flush(&mut |line| lines.push(line));
                lines
            }
            Product::Frames(frames) => {
                self.left_out += frames.left_out();
                frames.rest()
            }
        };
        lines.push(notification(
            "ended",
            &WatchEnded {
                session: self.number,
                packets: self.packets,
                lost: self.session.lost(),
                left_out: self.left_out,
                why: why.to_owned(),
            },
        ));
        let client = self.client;
        tokio::spawn(async move {
            for line in lines {
                if client.send(line).await.is_err() {
                    return;
                }
            }
        });
    }
}
