//! A connection to a gateway, and what can go wrong with it.

use control::rpc::{Request, RpcError};
use serde_json::{json, Value};
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a command failed, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nobody can be reached at the socket.
    #[error("{}: {what}", path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What was wrong and what to do.
        what: String,
    },
    /// The gateway went in the middle of it.
    #[error("the gateway closed the connection; is it going down, or were its notices read too slowly? Its log says")]
    Closed,
    /// The gateway says nothing.
    #[error("the gateway takes connections but has not answered for {} s; is it starting, or stuck? Its log says", PATIENCE.as_secs())]
    Silent,
    /// The connection broke.
    #[error("the connection to the gateway broke: {0}")]
    Broken(io::Error),
    /// The gateway speaks otherwise than this program.
    #[error("the gateway's answer is not understood ({0}); is anchorctl of the same version as anchord? `--json` shows it as it is")]
    NotUnderstood(String),
    /// The gateway refused.
    #[error("{}{}", .0.message, .0.hint().map(|hint| format!("; {hint}")).unwrap_or_default())]
    Refused(RpcError),
    /// Our own output could not be written.
    #[error("cannot write the output: {0}")]
    Output(io::Error),
}

/// How long an answer may take. A gateway that starts listens before it answers.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to a gateway.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the gateway at `path`.
    pub fn connect(path: &Path) -> Result<Self, Failure> {
        let stream = UnixStream::connect(path).map_err(|error| Failure::Unreachable {
            path: path.to_owned(),
            what: explain(path, &error),
        })?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Another hold of the connection, to send requests by whose answers come among the lines.
    pub fn sender(&self) -> Result<UnixStream, Failure> {
        self.stream.get_ref().try_clone().map_err(Failure::Broken)
    }

    /// Asks, and waits for the result.
    pub fn call(&mut self, request: &Request) -> Result<Value, Failure> {
        let line = json!({
            "jsonrpc": "2.0",
            "id": 1,
            "method": request.method(),
            "params": request.params(),
        });
        let sent = writeln!(self.stream.get_mut(), "{line}");
        // A gateway that refuses the connection says why before it closes it.
        let stream = self.stream.get_ref();
        stream
            .set_read_timeout(Some(PATIENCE))
            .map_err(Failure::Broken)?;
        let reply = self.line();
        let stream = self.stream.get_ref();
        stream.set_read_timeout(None).map_err(Failure::Broken)?;
        let reply = match (sent, reply) {
            (_, Ok(reply)) => reply,
            (Err(error), Err(_)) if error.kind() != ErrorKind::BrokenPipe => {
                return Err(Failure::Broken(error))
            }
            (_, Err(failure)) => return Err(failure),
        };
        let not_understood = |error: serde_json::Error| Failure::NotUnderstood(error.to_string());
        let mut reply: Value = serde_json::from_str(&reply).map_err(not_understood)?;
        if let Some(error) = reply.get_mut("error") {
            let error = serde_json::from_value(error.take()).map_err(not_understood)?;
            return Err(Failure::Refused(error));
        }
        match reply.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(Failure::NotUnderstood("neither result nor error".into())),
        }
    }

    /// Whether all that has come so far has been read, so that the next line may be long in coming.
    pub fn is_drained(&self) -> bool {
        self.stream.buffer().is_empty()
    }

    /// The next line, without its newline.
    pub fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => Err(Failure::Closed),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Err(Failure::Closed),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(Failure::Silent),
            Err(error) => Err(Failure::Broken(error)),
        }
    }
}

/// Why nobody can be reached, and what to do.
fn explain(path: &Path, error: &io::Error) -> String {
    let start = "start it with `anchord --config FILE`, or name its socket with --socket";
    match error.kind() {
        ErrorKind::NotFound => format!("no such socket; is anchord running? {start}"),
        ErrorKind::ConnectionRefused => {
            format!("nobody answers; anchord has died and left its socket: {start}")
        }
        ErrorKind::PermissionDenied => match std::fs::metadata(path) {
            Ok(file) => format!(
                "permission denied; the socket is for user {} and group {}: run as one of them",
                user(file.uid()),
                group(file.gid()),
            ),
            Err(_) => "permission denied; its directory is not open to you: run as root".into(),
        },
        _ => format!("{error}; is it the control socket of an anchord?"),
    }
}

fn user(id: u32) -> String {
    name_in("/etc/passwd", id)
}

fn group(id: u32) -> String {
    name_in("/etc/group", id)
}

/// The name that a user or group database has for a number; the number when it has none.
fn name_in(database: &str, id: u32) -> String {
    let text = std::fs::read_to_string(database).unwrap_or_default();
    let named = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| id.to_string())
}

#[cfg(test)]
mod tests {
    use super::explain;
    use std::io::{Error, ErrorKind};
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn someone_who_may_not_is_told_which_group_may() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let owner = file.as_file().metadata().expect("there").uid();
        let what = explain(file.path(), &Error::from(ErrorKind::PermissionDenied));
        assert!(
            what.starts_with("permission denied; the socket is for user "),
            "{what}"
        );
        assert_eq!(owner == 0, what.contains("user root"), "{what}");
        assert!(what.contains(" and group "), "{what}");
    }
}
