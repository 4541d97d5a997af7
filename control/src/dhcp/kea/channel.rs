//! How commands reach the server: its own Unix socket, or the control agent beside it, over HTTP.
//!
//! ```text
//!   gateway ──{"command": …}──► Unix socket of kea-dhcp6
//!   gateway ──POST / ─────────► kea-ctrl-agent ──► its Unix socket     (the server is another machine)
//! ```

use serde_json::{json, Value};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// Longest time for a command, from connecting to the last octet of its answer.
const LIMIT: Duration = Duration::from_secs(1);

/// The most octets of an answer: the configuration of a server with some ten thousand subnets.
const LONGEST: u64 = 16 << 20;

/// Where a server is told what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Its Unix socket.
    Unix(PathBuf),
    /// Its control agent.
    Http(SocketAddr),
}

/// What is no channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give the path of kea-dhcp6's control socket, or its control agent as \"http://[2001:db8::53]:8000/\"")]
pub struct NoChannel;

impl FromStr for Channel {
    type Err = NoChannel;

    fn from_str(text: &str) -> Result<Self, NoChannel> {
        if let Some(rest) = text.strip_prefix("http://") {
            let place = rest.strip_suffix('/').unwrap_or(rest);
            return place.parse().map(Self::Http).map_err(|_| NoChannel);
        }
        let path = PathBuf::from(text);
        path.is_absolute()
            .then_some(Self::Unix(path))
            .ok_or(NoChannel)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Http(address) => write!(f, "http://{address}/"),
        }
    }
}

/// Why a command came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The server was not reached, or broke off.
    #[error("{0}")]
    Unreached(#[from] io::Error),
    /// What came back is no answer.
    #[error("what came back is no answer of a Kea server")]
    Unreadable,
    /// The server says no.
    #[error("{0}")]
    Refused(String),
}

/// Nothing of what was asked for is there.
const EMPTY: i64 = 3;

impl Channel {
    /// Has the server carry out a command; what it answers, `None` where there is nothing of what was
    /// asked for.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn command(&self, name: &str, arguments: Value) -> Result<Option<Value>, Failure> {
        let mut command = json!({ "command": name });
        if !arguments.is_null() {
            command["arguments"] = arguments;
        }
        let asked = timeout(LIMIT, self.exchange(command)).await;
        let answer =
            asked.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))?;
        // An agent passes on to several servers and answers with a list.
        let mut answer = match answer {
            Value::Array(mut all) if all.len() == 1 => all.remove(0),
            one => one,
        };
        match answer["result"].as_i64() {
            Some(0) => Ok(Some(answer["arguments"].take())),
            Some(EMPTY) => Ok(None),
            Some(_) => {
                let text = answer["text"].as_str().unwrap_or("it does not say why");
                Err(Failure::Refused(text.to_owned()))
            }
            None => Err(Failure::Unreadable),
        }
    }

    async fn exchange(&self, mut command: Value) -> Result<Value, Failure> {
        let octets = match self {
            Self::Unix(path) => {
                let stream = UnixStream::connect(path).await?;
                talk(stream, command.to_string().as_bytes()).await?
            }
            Self::Http(address) => {
                command["service"] = json!(["dhcp6"]);
                let body = command.to_string();
                let request = format!(
                    "POST / HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
                     Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let stream = TcpStream::connect(address).await?;
                body_of(talk(stream, request.as_bytes()).await?)?
            }
        };
        serde_json::from_slice(&octets).map_err(|_| Failure::Unreadable)
    }
}

/// Says something and hears all that comes back.
async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    words: &[u8],
) -> Result<Vec<u8>, io::Error> {
    stream.write_all(words).await?;
    let mut heard = Vec::new();
    stream.take(LONGEST).read_to_end(&mut heard).await?;
    Ok(heard)
}

/// The body of an HTTP answer that says 200.
fn body_of(mut answer: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n");
    let end = end.ok_or(Failure::Unreadable)?;
    let body = answer.split_off(end + 4);
    let head = String::from_utf8_lossy(&answer);
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        return Err(Failure::Refused(status.to_owned()));
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, UnixListener};

    fn run<T>(future: impl std::future::Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread();
        { runtime }.enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn channels_are_paths_and_agents() {
        let agent = "http://[2001:db8::53]:8000/";
        assert_eq!(agent.parse::<Channel>().unwrap().to_string(), agent);
        let path = "/run/kea/kea6.sock";
        assert_eq!(path.parse::<Channel>().unwrap().to_string(), path);
        for none in ["kea6.sock", "http://kea.example.net:8000/", ""] {
            assert_eq!(none.parse::<Channel>(), Err(NoChannel), "{none}");
        }
    }

    #[test]
    fn an_agent_is_asked_over_http() {
        run(async {
            let listener = TcpListener::bind("[::1]:0").await.unwrap();
            let channel = Channel::Http(listener.local_addr().unwrap());
            let agent = async {
                for answer in [
                    "HTTP/1.1 200 OK\r\nA: b\r\n\r\n[{\"result\": 0, \"arguments\": 7}]",
                    "HTTP/1.1 200 OK\r\n\r\n[{\"result\": 3, \"text\": \"0 found\"}]",
                    "HTTP/1.1 401 Unauthorized\r\n\r\n{}",
                    "nothing",
                ] {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let mut heard = vec![0; 4096];
                    let length = stream.read(&mut heard).await.unwrap();
                    let heard = String::from_utf8_lossy(&heard[..length]).into_owned();
                    assert!(heard.starts_with("POST / HTTP/1.1\r\n"), "{heard}");
                    let (_, body) = heard.split_once("\r\n\r\n").unwrap();
                    let body: Value = serde_json::from_str(body).unwrap();
                    assert_eq!(body["service"], json!(["dhcp6"]));
                    assert_eq!(body["command"], "config-get");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            };
            let asks = async {
                let ask = || channel.command("config-get", Value::Null);
                assert_eq!(ask().await.unwrap(), Some(json!(7)));
                assert_eq!(ask().await.unwrap(), None);
                assert!(matches!(ask().await, Err(Failure::Refused(_))));
                assert!(matches!(ask().await, Err(Failure::Unreadable)));
            };
            tokio::join!(agent, asks);
            drop(listener);
            let unreached = channel.command("config-get", Value::Null).await;
            assert!(matches!(unreached, Err(Failure::Unreached(_))));
        });
    }

    #[test]
    fn a_server_that_says_no_is_heard() {
        run(async {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("kea6.sock");
            let listener = UnixListener::bind(&path).unwrap();
            let server = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut heard = vec![0; 4096];
                let length = stream.read(&mut heard).await.unwrap();
                let command: Value = serde_json::from_slice(&heard[..length]).unwrap();
                assert_eq!(command["arguments"]["duid"], "00:01");
                let answer = b"{\"result\": 2, \"text\": \"not supported\"}";
                stream.write_all(answer).await.unwrap();
            };
            let channel = Channel::Unix(path.clone());
            let asked = channel.command("lease6-get-by-duid", json!({ "duid": "00:01" }));
            let ((), refused) = tokio::join!(server, asked);
            assert_eq!(refused.unwrap_err().to_string(), "not supported");
        });
    }
}
