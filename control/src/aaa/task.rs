//! The task that moves datagrams between the kernel and the state machines.
//!
//! Records of one session go out one after the other, so that none overtakes another; those of
//! different sessions together, up to [`WINDOW`]. The others stay in the ledger's channel, whose
//! bound is that of all records that wait.

use super::authorization::Grant;
use super::client::{Act, Client, Timing, Work};
use super::codec::{access_request, accounting_request, Answer, Nas, Order, Question, LONGEST};
use super::counters::{AaaCounter, AaaCounters};
use super::ledger::Record;
use super::orders::{ErrorCause, Orders, Received, Ticket};
use super::start::{Handle, Settings};
use super::status::{Status, View};
use crate::secret::Secret;
use hashbrown::{HashMap, HashSet};
use roles::event::HostLink;
use roles::Now;
use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Records on their way at a time, those included that wait for one of their session.
const WINDOW: usize = 256;

/// Rounds after which a record is given up that no server takes while servers do answer.
const ROUNDS: u32 = 5;

/// Orders and datagrams that may wait for the task.
const INBOUND: usize = 1_024;

/// How long to wait after a socket failed.
const PAUSE: Duration = Duration::from_millis(100);

/// What control is told.
#[derive(Debug)]
pub enum Told {
    /// The answer to a question.
    Answered {
        /// The host.
        link: HostLink,
        /// What the servers say of it.
        answered: Answered,
    },
    /// An order, to be carried out.
    Order {
        /// The order.
        order: Box<Order>,
        /// Where to say what came of it. Dropped unused, it is answered as out of resources.
        done: Done,
    },
    /// A server was found dead, or is back.
    Server {
        /// Its index.
        server: usize,
        /// Whether it is one for records.
        accounting: bool,
        /// Whether it is dead.
        dead: bool,
    },
}

/// What the servers say of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It may attach.
    Granted(Box<Grant>),
    /// It may not.
    Rejected,
    /// Nothing: none answered.
    Nobody,
}

/// Where to say what came of an order.
#[derive(Debug)]
pub struct Done {
    ticket: Option<Ticket>,
    outcomes: mpsc::Sender<Outcome>,
}

impl Done {
    /// What came of it.
    pub fn say(mut self, outcome: Result<(), ErrorCause>) {
        self.tell(outcome);
    }

    fn tell(&mut self, outcome: Result<(), ErrorCause>) {
        if let Some(ticket) = self.ticket.take() {
            // A task that is that far behind has clients who ask again.
            let _ = self.outcomes.try_send((ticket, outcome));
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        self.tell(Err(ErrorCause::RESOURCES_UNAVAILABLE));
    }
}

type Outcome = (Ticket, Result<(), ErrorCause>);

/// That the gateway ends: answered when no record waits any more.
pub(super) struct Finish(pub oneshot::Sender<()>);

/// A question on its way.
struct Asked {
    question: Question,
    nas: Arc<Nas>,
}

impl Work for Asked {
    fn write(&self, identifier: u8, secret: &Secret) -> Option<Vec<u8>> {
        access_request(&self.question, &self.nas, identifier, secret)
    }

    const COUNTED: AaaCounter = AaaCounter::Asked;
}

/// A record on its way.
struct Sending {
    record: Record,
    nas: Arc<Nas>,
    /// Rounds in which it was given up while servers answered.
    rounds: u32,
    began: Duration,
}

impl Work for Sending {
    fn write(&self, identifier: u8, secret: &Secret) -> Option<Vec<u8>> {
        accounting_request(&self.record, &self.nas, identifier, secret)
    }

    const COUNTED: AaaCounter = AaaCounter::RecordsSent;
}

/// Which client a socket belongs to: that for records, else that for questions; server; lane.
type Lane = (bool, usize, u16);

/// The task.
pub(super) struct Task {
    start: Instant,
    nas: Arc<Nas>,
    settings: Arc<Settings>,
    counters: AaaCounters,
    status: Status,
    servers: Vec<(SocketAddr, SocketAddr)>,
    timing: Timing,
    access: Client<Asked>,
    accounting: Client<Sending>,
    asking: HashSet<HostLink>,
    /// Records that wait for one of their session that is on its way.
    sessions: HashMap<Arc<str>, VecDeque<Record>>,
    /// How many records `sessions` stands for.
    held: usize,
    /// Records that are tried again, in the order of their times.
    again: VecDeque<(Duration, Sending)>,
    sockets: HashMap<Lane, Arc<UdpSocket>>,
    readers: JoinSet<()>,
    inbound: mpsc::Sender<(Lane, Vec<u8>)>,
    arrivals: Option<mpsc::Receiver<(Lane, Vec<u8>)>>,
    orders: Option<(Arc<UdpSocket>, Orders)>,
    tell: mpsc::Sender<Told>,
    outcomes: mpsc::Sender<Outcome>,
    outcome: Option<mpsc::Receiver<Outcome>>,
    finish: Option<Finish>,
}

impl Task {
    pub(super) fn new(
        handle: &Handle,
        nas: Arc<Nas>,
        secrets: Vec<Secret>,
        timing: Timing,
        orders: Option<(UdpSocket, Orders)>,
        tell: mpsc::Sender<Told>,
    ) -> Self {
        let (inbound, arrivals) = mpsc::channel(INBOUND);
        let (outcomes, outcome) = mpsc::channel(INBOUND);
        let counters = handle.counters.clone();
        let mut task = Self {
            start: Instant::now(),
            nas,
            settings: Arc::clone(&handle.settings),
            servers: handle.settings.servers().to_vec(),
            timing,
            access: Client::new(secrets.clone(), timing, rand::random(), counters.clone()),
            accounting: Client::new(secrets, timing, rand::random(), counters.clone()),
            counters,
            status: handle.status.clone(),
            asking: HashSet::new(),
            sessions: HashMap::new(),
            held: 0,
            again: VecDeque::new(),
            sockets: HashMap::new(),
            readers: JoinSet::new(),
            inbound,
            arrivals: Some(arrivals),
            orders: orders.map(|(socket, orders)| (Arc::new(socket), orders)),
            tell,
            outcomes,
            outcome: Some(outcome),
            finish: None,
        };
        task.publish();
        task
    }

    fn now(&self) -> Now {
        Now {
            monotonic: self.start.elapsed(),
            wall: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }

    /// Runs until control lets go of it.
    pub(super) async fn run(
        mut self,
        mut questions: mpsc::Receiver<Question>,
        mut records: mpsc::Receiver<Record>,
        mut end: mpsc::Receiver<Finish>,
    ) {
        let (Some(mut arrivals), Some(mut outcomes)) = (self.arrivals.take(), self.outcome.take())
        else {
            return;
        };
        let orders = self.orders.as_ref().map(|(socket, _)| Arc::clone(socket));
        let mut buffer = vec![0; LONGEST];
        loop {
            let due = [self.access.next(), self.accounting.next(), self.retry()];
            let due = due.into_iter().flatten().min();
            tokio::select! {
                Some(question) = questions.recv() => self.ask(question).await,
                Some(record) = records.recv(), if self.held < WINDOW => self.record(record),
                Some((lane, datagram)) = arrivals.recv() => self.arrived(lane, &datagram).await,
                Some((ticket, outcome)) = outcomes.recv() => self.done(&ticket, outcome).await,
                received = receive(orders.as_deref(), &mut buffer) => match received {
                    Ok((length, from)) => {
                        let datagram = buffer.get(..length).unwrap_or_default();
                        self.order(from, datagram).await;
                    }
                    // An ICMP error about an answer of ours, or no memory.
                    Err(_) => tokio::time::sleep(PAUSE).await,
                },
                Some(finish) = end.recv() => self.finish = Some(finish),
                () = sleep(self.start, due) => {}
            }
            let now = self.now().monotonic;
            self.access.expire(now);
            self.accounting.expire(now);
            self.try_again(now);
            self.act().await;
            self.publish();
            let empty = self.held == 0 && records.is_empty();
            if let Some(Finish(done)) = self.finish.take_if(|_| empty) {
                let _ = done.send(());
                return;
            }
        }
    }

    /// Asks about a host, unless that is under way.
    async fn ask(&mut self, question: Question) {
        let link = question.link;
        if !self.asking.insert(link) {
            return;
        }
        let now = self.now().monotonic;
        let nas = Arc::clone(&self.nas);
        if self.access.begin(now, Asked { question, nas }).is_err() {
            self.asking.remove(&link);
            self.counters.count(AaaCounter::QuestionsLost);
        }
    }

    /// Takes a record out of the ledger.
    fn record(&mut self, record: Record) {
        self.held += 1;
        if let Some(waiting) = self.sessions.get_mut(&record.session) {
            return waiting.push_back(record);
        }
        self.sessions
            .insert(Arc::clone(&record.session), VecDeque::new());
        self.send_record(record, 0);
    }

    fn send_record(&mut self, record: Record, rounds: u32) {
        let began = self.now().monotonic;
        let nas = Arc::clone(&self.nas);
        let sending = Sending {
            record,
            nas,
            rounds,
            began,
        };
        // The window is smaller than what may wait there.
        if let Err(sending) = self.accounting.begin(began, sending) {
            self.again
                .push_back((began + self.timing.dead_time, sending));
        }
    }

    /// A record is done with, well or not: the next of its session goes out.
    fn settled(&mut self, session: &Arc<str>) {
        self.held = self.held.saturating_sub(1);
        let waiting = self.sessions.get_mut(session);
        match waiting.and_then(VecDeque::pop_front) {
            Some(next) => self.send_record(next, 0),
            None => drop(self.sessions.remove(session)),
        }
    }

    /// When the next record is to be tried again.
    fn retry(&self) -> Option<Duration> {
        self.again.front().map(|(due, _)| *due)
    }

    fn try_again(&mut self, now: Duration) {
        while self.retry().is_some_and(|due| due <= now) {
            if let Some((_, sending)) = self.again.pop_front() {
                self.send_record(sending.record, sending.rounds);
            }
        }
    }

    /// A datagram came from a server.
    async fn arrived(&mut self, lane: Lane, datagram: &[u8]) {
        let now = self.now().monotonic;
        let (accounting, server, lane) = lane;
        if accounting {
            let taken = self.accounting.received(now, server, lane, datagram);
            if let Some((sending, _)) = taken {
                self.counters.count(AaaCounter::RecordsAcknowledged);
                self.settled(&sending.record.session);
            }
            return;
        }
        let Some((asked, answer)) = self.access.received(now, server, lane, datagram) else {
            return;
        };
        let question = asked.question;
        let (counter, answered) = match answer {
            Answer::Accept(it) => match it.grant(&question.user_name, &self.settings.defaults) {
                Some(grant) => (AaaCounter::Accepted, Answered::Granted(Box::new(grant))),
                None => {
                    tracing::warn!(host = %question.link.mac, "accepted, but nobody names an LMA; set `lma` in [aaa]");
                    (AaaCounter::AcceptUnusable, Answered::Rejected)
                }
            },
            Answer::Unusable(attribute) => {
                let server = self.servers.get(server).map(|it| it.0);
                tracing::warn!(?server, attribute, "an Access-Accept makes no sense");
                (AaaCounter::AcceptUnusable, Answered::Rejected)
            }
            Answer::Reject | Answer::Accounted => (AaaCounter::Rejected, Answered::Rejected),
        };
        self.counters.count(counter);
        self.answered(question.link, answered).await;
    }

    async fn answered(&mut self, link: HostLink, answered: Answered) {
        self.asking.remove(&link);
        let _ = self.tell.send(Told::Answered { link, answered }).await;
    }

    /// A datagram came to the address for orders.
    async fn order(&mut self, from: SocketAddr, datagram: &[u8]) {
        let now = self.now();
        let Some((socket, orders)) = &mut self.orders else {
            return;
        };
        match orders.received(now, from, datagram) {
            Received::Drop => {}
            Received::Reply(answer) => {
                let _ = socket.send_to(&answer, from).await;
            }
            Received::Act(ticket, order) => {
                let done = Done {
                    ticket: Some(ticket),
                    outcomes: self.outcomes.clone(),
                };
                let _ = self.tell.send(Told::Order { order, done }).await;
            }
        }
    }

    /// An order was carried out, or not.
    async fn done(&mut self, ticket: &Ticket, outcome: Result<(), ErrorCause>) {
        let Some((socket, orders)) = &mut self.orders else {
            return;
        };
        if let Some((to, answer)) = orders.answered(ticket, outcome) {
            let _ = socket.send_to(&answer, to).await;
        }
    }

    /// Does what the clients want done.
    async fn act(&mut self) {
        for act in self.access.acts() {
            match act {
                Act::Send {
                    server,
                    lane,
                    datagram,
                } => self.send((false, server, lane), &datagram).await,
                Act::GivenUp(asked) => {
                    self.counters.count(AaaCounter::Unanswered);
                    self.answered(asked.question.link, Answered::Nobody).await;
                }
                Act::Lost(server) => self.server(server, false, true).await,
                Act::Back(server) => self.server(server, false, false).await,
            }
        }
        // What is given up can let the next of its session go.
        loop {
            let acts = self.accounting.acts();
            if acts.is_empty() {
                return;
            }
            for act in acts {
                match act {
                    Act::Send {
                        server,
                        lane,
                        datagram,
                    } => self.send((true, server, lane), &datagram).await,
                    Act::GivenUp(sending) => self.given_up(sending),
                    Act::Lost(server) => self.server(server, true, true).await,
                    Act::Back(server) => self.server(server, true, false).await,
                }
            }
        }
    }

    /// No server acknowledged a record: again later, unless servers do answer and do not take it.
    fn given_up(&mut self, mut sending: Sending) {
        let heard = self.accounting.heard();
        sending.rounds += u32::from(heard.is_some_and(|heard| heard >= sending.began));
        if sending.rounds >= ROUNDS {
            self.counters.count(AaaCounter::RecordsLost);
            return self.settled(&sending.record.session);
        }
        self.counters.count(AaaCounter::RecordsRetried);
        let due = self.now().monotonic + self.timing.dead_time;
        self.again.push_back((due, sending));
    }

    async fn server(&self, server: usize, accounting: bool, dead: bool) {
        let told = Told::Server {
            server,
            accounting,
            dead,
        };
        let _ = self.tell.send(told).await;
    }

    /// Sends a datagram to a server. One that cannot be sent is like one that is lost.
    async fn send(&mut self, lane: Lane, datagram: &[u8]) {
        let (accounting, server, _) = lane;
        if !self.sockets.contains_key(&lane) {
            let Some(&(access, records)) = self.servers.get(server) else {
                return;
            };
            let to = if accounting { records } else { access };
            match connect(to).await {
                Ok(socket) => {
                    let socket = Arc::new(socket);
                    let inbound = self.inbound.clone();
                    self.readers.spawn(read(lane, Arc::clone(&socket), inbound));
                    self.sockets.insert(lane, socket);
                }
                Err(error) => return tracing::debug!(%to, %error, "no socket for a RADIUS server"),
            }
        }
        if let Some(socket) = self.sockets.get(&lane) {
            let _ = socket.send(datagram).await;
        }
    }

    /// Tells how things are.
    fn publish(&mut self) {
        let (on_their_way, waiting) = self.accounting.open();
        let behind = self.held.saturating_sub(on_their_way + waiting);
        self.status.set(View {
            access: self.access.servers().collect(),
            accounting: self.accounting.servers().collect(),
            questions: self.access.open(),
            records: (on_their_way, waiting + behind),
        });
    }
}

/// A source port towards a server.
async fn connect(to: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match to {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(to).await?;
    Ok(socket)
}

/// Brings what comes to a lane to the task.
async fn read(lane: Lane, socket: Arc<UdpSocket>, inbound: mpsc::Sender<(Lane, Vec<u8>)>) {
    let mut buffer = vec![0; LONGEST];
    loop {
        match socket.recv(&mut buffer).await {
            Ok(length) => {
                let datagram = buffer.get(..length).unwrap_or_default().to_vec();
                if inbound.send((lane, datagram)).await.is_err() {
                    return;
                }
            }
            // Nobody listens there, says an ICMP error; retransmission deals with it.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// What comes to the address for orders, if there is one.
async fn receive(socket: Option<&UdpSocket>, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    match socket {
        Some(socket) => socket.recv_from(buffer).await,
        None => std::future::pending().await,
    }
}

async fn sleep(start: Instant, due: Option<Duration>) {
    match due {
        Some(due) => tokio::time::sleep_until((start + due).into()).await,
        None => std::future::pending().await,
    }
}
