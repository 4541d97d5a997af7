//! The control socket, over a real Unix socket, with a stand-in for control behind it.

mod clients;
mod document;
mod metrics;
mod socket;
mod subscribers;

use control::rpc::types::{Accepted, Latency, Reloaded, Status, Subscribed};
use control::rpc::{Call, Limits, Notices, Reply, Request, RpcError, Server};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

/// A server with its socket in a directory of its own.
struct Served {
    directory: tempfile::TempDir,
    notices: Notices,
    server: Server,
}

impl Served {
    /// Serves with these limits. Every request is answered by [`answer`].
    fn start(limits: Limits) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (calls, mut received) = mpsc::channel::<Call>(8);
        let notices = Notices::new();
        let socket = directory.path().join("control.sock");
        let server = Server::start(&socket, None, limits, calls, notices.clone());
        tokio::spawn(async move {
            while let Some(call) = received.recv().await {
                // A client that has gone does not want its answer.
                let _ = call.answer.send(answer(call.request));
            }
        });
        Self {
            directory,
            notices,
            server: server.expect("the server starts"),
        }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("control.sock")
    }

    async fn connect(&self) -> Client {
        Client::connect(&self.socket()).await
    }

    fn counted(&self, name: &str) -> u64 {
        let counters = self.server.counters().counters();
        let counter = counters.iter().find(|counter| counter.name == name);
        counter.unwrap_or_else(|| panic!("no counter {name}")).value
    }
}

/// What the stand-in answers.
fn answer(request: Request) -> Result<Reply, RpcError> {
    match request {
        Request::Status => Ok(Reply::Status(status())),
        Request::Subscribe => Ok(Reply::Subscribe(Subscribed {
            name: "mag1".into(),
        })),
        Request::Reload => Ok(Reply::Reload(Reloaded {
            ignored: Vec::new(),
            hosts: 2,
            routes: 1,
        })),
        Request::Attach(host) => Ok(Reply::Attach(Accepted {
            host: host.mac.to_string(),
        })),
        Request::Bindings(_) => Err(RpcError::wrong_role(
            "a MAG has no binding cache",
            "ask for `visitors`",
        )),
        _ => Err(RpcError::not_found(
            "there is no such host",
            "ask for `visitors`",
        )),
    }
}

fn status() -> Status {
    Status {
        name: "mag1".into(),
        role: "mag".into(),
        address: "2001:db8:c::11".parse().expect("an address"),
        version: "0.1.0".into(),
        dpdk_version: "22.11.11".into(),
        pid: 1,
        uptime_secs: 1.5,
        workers: 1,
        stalled_worker: None,
        standing_workers: Vec::new(),
        draining: false,
        sessions: 0,
        tables: vec![],
        policy: "mag-policy.toml".into(),
        policy_loaded: 0.0,
        subscribers: 0,
        signalling: Latency {
            count: 0,
            p50_us: 0.0,
            p99_us: 0.0,
            p999_us: 0.0,
            max_us: 0.0,
        },
        store: None,
    }
}

struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    async fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).await.expect("connected");
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Sends octets as they are.
    async fn send(&mut self, octets: &[u8]) {
        self.stream.get_mut().write_all(octets).await.expect("sent");
    }

    /// The next line; `None` at the end.
    async fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        let length = self.stream.read_line(&mut line).await.expect("received");
        (length > 0).then(|| serde_json::from_str(&line).expect("the server sends JSON"))
    }

    /// Sends a line and waits for one.
    async fn ask(&mut self, line: &str) -> Value {
        self.send(line.as_bytes()).await;
        self.send(b"\n").await;
        self.line().await.expect("an answer")
    }

    /// Sends a line; code and hint of the error that comes back.
    async fn refused(&mut self, line: &str) -> (i64, String) {
        error(&self.ask(line).await)
    }
}

/// Code and hint of an error reply.
fn error(reply: &Value) -> (i64, String) {
    let error = &reply["error"];
    let hint = error["data"]["hint"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (
        error["code"]
            .as_i64()
            .unwrap_or_else(|| panic!("no error: {reply}")),
        hint,
    )
}
