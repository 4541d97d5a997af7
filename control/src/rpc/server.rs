//! The server: accepts connections, keeps them within bounds, brings requests to control.

use super::error::{code, RpcError};
use super::line::{Line, Lines};
use super::notices::{Line as Text, Notices, Subscription};
use super::request::{Reply, Request};
use super::socket::{ControlSocket, SocketFile};
use super::types::Counter;
use super::{protocol, MAX_LINE};
use serde_json::Value;
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, Semaphore};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

/// A request on its way to control, which owns all state.
#[derive(Debug)]
pub struct Call {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes. A call that is dropped unanswered is answered as unavailable.
    pub answer: oneshot::Sender<Result<Reply, RpcError>>,
    /// Where lines go that come after the answer, for a request that brings some.
    pub lines: Option<mpsc::Sender<Text>>,
}

/// What clients may ask of the server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time.
    pub clients: usize,
    /// How long a connection may take until its next whole line, unless it has subscribed.
    pub idle: Duration,
    /// How long a client may take to read an answer.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 64,
            idle: Duration::from_secs(60),
            write: Duration::from_secs(10),
        }
    }
}

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        #[derive(Debug, Default)]
        struct Counts { $($name: AtomicU64,)+ }

        impl SocketCounters {
            /// The counters, for the reply to `counters`.
            pub fn counters(&self) -> Vec<Counter> {
                let own = [$((stringify!($name), self.counts.$name.load(Relaxed), concat!($($doc),+)),)+];
                let notices = [
                    ("notices", self.notices.published(), " Notices published."),
                    ("subscriber_too_slow", self.notices.evicted(),
                        " Subscribers dropped because they did not read their notices."),
                ];
                let counter = |(name, value, description): (&str, u64, &str)| Counter {
                    name: name.to_owned(),
                    value,
                    description: description.trim_start().to_owned(),
                };
                own.into_iter().chain(notices).map(counter).collect()
            }
        }
    };
}

counters! {
    /// Connections accepted.
    connections,
    /// Connections refused because there were too many.
    too_many_clients,
    /// Requests brought to control.
    requests,
    /// Lines that were no JSON.
    parse_errors,
    /// Lines that were no request.
    invalid_requests,
    /// Requests for a method that there is not.
    unknown_methods,
    /// Requests with wrong parameters.
    invalid_params,
    /// Lines that were too long.
    too_long,
    /// Connections that ended within a line.
    cut_short,
    /// Connections closed because nothing, or not a whole line, came for too long.
    idle,
    /// Connections closed because an answer was not read.
    answer_not_read,
}

/// What the server counts. Clones share their values.
#[derive(Clone, Debug, Default)]
pub struct SocketCounters {
    counts: Arc<Counts>,
    notices: Notices,
}

/// The control socket's server. Dropping it closes all connections and removes the socket.
#[derive(Debug)]
pub struct Server {
    accepting: JoinHandle<()>,
    counters: SocketCounters,
    _file: SocketFile,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    /// Listens at `path` with mode 0660, for `group` if one is named, on the tokio runtime of the
    /// caller. Requests go into `calls`; notices come out of `notices`.
    ///
    /// # Errors
    /// The path is taken by a living daemon or by something that is no socket, or the file system
    /// refuses. The text says what to do.
    pub fn start(
        path: &Path,
        group: Option<&str>,
        limits: Limits,
        calls: mpsc::Sender<Call>,
        notices: Notices,
    ) -> io::Result<Self> {
        let socket = ControlSocket::claim(path, group)?;
        Self::on(socket, limits, calls, notices)
    }

    /// The same on a socket that was claimed before.
    ///
    /// # Errors
    /// The kernel refuses what an event loop needs.
    pub fn on(
        socket: ControlSocket,
        limits: Limits,
        calls: mpsc::Sender<Call>,
        notices: Notices,
    ) -> io::Result<Self> {
        let ControlSocket { listener, file } = socket;
        let listener = UnixListener::from_std(listener)?;
        let counters = SocketCounters {
            counts: Arc::default(),
            notices: notices.clone(),
        };
        let shared = Shared {
            limits,
            calls,
            notices,
            counts: Arc::clone(&counters.counts),
        };
        Ok(Self {
            accepting: tokio::spawn(accept(listener, shared)),
            counters,
            _file: file,
        })
    }

    /// What the server counts.
    pub fn counters(&self) -> SocketCounters {
        self.counters.clone()
    }
}

/// What all connections share.
#[derive(Clone)]
struct Shared {
    limits: Limits,
    calls: mpsc::Sender<Call>,
    notices: Notices,
    counts: Arc<Counts>,
}

/// How long to wait after the kernel would not accept: it is out of descriptors or memory, and an
/// immediate retry would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

async fn accept(listener: UnixListener, shared: Shared) {
    let slots = Arc::new(Semaphore::new(shared.limits.clients));
    // Its connections end with this set, which ends with this task.
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "control socket cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        shared.counts.connections.fetch_add(1, Relaxed);
        if let Ok(slot) = Arc::clone(&slots).try_acquire_owned() {
            let shared = shared.clone();
            connections.spawn(async move {
                Connection::new(stream, shared).run().await;
                drop(slot);
            });
        } else {
            shared.counts.too_many_clients.fetch_add(1, Relaxed);
            let error = RpcError::unavailable("too many clients", "close one and try again");
            // The socket's buffer is empty, so that one line fits; a client that is gone is no loss.
            let _ = stream.try_write(&protocol::answer(&Value::Null, &Err(error)));
        }
    }
}

/// Why a connection ends.
struct Closed;

struct Connection {
    shared: Shared,
    input: OwnedReadHalf,
    output: OwnedWriteHalf,
    lines: Lines,
    subscription: Option<Subscription>,
    /// Lines of a trace or capture.
    stream: Option<mpsc::Receiver<Text>>,
}

/// Lines of a trace or capture that wait for its client.
const STREAM: usize = 4_096;

/// The next line of a trace or capture, or its end; never, without one.
async fn streamed(stream: &mut Option<mpsc::Receiver<Text>>) -> Option<Text> {
    match stream {
        Some(stream) => stream.recv().await,
        None => std::future::pending().await,
    }
}

/// The next notice of a subscription; never, without one.
async fn notice(subscription: &mut Option<Subscription>) -> Option<Arc<[u8]>> {
    match subscription {
        Some(subscription) => subscription.lines.recv().await,
        None => std::future::pending().await,
    }
}

impl Connection {
    fn new(stream: UnixStream, shared: Shared) -> Self {
        let (input, output) = stream.into_split();
        Self {
            shared,
            input,
            output,
            lines: Lines::default(),
            subscription: None,
            stream: None,
        }
    }

    async fn run(mut self) {
        while self.turn().await.is_ok() {}
    }

    /// One line in, or notices out until one comes.
    async fn turn(&mut self) -> Result<(), Closed> {
        let mut deadline = Instant::now() + self.shared.limits.idle;
        loop {
            let subscribed = self.subscription.is_some() || self.stream.is_some();
            let line = tokio::select! {
                line = self.lines.next(&mut self.input) => line.map_err(|_| Closed)?,
                line = notice(&mut self.subscription) => {
                    // `None`: the subscriber was too slow, and has read what there was.
                    self.write(&line.ok_or(Closed)?).await?;
                    continue;
                }
                line = streamed(&mut self.stream) => {
                    match line {
                        Some(line) => self.write(&line).await?,
                        None => {
                            self.stream = None;
                            deadline = Instant::now() + self.shared.limits.idle;
                        }
                    }
                    continue;
                }
                () = tokio::time::sleep_until(deadline), if !subscribed => {
                    self.shared.counts.idle.fetch_add(1, Relaxed);
                    let text = "nothing, or not a whole line, came for too long";
                    let error = RpcError::new(code::INVALID_REQUEST, text, "connect again");
                    self.answer(&Value::Null, Err(error)).await?;
                    return Err(Closed);
                }
            };
            return match line {
                Line::Whole(line) => self.take(&line).await,
                Line::TooLong => {
                    self.shared.counts.too_long.fetch_add(1, Relaxed);
                    let text = format!("a line has at most {MAX_LINE} octets");
                    let error = RpcError::new(code::INVALID_REQUEST, text, "send shorter requests");
                    self.answer(&Value::Null, Err(error)).await?;
                    self.drain().await;
                    Err(Closed)
                }
                Line::End { cut_short } => {
                    if cut_short {
                        self.shared.counts.cut_short.fetch_add(1, Relaxed);
                    }
                    Err(Closed)
                }
            };
        }
    }

    /// Takes one line and answers it.
    async fn take(&mut self, line: &[u8]) -> Result<(), Closed> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let incoming = protocol::read(line);
        let outcome = match incoming.request {
            Ok(Request::Subscribe) => {
                // Subscribed before control is asked, so that nothing is missed between its answer
                // and the first notice; sent after the answer, because nothing is sent meanwhile.
                let subscription = self.shared.notices.subscribe();
                let outcome = self.call(Request::Subscribe, None).await;
                if outcome.is_ok() && self.subscription.is_none() {
                    self.subscription = Some(subscription);
                }
                outcome
            }
            Ok(Request::Trace(_) | Request::Capture(_)) if self.stream.is_some() => {
                Err(RpcError::refused(
                    "this connection has a trace or capture already",
                    "wait for it to end, stop it, or use another connection",
                ))
            }
            Ok(request @ (Request::Trace(_) | Request::Capture(_))) => {
                let (lines, stream) = mpsc::channel(STREAM);
                let lines = incoming.id.is_some().then_some(lines);
                let outcome = self.call(request, lines).await;
                self.stream = outcome.is_ok().then_some(stream);
                outcome
            }
            Ok(request) => self.call(request, None).await,
            Err(error) => {
                let counts = &self.shared.counts;
                let counter = match error.code {
                    code::PARSE => &counts.parse_errors,
                    code::METHOD_NOT_FOUND => &counts.unknown_methods,
                    code::INVALID_PARAMS => &counts.invalid_params,
                    _ => &counts.invalid_requests,
                };
                counter.fetch_add(1, Relaxed);
                Err(error)
            }
        };
        match incoming.id {
            Some(id) => self.answer(&id, outcome).await,
            None => Ok(()),
        }
    }

    /// Brings a request to control and waits for its answer.
    async fn call(
        &self,
        request: Request,
        lines: Option<mpsc::Sender<Text>>,
    ) -> Result<Reply, RpcError> {
        let gone = || RpcError::unavailable("the gateway is going down", "start it again");
        self.shared.counts.requests.fetch_add(1, Relaxed);
        let (answer, answered) = oneshot::channel();
        let call = Call {
            request,
            answer,
            lines,
        };
        self.shared.calls.send(call).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    async fn answer(&mut self, id: &Value, outcome: Result<Reply, RpcError>) -> Result<(), Closed> {
        self.write(&protocol::answer(id, &outcome)).await
    }

    /// Writes a line, unless the client does not read or was found too slow a subscriber.
    async fn write(&mut self, line: &[u8]) -> Result<(), Closed> {
        let evicted: &mut (dyn Future<Output = _> + Send + Unpin) = match &mut self.subscription {
            Some(subscription) => &mut subscription.evicted,
            None => &mut std::future::pending(),
        };
        tokio::select! {
            written = self.output.write_all(line) => written.map_err(|_| Closed),
            _ = evicted => Err(Closed),
            () = tokio::time::sleep(self.shared.limits.write) => {
                self.shared.counts.answer_not_read.fetch_add(1, Relaxed);
                Err(Closed)
            }
        }
    }

    /// Reads and forgets a bounded rest of what a client sends, so that closing does not take from
    /// it the answer that it has not read yet.
    async fn drain(&mut self) {
        use tokio::io::AsyncReadExt;
        let mut rest = (&mut self.input).take(DRAIN);
        let forget = async { tokio::io::copy(&mut rest, &mut tokio::io::sink()).await };
        // Whatever comes of it, the connection is closed next.
        let _ = tokio::time::timeout(self.shared.limits.write, forget).await;
    }
}

/// Octets that are read and forgotten after a line that was too long.
const DRAIN: u64 = 16 << 20;
