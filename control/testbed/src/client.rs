//! What comes to a control thread from outside: calls and signals.

use serde_json::{json, Value};
use std::borrow::Borrow;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

/// A client of a control socket.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to a socket that is there.
    pub fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("a control socket");
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Sends a request, and does not wait for its answer.
    pub fn send(&mut self, method: &str, params: impl Borrow<Value>) {
        let params = params.borrow();
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        writeln!(self.stream.get_mut(), "{request}").expect("a request is sent");
    }

    /// The next line of the gateway's.
    pub fn line(&mut self) -> Value {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line is read");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// The answer to a call, whatever it is.
    pub fn ask(&mut self, method: &str, params: impl Borrow<Value>) -> Value {
        self.send(method, params);
        self.line()
    }

    /// The result of a call.
    pub fn result(&mut self, method: &str, params: impl Borrow<Value>) -> Value {
        let reply = self.ask(method, params);
        assert!(reply.get("error").is_none(), "{method}: {reply}");
        reply["result"].clone()
    }

    /// The code of the error that a call ends with.
    pub fn code(&mut self, method: &str, params: impl Borrow<Value>) -> i64 {
        let reply = self.ask(method, params);
        reply["error"]["code"].as_i64().expect("an error")
    }
}

/// Sends this process a signal, as `kill` names it.
pub fn signal(name: &str) {
    let pid = std::process::id().to_string();
    let sent = Command::new("kill").args([name, &pid]).status();
    assert!(sent.expect("kill runs").success());
}
