//! One trial: a schedule is sent, and the books of what came back are closed.

use super::ports::Ports;
use super::report::Outcome;
use crate::traffic::pace::Pace;
use crate::traffic::plan::Plan;
use crate::traffic::receiver::Receiver;
use crate::traffic::sender::Sender;
use crate::traffic::side::Side;
use crate::traffic::template::Templates;
use anyhow::Result;
use dpdk::{cycles, hz, Mbuf, WorkerIo};
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

/// Silence after which nothing more is waited for, in milliseconds, and the longest wait.
const QUIET_MS: u64 = 100;
const DRAIN_MS: u64 = 2_000;

/// Steps between two looks at what other threads want.
const STEPS: u32 = 64;

/// What a trial sends.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What is sent.
    pub plan: Arc<Plan>,
    /// Packets per second; none: as fast as it goes.
    pub rate: Option<f64>,
    /// How long.
    pub seconds: f64,
    /// Hops that every packet must have lost, and all else must be as it should; none: not checked.
    pub verify: Option<u8>,
    /// Whether anything is expected back.
    pub receive: bool,
    /// What the progress bar says; none: no bar.
    pub title: Option<String>,
}

/// What threads tell each other.
#[derive(Default)]
struct Shared {
    sent: AtomicU64,
    sending_over: AtomicBool,
    stop: Arc<AtomicBool>,
}

/// Sends trials one after the other; packet numbers go on, so that a packet that is late for its own
/// trial counts in no other.
pub struct Trials {
    ports: Ports,
    next: u64,
    stop: Arc<AtomicBool>,
}

/// What the sending thread of a trial works with, and gives back.
struct Sending {
    side: Side<WorkerIo>,
    sender: Sender<Mbuf>,
    start: u64,
    deadline: u64,
    /// Cycles from the first due time to the end of sending.
    spent: u64,
}

/// The port that is received on, when it is another, and the books of what came.
type Books = (Option<Side<WorkerIo>>, Option<Receiver>);

/// What the receiving thread works with, and gives back.
struct Receiving {
    side: Side<WorkerIo>,
    receiver: Option<Receiver>,
}

impl Trials {
    /// Trials on these ports, until `stop` is set.
    pub fn new(ports: Ports, stop: Arc<AtomicBool>) -> Self {
        Self {
            ports,
            next: 0,
            stop,
        }
    }

    /// Whether the user has asked to stop.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The ports, to close them.
    pub fn into_ports(self) -> Ports {
        self.ports
    }

    /// Runs a trial.
    ///
    /// # Errors
    /// When a thread does not start or panics.
    pub fn run(&mut self, trial: &Trial) -> Result<Outcome> {
        let plan = &trial.plan;
        let first = self.next;
        let receiver = match trial.receive {
            true => Some(Receiver::new(Arc::clone(plan), Some(first), trial.verify)?),
            false => None,
        };
        let (out, back) = self.ports.take()?;
        let templates = Templates::new(plan, out.own(), self.ports.gateway);
        // Far enough ahead that the threads run by then.
        let start = cycles() + hz() / 200;
        let length = (trial.seconds * hz() as f64) as u64;
        let total = trial.rate.map_or(u64::MAX, |rate| {
            (rate * trial.seconds).round().max(1.0) as u64
        });
        let pace = Pace::new(start, hz(), trial.rate, total);
        let sending = Sending {
            side: out,
            sender: Sender::new(Arc::clone(plan), templates, pace, first),
            start,
            // Time to catch up once, if the last packets were held back.
            deadline: start + length + hz() / 100,
            spent: 0,
        };
        let shared = Arc::new(Shared {
            stop: Arc::clone(&self.stop),
            ..Shared::default()
        });
        let bar = bar(trial, total);
        let (sending, receiving) = self.threads(sending, back, receiver, &shared, &bar)?;
        bar.finish_and_clear();

        let sent = sending.sender.sent();
        let taken = sending.sender.taken();
        self.next = first + taken;
        let (back, receiver) = receiving;
        let outcome = Outcome::new(
            trial,
            sent,
            match trial.rate {
                Some(_) => total.saturating_sub(sent.packets),
                None => 0,
            },
            sending.spent as f64 / hz() as f64,
            receiver.map(|it| it.received(hz())),
        );
        self.ports.give((sending.side, back));
        Ok(outcome)
    }

    /// Runs the threads of a trial to their end.
    fn threads(
        &self,
        mut sending: Sending,
        back: Option<Side<WorkerIo>>,
        receiver: Option<Receiver>,
        shared: &Arc<Shared>,
        bar: &ProgressBar,
    ) -> Result<(Sending, Books)> {
        let [core, back_core] = self.ports.cores();
        let eal = self.ports.eal();
        let mine = Arc::clone(shared);
        let watch = |finished: &dyn Fn() -> bool| {
            while !finished() {
                bar.set_position(shared.sent.load(Ordering::Relaxed));
                std::thread::sleep(Duration::from_millis(20));
            }
        };
        match (back, back_core) {
            (Some(side), Some(_)) => {
                let mut receiving = Receiving { side, receiver };
                let theirs = Arc::clone(shared);
                let receiver = eal.spawn_worker("receive", back_core, move || {
                    receiving.run(&theirs);
                    receiving
                })?;
                let sender = eal.spawn_worker("send", core, move || {
                    sending.run(&mine);
                    sending
                });
                let sender = match sender {
                    Ok(sender) => sender,
                    Err(error) => {
                        shared.sending_over.store(true, Ordering::Release);
                        return Err(error.into());
                    }
                };
                watch(&|| receiver.is_finished() && sender.is_finished());
                let receiving = receiver.join()?;
                Ok((sender.join()?, (Some(receiving.side), receiving.receiver)))
            }
            (back, _) => {
                let mut books = (back, receiver);
                let thread = eal.spawn_worker("traffic", core, move || {
                    alternate(&mut sending, &mut books, &mine);
                    (sending, books)
                })?;
                watch(&|| thread.is_finished());
                Ok(thread.join()?)
            }
        }
    }
}

fn bar(trial: &Trial, total: u64) -> ProgressBar {
    let Some(title) = &trial.title else {
        return ProgressBar::hidden();
    };
    let bar = match total {
        u64::MAX => ProgressBar::new_spinner(),
        total => ProgressBar::new(total),
    };
    let template = match total {
        u64::MAX => "{msg} {spinner} {human_pos} sent {elapsed}",
        _ => "{msg} [{bar:40}] {human_pos}/{human_len} {per_sec} {eta}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(title.clone());
    bar
}

impl Sending {
    /// Sends what is due; false when the schedule or its time is over.
    #[inline]
    fn step(&mut self, now: u64) -> bool {
        self.side.send(&mut self.sender, now);
        let over = self.sender.is_over() || now > self.deadline;
        if over {
            self.spent = now.saturating_sub(self.start);
        }
        !over
    }

    /// Sends to the end, and answers questions until the receiver is done.
    fn run(&mut self, shared: &Shared) {
        let mut sending = true;
        for step in 0_u32.. {
            if sending {
                sending = self.step(cycles());
            }
            self.side.receive(&mut (), cycles);
            if step % STEPS == 0 || !sending {
                shared
                    .sent
                    .store(self.sender.sent().packets, Ordering::Relaxed);
                if sending && shared.stop.load(Ordering::Relaxed) {
                    self.deadline = 0;
                }
                if !sending {
                    shared.sending_over.store(true, Ordering::Release);
                    return;
                }
            }
        }
    }
}

impl Receiving {
    /// Receives until the sender is done and silence has come.
    fn run(&mut self, shared: &Shared) {
        let mut drain = None::<Drain>;
        loop {
            let came = self.side.receive(&mut self.receiver, cycles);
            let idle = came == 0 || drain.is_some();
            if idle && shared.sending_over.load(Ordering::Acquire) {
                let sent = shared.sent.load(Ordering::Relaxed);
                let drain = drain.get_or_insert_with(|| Drain::new(cycles()));
                if drain.is_over(cycles(), came, self.receiver.as_ref(), sent) {
                    return;
                }
            }
        }
    }
}

/// One thread that sends and receives.
fn alternate(sending: &mut Sending, (back, receiver): &mut Books, shared: &Shared) {
    let mut drain = None::<Drain>;
    for step in 0_u32.. {
        let now = cycles();
        if drain.is_none() && !sending.step(now) {
            drain = Some(Drain::new(now));
        }
        let came = match back {
            Some(back) => {
                sending.side.receive(&mut (), cycles);
                back.receive(receiver, cycles)
            }
            None => sending.side.receive(receiver, cycles),
        };
        let sent = sending.sender.sent().packets;
        if step % STEPS == 0 {
            shared.sent.store(sent, Ordering::Relaxed);
            if shared.stop.load(Ordering::Relaxed) {
                sending.deadline = 0;
            }
        }
        if let Some(drain) = &mut drain {
            if drain.is_over(now, came, receiver.as_ref(), sent) {
                return;
            }
        }
    }
}

/// Waits for what is still on its way.
struct Drain {
    start: u64,
    last: u64,
}

impl Drain {
    fn new(now: u64) -> Self {
        Self {
            start: now,
            last: now,
        }
    }

    /// Whether everything is back, or nothing more will come.
    fn is_over(&mut self, now: u64, came: usize, receiver: Option<&Receiver>, sent: u64) -> bool {
        if came > 0 {
            self.last = now;
        }
        let ms = hz() / 1_000;
        let Some(receiver) = receiver else {
            return true;
        };
        let silence = now.saturating_sub(self.last);
        // A duplicate of the last packet would come right behind it.
        let all = receiver.unique() >= sent && silence > 5 * ms;
        all || silence > QUIET_MS * ms || now.saturating_sub(self.start) > DRAIN_MS * ms
    }
}
