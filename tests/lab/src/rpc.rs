//! The gateways' control sockets, as a client sees them: JSON-RPC 2.0, one message a line.

use anyhow::{bail, Context, Result};
use serde::Deserialize;
use serde_json::{json, Map, Value};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A connection to a control socket.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    next: u64,
}

impl Client {
    /// Connects; every answer is waited for at most 10 s.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket)
            .with_context(|| format!("cannot connect to {}", socket.display()))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Self {
            stream: BufReader::new(stream),
            next: 1,
        })
    }

    /// Calls a method and returns its result.
    ///
    /// # Errors
    /// When the gateway answers with an error or not at all.
    pub fn call(&mut self, method: &str, parameters: Value) -> Result<Value> {
        let id = self.next;
        self.next += 1;
        let mut request = json!({"jsonrpc": "2.0", "id": id, "method": method});
        if !parameters.is_null() {
            request["params"] = parameters;
        }
        let stream = self.stream.get_mut();
        stream.write_all(format!("{request}\n").as_bytes())?;
        loop {
            let mut reply = self
                .next_message()
                .with_context(|| format!("no answer to {method}"))?;
            if reply["id"] != id {
                continue;
            }
            if !reply["error"].is_null() {
                bail!("{method}: {}", reply["error"]);
            }
            return Ok(reply["result"].take());
        }
    }

    fn next_message(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("the gateway closed the connection");
        }
        serde_json::from_str(&line).with_context(|| format!("not JSON: {line}"))
    }
}

/// Something that a gateway told its subscribers.
#[derive(Clone, Debug, Deserialize)]
pub struct Notice {
    /// Which gateway told it.
    #[serde(skip)]
    pub gateway: String,
    /// When, in seconds since 1970.
    pub time: f64,
    /// When, on the gateway's monotonic clock, in microseconds.
    pub monotonic_us: u64,
    /// What: its name in snake case.
    #[serde(rename = "notice")]
    pub kind: String,
    /// The particulars.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

impl Notice {
    /// A particular as text, however it is written; empty when it is not there.
    pub fn field(&self, name: &str) -> String {
        match self.fields.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }

    /// Whether this is a Proxy Binding Update that registers (not one that de-registers).
    pub fn registers(&self) -> bool {
        self.kind == "update_sent" && self.fields.get("lifetime_secs") != Some(&json!(0))
    }
}

/// What all gateways told, in the order in which it reached us.
#[derive(Clone, Debug, Default)]
pub struct Notices(Arc<(Mutex<Vec<Notice>>, Condvar)>);

impl Notices {
    /// Subscribes to a gateway, until it closes the connection.
    ///
    /// # Errors
    /// When it refuses.
    pub fn follow(&self, gateway: &str, socket: &Path) -> Result<()> {
        let mut client = Client::connect(socket)?;
        client.call("subscribe", json!({}))?;
        client.stream.get_ref().set_read_timeout(None)?;
        let (gateway, shared) = (gateway.to_owned(), Arc::clone(&self.0));
        std::thread::spawn(move || {
            while let Ok(mut message) = client.next_message() {
                if let Ok(mut notice) = serde_json::from_value::<Notice>(message["params"].take()) {
                    notice.gateway.clone_from(&gateway);
                    lock(&shared.0).push(notice);
                    shared.1.notify_all();
                }
            }
        });
        Ok(())
    }

    /// All so far.
    pub fn all(&self) -> Vec<Notice> {
        lock(&self.0 .0).clone()
    }

    /// How many so far: a place to [`wait`](Self::wait) from.
    pub fn count(&self) -> usize {
        lock(&self.0 .0).len()
    }

    /// Waits for the first notice from place `from` on that `fits`.
    ///
    /// # Errors
    /// When none comes within `limit`; the error names `what` and what came instead.
    pub fn wait(
        &self,
        what: &str,
        from: usize,
        limit: Duration,
        fits: impl Fn(&Notice) -> bool,
    ) -> Result<Notice> {
        let limit = Instant::now() + limit;
        let (list, changed) = &*self.0;
        let mut notices = lock(list);
        loop {
            let tail = notices.get(from..).unwrap_or_default();
            if let Some(notice) = tail.iter().find(|notice| fits(notice)) {
                return Ok(notice.clone());
            }
            let left = limit.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let came: Vec<String> = tail
                    .iter()
                    .map(|notice| format!("{}: {}", notice.gateway, notice.kind))
                    .collect();
                bail!("waited in vain for {what}; there was [{}]", came.join(", "));
            }
            notices = changed
                .wait_timeout(notices, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
