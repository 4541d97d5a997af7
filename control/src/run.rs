//! The control thread: gives the engine its time, the rings' event, the control socket's requests
//! and the process's signals.
//!
//! ```text
//!   loop:  poll rings ─► let timers run out ─► answer requests ─► anything left? ─no─► sleep
//!                                                                                      │
//!          ring event │ next timer │ request │ SIGHUP │ SIGTERM, SIGINT ◄──────────────┘
//! ```
//!
//! Before it sleeps it says so to the workers and looks once more, so that no packet is missed and
//! a busy gateway makes no system call per packet.
//!
//! A service manager is told when the gateway is ready, reloads and stops, and once per turn, as often
//! as it asks for, that the loop still turns: see [`crate::supervisor`].

use crate::aaa::{Aaa, Told};
use crate::calls::{log_reload, Desk, ReadPort, WorkerInfo};
use crate::config::{self, Config};
use crate::dhcp::former::Answered;
use crate::dhcp::kea::Kea;
use crate::engine::Engine;
use crate::gateway::{self, Applied, Gateway, PortInfo, Room, SetupError};
use crate::health::Health;
use crate::kernel::Kernel;
use crate::management::Management;
use crate::record::Recorder;
use crate::rpc::{Call, ControlSocket, Limits, Notices, Server};
use crate::store::{Keeper, StoreError};
use crate::supervisor::Supervisor;
use crate::watch::{self, Watches};
use dataplane::rings::ControlRings;
use dataplane::tables::Writer;
use nix::sys::signal::{SigSet, Signal as NixSignal};
use roles::{Event, Now};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::Interest;
use tokio::net::unix::pipe::Receiver;
use tokio::net::UdpSocket;
use tokio::signal::unix::{signal, Signal, SignalKind};
use tokio::sync::{mpsc, Notify};

/// Requests that may wait for the control thread.
const CALLS: usize = 64;

/// Requests that are answered before packets have their turn again.
const CALLS_PER_TURN: usize = 16;

/// What AAA has told that is heard before packets have their turn again.
const TOLD_PER_TURN: usize = 64;

/// The least time between the role's goodbye and the end, so that workers send it.
const GOODBYE: Duration = Duration::from_millis(10);

/// What [`run`] is given.
pub struct Params {
    /// The configuration, loaded.
    pub config: Config,
    /// The control socket, claimed before anything else was touched.
    pub socket: ControlSocket,
    /// Where it was loaded from: a reload reads it again.
    pub config_path: PathBuf,
    /// Where events are to be recorded, if they are.
    pub record: Option<PathBuf>,
    /// What is kept across a restart, if anything is.
    pub store: Option<Keeper>,
    /// The tables' writer.
    pub writer: Writer,
    /// Control's end of the rings.
    pub rings: ControlRings,
    /// The way of messages through the kernel, for a role that carries no data.
    pub kernel: Option<Kernel>,
    /// The ports that were opened, twins left out.
    pub ports: Vec<PortInfo>,
    /// Reads what DPDK counts for a port.
    pub read_port: ReadPort,
    /// The workers, in the order of their indices.
    pub workers: Vec<WorkerInfo>,
    /// Version of libdpdk.
    pub dpdk_version: String,
    /// How many cycles the processor's time stamp counter makes per second, if it is known.
    pub cycles_per_second: Option<f64>,
    /// Called once the control socket listens and the first topology is published.
    pub ready: Option<Box<dyn FnOnce() + Send>>,
}

/// Why the control thread did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refuses what an event loop needs.
    #[error("the control thread cannot start: {0}")]
    Runtime(io::Error),
    /// The recording.
    #[error("recording {}: {error}", path.display())]
    Record {
        /// Where it should be.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// The management address.
    #[error("[management] listen = \"{address}\": {error}; name an address of this machine and a port that is free")]
    Management {
        /// What is configured.
        address: std::net::SocketAddr,
        /// What went wrong.
        error: io::Error,
    },
    /// What was kept cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Some of what was kept does not fit.
    #[error(
        "{lacking} of the {records} records in {} find no room: raise {room}. Nothing of it is lost meanwhile; \
         to start without what is kept, move the file away",
        path.display()
    )]
    NoRoom {
        /// Records that do not fit.
        lacking: u64,
        /// All of them.
        records: u64,
        /// The file.
        path: PathBuf,
        /// What there is too little of, as the configuration names it.
        room: String,
    },
    /// AAA.
    #[error(transparent)]
    Aaa(io::Error),
    /// The configuration or policy.
    #[error(transparent)]
    Setup(#[from] SetupError),
}

impl From<config::Error> for Error {
    fn from(error: config::Error) -> Self {
        Self::Setup(SetupError::Policy(error))
    }
}

/// Runs the control plane on this thread until SIGTERM or SIGINT, then drains: no signalling is
/// taken any more and packets are forwarded for `drain_timeout`. Workers and ports are the caller's
/// to stop, after that.
///
/// # Errors
/// See [`Error`]. Nothing fails once it runs.
pub fn run(params: Params) -> Result<(), Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?
        .block_on(control(params))
}

/// Both clocks from one start.
struct Clock {
    start: Instant,
}

impl Clock {
    fn now(&self) -> Now {
        Now {
            monotonic: self.start.elapsed(),
            wall: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }

    fn instant(&self, monotonic: Duration) -> tokio::time::Instant {
        (self.start + monotonic).into()
    }
}

/// The signals that a gateway listens to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

fn held_signals() -> SigSet {
    SigSet::from_iter([NixSignal::SIGTERM, NixSignal::SIGINT, NixSignal::SIGHUP])
}

fn refused(error: nix::Error) -> Error {
    Error::Runtime(error.into())
}

/// Lets SIGTERM, SIGINT and SIGHUP wait until [`run`] listens to them: one that comes while ports
/// are being opened must not end the process in the middle of that, and SIGHUP not at all. Call it
/// on the thread that will run control, before any other thread is made: they inherit it.
///
/// # Errors
/// The kernel refuses.
pub fn hold_signals() -> Result<(), Error> {
    held_signals().thread_block().map_err(refused)
}

/// What ended a sleep.
enum Woken {
    /// Packets, a timer, or nothing in particular.
    Work,
    /// A request.
    Call(Box<Call>),
    /// AAA has told something.
    Told(Box<Told>),
    /// The DHCPv6 server has told what a host has leased.
    Leases(Box<Answered>),
    /// SIGHUP.
    Reload,
    /// SIGTERM or SIGINT.
    Stop,
}

async fn control(mut params: Params) -> Result<(), Error> {
    let clock = Clock {
        start: Instant::now(),
    };
    let now = clock.now();
    let mut signals = Signals::new().map_err(Error::Runtime)?;
    held_signals().thread_unblock().map_err(refused)?;
    // The event descriptor is read like a pipe: tokio's own type for any other descriptor is not
    // safe to make.
    let event = params.rings.event().map_err(Error::Runtime)?;
    let event = Receiver::from_owned_fd_unchecked(event).map_err(Error::Runtime)?;
    let recorder = match &params.record {
        Some(path) => Some(Recorder::create(path).map_err(|error| Error::Record {
            path: path.clone(),
            error,
        })?),
        None => None,
    };
    let config = params.config;
    let notices = Notices::new();
    let mut aaa = Aaa::start(&config, now).await.map_err(Error::Aaa)?;
    let handle = aaa.as_ref().map(Aaa::handle);
    let mut applied = Applied::of(config.load_policy()?, handle.as_ref());
    let anchor = applied.anchor.take();
    let anchors = gateway::anchors(&config, &applied.peers);
    let maars = applied.maars.take();
    let room = Room {
        bindings: params.writer.bindings_guaranteed(),
        adjacencies: config.tables.adjacencies(),
    };
    let (role, mut setup) = gateway::assemble(
        &config,
        &params.ports,
        room,
        applied,
        notices.clone(),
        recorder,
    )?;
    let kept = params.store.as_ref().map(Keeper::told);
    setup.store = params.store;
    let heard = params.kernel.as_ref().map(Kernel::event).transpose();
    let heard = heard.and_then(|event| event.map(UdpSocket::from_std).transpose());
    let heard = heard.map_err(Error::Runtime)?;
    setup.kernel = params.kernel;
    let mut engine = Engine::new(setup, role, params.writer, params.rings, now);
    if let Some(aaa) = &mut aaa {
        engine.serve_on_terms(aaa.take_ledger());
    }
    let settings = config.maar.as_ref().and_then(config::MaarRole::kea);
    let mut kea = settings.map(Kea::start);
    if let Some(kea) = &kea {
        engine.look_up_leases(kea.source());
    }
    engine.set_associations(config.load_associations()?);
    let patience = Duration::from_secs(config.workers.stall_after.into())
        + Duration::from_micros(config.workers.idle_sleep_us[1].into());
    let mut health = Health::new(params.ports.len(), params.workers.len(), patience);
    // Before neighbours are asked: what a link that is not up yet loses is asked again when it is.
    let ports = (params.ports.as_slice(), &mut params.read_port);
    health.look(clock.now(), ports, &params.workers, &notices);
    engine.start(now);
    if let Some(policy) = anchor {
        engine.deliver(now, Event::Policy { policy });
    } else if let Some(maars) = maars {
        engine.deliver(now, Event::Maars { maars });
    } else {
        engine.deliver(now, Event::Anchors { addresses: anchors });
    }
    restore(&mut engine, &clock, &config)?;
    let (calls, mut requests) = mpsc::channel(CALLS);
    let _management = match config.management.as_ref().map(|it| it.listen) {
        Some(address) => {
            let started = Management::start(address, calls.clone()).await;
            let management = started.map_err(|error| Error::Management { address, error })?;
            tracing::info!(address = %management.address(), "metrics are served");
            Some(management)
        }
        None => None,
    };
    let server = Server::on(params.socket, Limits::default(), calls, notices);
    let server = server.map_err(Error::Runtime)?;
    let taps = params.workers.iter().map(|worker| Arc::clone(&worker.tap));
    let watches = Watches::new(taps.collect());
    let mut desk = Desk {
        config,
        config_path: params.config_path,
        ports: params.ports,
        read_port: params.read_port,
        workers: params.workers,
        dpdk_version: params.dpdk_version,
        cycles_per_second: params.cycles_per_second,
        started: now.monotonic,
        policy_loaded: now.wall,
        draining: false,
        socket: server.counters(),
        health,
        watches,
        aaa: handle,
        kea: kea.as_ref().map(Kea::looks),
    };
    tracing::info!(
        name = desk.config.gateway.name,
        role = desk.config.role().name(),
        address = %desk.config.role().address(),
        "control runs"
    );
    let mut supervisor = Supervisor::from_environment();
    if let Some(ready) = params.ready {
        ready();
    }
    supervisor.ready(&status(&desk));
    let mut end = None;
    loop {
        let now = clock.now();
        supervisor.turning(now.monotonic);
        if end.is_some_and(|end| now.monotonic >= end) {
            break;
        }
        desk.look(&mut engine, now);
        let worked = engine.poll(now) + engine.tick(now) + desk.watch(&engine, now);
        for _ in 0..CALLS_PER_TURN {
            let Ok(call) = requests.try_recv() else { break };
            answer(&mut desk, &mut engine, clock.now(), call);
        }
        for _ in 0..TOLD_PER_TURN {
            let told = aaa.as_mut().and_then(|aaa| aaa.told.try_recv().ok());
            let Some(told) = told else { break };
            desk.heard(&mut engine, clock.now(), told);
        }
        for _ in 0..TOLD_PER_TURN {
            let told = kea.as_mut().and_then(|kea| kea.told.try_recv().ok());
            let Some(told) = told else { break };
            engine.leases_found(clock.now(), told);
        }
        let sleeps = worked == 0 && engine.rings().prepare_sleep();
        let until = if sleeps {
            let watching = !desk.watches.is_empty();
            let watched = watching.then(|| now.monotonic + watch::INTERVAL);
            let look = Some(desk.health.next());
            let times = [engine.next_tick(), end, supervisor.next(), look, watched];
            times.into_iter().flatten().min()
        } else {
            // Not at all; but signals are looked at, and the socket's tasks run on this thread too.
            tokio::task::yield_now().await;
            Some(Duration::ZERO)
        };
        let kept = kept.as_deref();
        let told = aaa.as_mut().map(|aaa| &mut aaa.told);
        let leases = kea.as_mut().map(|kea| &mut kea.told);
        let woken = sleep(
            &clock,
            until,
            (&event, heard.as_ref()),
            kept,
            &mut requests,
            (told, leases),
            &mut signals,
        )
        .await;
        if sleeps {
            engine.rings().awake();
        }
        let now = clock.now();
        match woken {
            Woken::Work => {}
            Woken::Call(call) => answer(&mut desk, &mut engine, now, *call),
            Woken::Told(told) => desk.heard(&mut engine, now, *told),
            Woken::Leases(told) => engine.leases_found(now, *told),
            Woken::Reload if desk.draining => tracing::warn!("not reloaded: going down"),
            Woken::Reload => {
                supervisor.reloading();
                log_reload(desk.reload(&mut engine, now));
                supervisor.ready(&status(&desk));
            }
            Woken::Stop if end.is_none() => {
                let drain = Duration::from_secs(desk.config.gateway.drain_timeout.into());
                let drain = drain.max(GOODBYE);
                tracing::info!(seconds = drain.as_secs_f64(), "going down");
                supervisor.stopping();
                desk.draining = true;
                engine.drain(now);
                end = Some(now.monotonic + drain);
            }
            // Asked a second time: now.
            Woken::Stop => break,
        }
    }
    drop(server);
    if let Some(aaa) = aaa {
        engine.close_accounts(clock.now());
        aaa.finish().await;
    }
    engine.finish();
    Ok(())
}

/// Has the role back what was kept when the gateway ended, and says how much that was, and what is missing.
///
/// # Errors
/// What reading the store says, and [`Error::NoRoom`]: a gateway that would serve only some of those whom it
/// has acknowledged does not start.
fn restore(engine: &mut Engine<Gateway>, clock: &Clock, config: &Config) -> Result<(), Error> {
    let begun = Instant::now();
    let records = engine.restore(|| clock.now())?;
    let lacking = engine.lacking();
    if lacking > 0 {
        let store = config.store.as_ref();
        return Err(Error::NoRoom {
            lacking,
            records,
            path: store.and_then(|it| it.path.clone()).unwrap_or_default(),
            room: config.room(),
        });
    }
    if records > 0 {
        tracing::info!(
            records,
            sessions = engine.role().sessions(),
            milliseconds = begun.elapsed().as_millis(),
            "forwards again what was kept"
        );
    }
    let missing = records.saturating_sub(engine.role().sessions() as u64);
    if missing > 0 {
        tracing::warn!(
            missing,
            "not all that was kept is back: lifetimes are over, or policy has changed; the counters of the role tell which"
        );
    }
    Ok(())
}

/// What a service manager shows of a running gateway.
fn status(desk: &Desk) -> String {
    let role = desk.config.role();
    let does = match role {
        config::Role::Cmd(_) => "answers",
        _ => "forwards",
    };
    format!("{} {} {does}", role.name(), role.address())
}

/// Answers a request; a client that did not wait for it is no loss.
fn answer(desk: &mut Desk, engine: &mut Engine<Gateway>, now: Now, call: Call) {
    let reply = desk.call(engine, now, call.request, call.lines);
    engine.flush();
    let _ = call.answer.send(reply);
}

/// Sleeps until there is something to do.
async fn sleep(
    clock: &Clock,
    until: Option<Duration>,
    (event, heard): (&Receiver, Option<&UdpSocket>),
    kept: Option<&Notify>,
    requests: &mut mpsc::Receiver<Call>,
    (told, leases): (
        Option<&mut mpsc::Receiver<Told>>,
        Option<&mut mpsc::Receiver<Answered>>,
    ),
    signals: &mut Signals,
) -> Woken {
    let told = async {
        match told {
            Some(told) => told.recv().await,
            None => None,
        }
    };
    let leases = async {
        match leases {
            Some(leases) => leases.recv().await,
            None => None,
        }
    };
    let timer = async {
        match until {
            Some(until) => tokio::time::sleep_until(clock.instant(until)).await,
            None => std::future::pending().await,
        }
    };
    let heard = async {
        match heard {
            Some(heard) => {
                let _ = heard.readable().await;
                // It is read until it is empty, and what comes after that makes it readable again.
                let empty = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
                let _ = heard.try_io(Interest::READABLE, empty);
            }
            None => std::future::pending().await,
        }
    };
    let kept = async {
        match kept {
            Some(kept) => kept.notified().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        _ = signals.terminate.recv() => Woken::Stop,
        _ = signals.interrupt.recv() => Woken::Stop,
        _ = signals.hangup.recv() => Woken::Reload,
        _ = event.readable() => {
            // Until it is empty it counts as readable.
            while event.try_read(&mut [0; 8]).is_ok() {}
            Woken::Work
        }
        () = heard => Woken::Work,
        Some(call) = requests.recv() => Woken::Call(Box::new(call)),
        () = kept => Woken::Work,
        Some(told) = told => Woken::Told(Box::new(told)),
        Some(told) = leases => Woken::Leases(Box::new(told)),
        () = timer => Woken::Work,
    }
}
