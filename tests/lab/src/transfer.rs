//! A TCP session whose every byte is known.
//!
//! Both ends send a paced pseudo-random stream of their own at once and check what comes from the
//! other against the same stream. The connecting end is told to finish by closing its standard
//! input; then each direction is shut down in order, and both ends say how much they sent and how
//! much was right.

use crate::gateway::Programs;
use crate::network::Namespace;
use crate::process::{Errors, Process};
use anyhow::{bail, ensure, Context, Result};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Port of the listening end.
const PORT: u16 = 5001;

/// Pieces in which a second's worth of bytes is sent.
const PIECES: u64 = 100;

/// The byte at place `at` of the stream that `seed` names (SplitMix64 over the place's word).
fn byte(seed: u64, at: u64) -> u8 {
    let mut word = seed.wrapping_add((at / 8 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^= word >> 31;
    word.to_be_bytes()[(at % 8) as usize]
}

/// Which end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Waits for the session.
    Listen,
    /// Opens it, and says when it is over.
    Connect,
}

impl Side {
    fn seed(self) -> u64 {
        match self {
            Self::Listen => 1,
            Self::Connect => 2,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Listen => Self::Connect,
            Self::Connect => Self::Listen,
        }
    }
}

/// What one end says when it is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Bytes that it sent.
    pub sent: u64,
    /// Bytes that it received.
    pub received: u64,
    /// Where the first wrong byte was, if there was one.
    pub first_wrong: Option<u64>,
    /// What broke the session, if anything did.
    pub broken: Option<String>,
}

/// A session between two hosts of the lab.
#[derive(Debug)]
pub struct Transfer {
    listener: Process,
    connector: Process,
    listener_says: BufReader<ChildStdout>,
    connector_says: BufReader<ChildStdout>,
    stdin: Option<ChildStdin>,
}

/// A session that is over, both ends taken together.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Bytes that arrived and were right, both directions summed.
    pub bytes: u64,
    /// Whether all that was sent arrived, in order and unchanged, in both directions.
    pub intact: bool,
    /// The connecting end's account.
    pub connector: Account,
    /// The listening end's account.
    pub listener: Account,
}

impl Transfer {
    /// Opens a session from `from` to `to`, whose address is `address`, and sends `rate` bytes per
    /// second in each direction.
    ///
    /// # Errors
    /// When the session does not come about.
    pub fn start(
        programs: &Programs,
        from: &Namespace,
        to: &Namespace,
        address: impl Into<IpAddr>,
        rate: u64,
        log: &Path,
    ) -> Result<Self> {
        let program = programs.demo.to_str().context("a path that is not text")?;
        let rate = rate.to_string();
        let end = |namespace, option: &str, address: IpAddr| -> Result<_> {
            let address = SocketAddr::from((address, PORT)).to_string();
            let words = [program, "tcp", option, &address, "--rate", &rate];
            let mut process = Process::start(namespace, "a TCP end", &words, &Errors::File(log))?;
            let stdout = process.stdout().context("no pipe from the TCP end")?;
            let mut says = BufReader::new(stdout);
            let mut line = String::new();
            says.read_line(&mut line)?;
            ensure!(line == "ready\n", "a TCP end failed\n{}", process.tail());
            Ok((process, says))
        };
        // At that address alone: a host may be in a session of each family.
        let address = address.into();
        let (listener, listener_says) = end(to, "--listen", address)?;
        let (mut connector, connector_says) = end(from, "--connect", address)?;
        let stdin = connector.stdin();
        Ok(Self {
            listener,
            connector,
            listener_says,
            connector_says,
            stdin,
        })
    }

    /// Ends the session in order and takes both accounts.
    ///
    /// # Errors
    /// When an end does not finish within a minute.
    pub fn stop(mut self) -> Result<Outcome> {
        drop(self.stdin.take());
        let account =
            |process: &mut Process, says: &mut BufReader<ChildStdout>| -> Result<Account> {
                process.wait(Duration::from_secs(60))?;
                let mut text = String::new();
                says.read_to_string(&mut text)?;
                serde_json::from_str(&text)
                    .with_context(|| format!("a TCP end failed\n{}", process.tail()))
            };
        let connector = account(&mut self.connector, &mut self.connector_says)?;
        let listener = account(&mut self.listener, &mut self.listener_says)?;
        let right = |account: &Account| account.first_wrong.unwrap_or(account.received);
        let whole = |account: &Account, other: &Account| {
            account.first_wrong.is_none()
                && account.broken.is_none()
                && account.received == other.sent
                && account.received > 0
        };
        Ok(Outcome {
            bytes: right(&connector) + right(&listener),
            intact: whole(&connector, &listener) && whole(&listener, &connector),
            connector,
            listener,
        })
    }
}

/// One end of a session, as a program: runs until the session is over and prints its account.
///
/// # Errors
/// When the session cannot be opened at all.
pub fn run(side: Side, address: SocketAddr, rate: u64) -> Result<()> {
    let stream = match side {
        Side::Listen => {
            let listener = TcpListener::bind(address).context("cannot listen")?;
            writeln!(std::io::stdout(), "ready")?;
            listener.accept().context("no session came")?.0
        }
        Side::Connect => {
            let stream = TcpStream::connect_timeout(&address, Duration::from_secs(30))
                .with_context(|| format!("cannot connect to {address}"))?;
            writeln!(std::io::stdout(), "ready")?;
            stream
        }
    };
    stream.set_nodelay(true)?;
    let over = Arc::new(AtomicBool::new(false));
    if side == Side::Connect {
        let over = Arc::clone(&over);
        std::thread::spawn(move || {
            while std::io::stdin()
                .read(&mut [0; 64])
                .is_ok_and(|read| read > 0)
            {}
            over.store(true, Ordering::Relaxed);
        });
    }
    let account = exchange(side, &stream, rate, &over);
    println!("{}", serde_json::to_string(&account)?);
    Ok(())
}

fn exchange(side: Side, stream: &TcpStream, rate: u64, over: &AtomicBool) -> Account {
    let sent = AtomicU64::new(0);
    let (mut received, mut first_wrong, mut broken) = (0, None, None);
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| send(side.seed(), stream, rate, over, &sent));
        let mut buffer = vec![0; 65_536];
        let seed = side.other().seed();
        loop {
            match (&mut &*stream).read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => {
                    for (&got, at) in buffer.iter().take(length).zip(received..) {
                        if got != byte(seed, at) {
                            first_wrong.get_or_insert(at);
                        }
                    }
                    received += length as u64;
                }
                Err(error) => {
                    broken = Some(error.to_string());
                    break;
                }
            }
        }
        // The other end has finished, or the session is broken: so do we.
        over.store(true, Ordering::Relaxed);
        match sender.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => broken = Some(format!("{error:#}")),
            Err(_) => broken = Some("the sender failed".into()),
        }
    });
    Account {
        sent: sent.load(Ordering::Relaxed),
        received,
        first_wrong,
        broken,
    }
}

fn send(
    seed: u64,
    mut stream: &TcpStream,
    rate: u64,
    over: &AtomicBool,
    sent: &AtomicU64,
) -> Result<()> {
    let piece = (rate / PIECES).max(1);
    let mut next = Instant::now();
    let mut at = 0;
    while !over.load(Ordering::Relaxed) {
        let bytes: Vec<u8> = (at..at + piece).map(|at| byte(seed, at)).collect();
        if let Err(error) = stream.write_all(&bytes) {
            bail!("cannot send after {at} bytes: {error}");
        }
        at += piece;
        sent.store(at, Ordering::Relaxed);
        // After a stall the pace is taken up again, not made up for.
        next = (next + Duration::from_secs(1) / PIECES as u32).max(Instant::now());
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    stream
        .shutdown(Shutdown::Write)
        .context("cannot finish the stream")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a listening end against `peer` over loopback.
    fn against(peer: impl FnOnce(TcpStream) + Send) -> Account {
        let listener = TcpListener::bind("[::1]:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::scope(|scope| {
            scope.spawn(move || peer(TcpStream::connect(address).expect("a session")));
            let stream = listener.accept().expect("a session").0;
            exchange(Side::Listen, &stream, 1_000_000, &AtomicBool::new(false))
        })
    }

    #[test]
    fn a_whole_session_is_intact_on_both_ends() {
        let (tell, told) = std::sync::mpsc::channel();
        let listener = against(|stream| {
            let over = AtomicBool::new(false);
            std::thread::scope(|scope| {
                let end = scope.spawn(|| exchange(Side::Connect, &stream, 1_000_000, &over));
                std::thread::sleep(Duration::from_millis(200));
                over.store(true, Ordering::Relaxed);
                tell.send(end.join().expect("an account")).expect("told");
            });
        });
        let connector = told.recv().expect("an account");
        assert_eq!((connector.first_wrong, listener.first_wrong), (None, None));
        assert_eq!((connector.broken, listener.broken), (None, None));
        assert_eq!(connector.sent, listener.received);
        assert_eq!(listener.sent, connector.received);
        assert!(listener.received > 0);
    }

    #[test]
    fn a_wrong_byte_is_found_where_it_is() {
        let account = against(|mut stream| {
            let mut bytes: Vec<u8> = (0..5_000)
                .map(|at| byte(Side::Connect.seed(), at))
                .collect();
            bytes[4_321] ^= 1;
            stream.write_all(&bytes).expect("sent");
            stream.shutdown(Shutdown::Write).expect("finished");
            // What the listening end sends is read, so that it is not reset.
            std::io::copy(&mut stream, &mut std::io::sink()).expect("read");
        });
        assert_eq!(account.first_wrong, Some(4_321));
        assert_eq!(account.received, 5_000);
    }
}
