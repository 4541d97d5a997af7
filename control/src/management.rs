//! The management address: `GET /metrics` over HTTP, and nothing else.
//!
//! It is a responder and not a server: one request per connection, at most `CLIENTS` connections, a
//! head of at most `HEAD` octets, all within `PATIENCE`. An HTTP library would bring
//! pipelining, upgrades and bodies, all of which would have to be switched off again.

use crate::rpc::{Call, Reply, Request};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, Semaphore};
use tokio::task::{JoinHandle, JoinSet};

/// Connections at a time.
const CLIENTS: usize = 8;

/// Octets that the head of a request may have.
const HEAD: usize = 8 * 1024;

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the text is (OpenMetrics 1.0).
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Plain words.
const PLAIN: &str = "text/plain; charset=utf-8";

/// How long to wait after the kernel would not accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The responder. Dropping it ends it and its connections.
#[derive(Debug)]
pub struct Management {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Drop for Management {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Management {
    /// Listens at `address` on the tokio runtime of the caller; metrics are asked for in `calls`.
    ///
    /// # Errors
    /// The address is not ours or taken.
    pub async fn start(address: SocketAddr, calls: mpsc::Sender<Call>) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self {
            address: listener.local_addr()?,
            accepting: tokio::spawn(accept(listener, calls)),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, calls: mpsc::Sender<Call>) {
    let slots = Arc::new(Semaphore::new(CLIENTS));
    // Its connections end with this set, which ends with this task.
    let mut connections = JoinSet::new();
    loop {
        // Whoever finds no slot waits in the backlog.
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let calls = calls.clone();
                connections.spawn(async move {
                    // A client that does not hurry, or has gone, is no loss.
                    let _ = tokio::time::timeout(PATIENCE, serve(stream, calls)).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the management address cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// An answer: status line, type, body.
struct Answer(&'static str, &'static str, String);

async fn serve(mut stream: TcpStream, calls: mpsc::Sender<Call>) -> std::io::Result<()> {
    let Answer(status, kind, body) = match head(&mut stream).await? {
        Some(head) => answer(&head, &calls).await,
        None => {
            let body = format!("the head of a request has at most {HEAD} octets\n");
            Answer("431 Request Header Fields Too Large", PLAIN, body)
        }
    };
    let length = body.len();
    let allow = match status.starts_with("405") {
        true => "Allow: GET\r\n",
        false => "",
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{allow}Connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

/// The head of a request; `None` when it is too long.
async fn head(stream: &mut TcpStream) -> std::io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    loop {
        if head.windows(4).any(|octets| octets == b"\r\n\r\n") {
            return Ok(Some(head));
        }
        if head.len() > HEAD {
            return Ok(None);
        }
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(Some(head));
        }
    }
}

async fn answer(head: &[u8], calls: &mpsc::Sender<Call>) -> Answer {
    let bad = || {
        let body = "this is no HTTP/1 request; GET /metrics is one\n";
        Answer("400 Bad Request", PLAIN, body.to_owned())
    };
    let line = head.split(|octet| *octet == b'\r').next();
    let Some(line) = line.and_then(|line| std::str::from_utf8(line).ok()) else {
        return bad();
    };
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, version] = words[..] else {
        return bad();
    };
    if !version.starts_with("HTTP/1.") {
        return bad();
    }
    if method != "GET" {
        let body = "only GET is answered\n".to_owned();
        return Answer("405 Method Not Allowed", PLAIN, body);
    }
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    if path != "/metrics" {
        let body = "there is /metrics and nothing else\n".to_owned();
        return Answer("404 Not Found", PLAIN, body);
    }
    match metrics(calls).await {
        Some(text) => Answer("200 OK", OPEN_METRICS, text),
        None => {
            let body = "the gateway is going down\n".to_owned();
            Answer("503 Service Unavailable", PLAIN, body)
        }
    }
}

async fn metrics(calls: &mpsc::Sender<Call>) -> Option<String> {
    let (answer, answered) = oneshot::channel();
    let call = Call {
        request: Request::Metrics,
        answer,
        lines: None,
    };
    calls.send(call).await.ok()?;
    match answered.await.ok()?.ok()? {
        Reply::Metrics(metrics) => Some(metrics.text),
        _ => None,
    }
}
