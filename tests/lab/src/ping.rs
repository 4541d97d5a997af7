//! A ping that keeps books: 100 echo requests a second, each with the time it left and the time its
//! answer came.
//!
//! The measuring end is a process of its own on the host ([`send`]), which tells every event as a
//! line; the lab reads them ([`Pinger`]) and counts over any stretch of time it likes ([`Books`]).

use crate::gateway::Programs;
use crate::host::Host;
use crate::process::{Errors, Process};
use anyhow::{bail, Context, Result};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::process::ChildStdin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;

/// How long late answers are waited for at the end.
const LATE: Duration = Duration::from_millis(1_000);

/// Microseconds since 1970.
pub fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    })
}

/// What one echo request met with. Times are microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// When it was sent.
    pub sent_us: u64,
    /// When its first answer came.
    pub back_us: Option<u64>,
}

/// All echo requests so far, in the order of sending.
#[derive(Clone, Debug, Default)]
pub struct Books(Vec<Echo>);

/// A stretch of time, as its echo requests saw it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// Requests sent in it.
    pub sent: usize,
    /// Of those, never answered.
    pub lost: usize,
    /// Longest time in it without any answer arriving, in milliseconds.
    pub longest_gap_ms: f64,
}

impl Books {
    /// What the requests sent from `from_us` until `to_us` (not included) met with. A gap counts from
    /// the last answer before the stretch; one that has not ended counts until `to_us`.
    pub fn stretch(&self, from_us: u64, to_us: u64) -> Stretch {
        let sent = self
            .0
            .iter()
            .filter(|echo| (from_us..to_us).contains(&echo.sent_us));
        let lost = sent.clone().filter(|echo| echo.back_us.is_none()).count();
        let mut arrivals: Vec<u64> = self.0.iter().filter_map(|echo| echo.back_us).collect();
        arrivals.sort_unstable();
        let before = arrivals.iter().rev().find(|&&at| at < from_us);
        let mut last = before.copied().unwrap_or(from_us);
        let mut gap = 0;
        for at in arrivals
            .into_iter()
            .filter(|at| (from_us..to_us).contains(at))
        {
            gap = gap.max(at - last);
            last = at;
        }
        gap = gap.max(to_us.saturating_sub(last.max(from_us)));
        Stretch {
            sent: sent.count(),
            lost,
            longest_gap_ms: gap as f64 / 1e3,
        }
    }

    /// The first request sent at `from_us` or later that was answered.
    pub fn first_through(&self, from_us: u64) -> Option<Echo> {
        let mut later = self.0.iter().filter(|echo| echo.sent_us >= from_us);
        later.find(|echo| echo.back_us.is_some()).copied()
    }

    fn enter(&mut self, line: &str) {
        let mut words = line.split(' ');
        let (word, number, time) = (words.next(), words.next(), words.next());
        let number = number.and_then(|text| text.parse::<usize>().ok());
        let time = time.and_then(|text| text.parse::<u64>().ok());
        match (word, number, time) {
            (Some("sent"), Some(number), Some(sent_us)) if number == self.0.len() => {
                self.0.push(Echo {
                    sent_us,
                    back_us: None,
                });
            }
            (Some("back"), Some(number), Some(time)) => {
                if let Some(echo) = self.0.get_mut(number) {
                    echo.back_us.get_or_insert(time);
                }
            }
            _ => {}
        }
    }
}

/// A ping that runs on a host.
#[derive(Debug)]
pub struct Pinger {
    process: Process,
    stdin: Option<ChildStdin>,
    shared: Arc<(Mutex<Books>, Condvar)>,
    reader: Option<JoinHandle<()>>,
}

impl Pinger {
    /// Starts to ping `to` from `host`, once every `interval`.
    ///
    /// # Errors
    /// When the measuring end does not start.
    pub fn start(
        programs: &Programs,
        host: &Host,
        to: Ipv6Addr,
        interval: Duration,
        log: &std::path::Path,
    ) -> Result<Self> {
        let program = programs.demo.to_str().context("a path that is not text")?;
        let (to, interval) = (to.to_string(), interval.as_micros().to_string());
        let words = [program, "ping", "--to", &to, "--interval-us", &interval];
        let mut process = Process::start(&host.namespace, "the ping", &words, &Errors::File(log))?;
        let stdout = process.stdout().context("no pipe from the ping")?;
        let stdin = process.stdin();
        let shared = Arc::new((Mutex::new(Books::default()), Condvar::new()));
        let for_reader = Arc::clone(&shared);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let mut books = for_reader.0.lock().unwrap_or_else(PoisonError::into_inner);
                books.enter(&line);
                for_reader.1.notify_all();
            }
        });
        Ok(Self {
            process,
            stdin,
            shared,
            reader: Some(reader),
        })
    }

    /// The books as they stand.
    pub fn books(&self) -> Books {
        self.shared
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until a request that was sent at `from_us` or later is answered.
    ///
    /// # Errors
    /// When none is within `limit`.
    pub fn wait_through(&self, from_us: u64, limit: Duration) -> Result<Echo> {
        let end = Instant::now() + limit;
        let mut books = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(echo) = books.first_through(from_us) {
                return Ok(echo);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!(
                    "no echo request was answered within {limit:?}\n{}",
                    self.process.tail()
                );
            }
            let woken = self.shared.1.wait_timeout(books, left);
            books = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Stops pinging, waits for late answers and closes the books.
    ///
    /// # Errors
    /// When the measuring end failed.
    pub fn stop(mut self) -> Result<Books> {
        drop(self.stdin.take());
        let status = self.process.wait(LATE + Duration::from_secs(5))?;
        if !status.success() {
            bail!("the ping ended with {status}\n{}", self.process.tail());
        }
        if let Some(reader) = self.reader.take() {
            // It ends with the process's output.
            if reader.join().is_err() {
                bail!("the reader of the ping failed");
            }
        }
        Ok(self.books())
    }
}

/// The measuring end: pings `to` every `interval` until standard input is closed, and writes
/// `sent NUMBER TIME` and `back NUMBER TIME` lines. Requests that the kernel refuses to send for lack
/// of a route or an address are not counted as sent.
///
/// # Errors
/// When raw sockets are not allowed.
pub fn send(to: Ipv6Addr, interval: Duration) -> Result<()> {
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))
        .context("raw sockets need root (CAP_NET_RAW)")?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    // One identifier per process tells our answers from others'.
    let [.., high, low] = std::process::id().to_be_bytes();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| receive(&socket, [high, low], &ended));
        let stop = Arc::new(AtomicBool::new(false));
        let for_input = Arc::clone(&stop);
        std::thread::spawn(move || {
            // Anything but more input means the end.
            while std::io::stdin()
                .read(&mut [0; 64])
                .is_ok_and(|read| read > 0)
            {}
            for_input.store(true, Ordering::Relaxed);
        });
        let target = SockAddr::from(SocketAddrV6::new(to, 0, 0, 0));
        let mut next = Instant::now();
        let mut number: u64 = 0;
        while !stop.load(Ordering::Relaxed) {
            let mut packet = vec![ECHO_REQUEST, 0, 0, 0, high, low];
            packet.extend(number.to_be_bytes().split_at(6).1);
            packet.extend(number.to_be_bytes());
            packet.resize(64, 0xa5);
            // Locked over both, so that the answer is not told before the request.
            let mut out = std::io::stdout().lock();
            let time = now_us();
            if socket.send_to(&packet, &target).is_ok() {
                writeln!(out, "sent {number} {time}")?;
                number += 1;
            }
            drop(out);
            next += interval;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        std::thread::sleep(LATE);
        ended.store(true, Ordering::Relaxed);
        Ok(())
    })
}

fn receive(mut socket: &Socket, identifier: [u8; 2], ended: &AtomicBool) {
    let mut packet = [0; 2048];
    while !ended.load(Ordering::Relaxed) {
        let length = match socket.read(&mut packet) {
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
            Err(_) => return,
        };
        let time = now_us();
        let Some([ECHO_REPLY, _, _, _, high, low, _, _, rest @ ..]) = packet.get(..length) else {
            continue;
        };
        if let (true, Some(number)) = ([*high, *low] == identifier, rest.first_chunk::<8>()) {
            let number = u64::from_be_bytes(*number);
            if writeln!(std::io::stdout(), "back {number} {time}").is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten requests 10 ms apart, answered after 1 ms, the numbers in `lost` never.
    fn books(lost: &[u64]) -> Books {
        let mut books = Books::default();
        for number in 0..10 {
            books.enter(&format!("sent {number} {}", number * 10_000));
            if !lost.contains(&number) {
                books.enter(&format!("back {number} {}", number * 10_000 + 1_000));
            }
        }
        books
    }

    #[test]
    fn losses_and_gaps_are_counted_in_the_stretch_asked_for() {
        let all = books(&[4, 5]).stretch(30_000, 90_000);
        assert_eq!((all.sent, all.lost), (6, 2));
        assert!((all.longest_gap_ms - 30.0).abs() < 1e-9, "{all:?}");
        let none = books(&[4, 5]).stretch(60_000, 90_000);
        assert_eq!((none.sent, none.lost), (3, 0));
    }

    #[test]
    fn a_gap_that_does_not_end_counts_to_the_end() {
        let cut = books(&[5, 6, 7, 8, 9]).stretch(20_000, 100_000);
        assert!((cut.longest_gap_ms - 59.0).abs() < 1e-9, "{cut:?}");
    }

    #[test]
    fn the_first_answered_request_is_found() {
        let echo = books(&[4, 5]).first_through(40_000);
        assert_eq!(
            echo,
            Some(Echo {
                sent_us: 60_000,
                back_us: Some(61_000)
            })
        );
    }

    #[test]
    fn a_second_answer_does_not_count() {
        let mut books = books(&[]);
        books.enter("back 3 99000");
        assert_eq!(books.0[3].back_us, Some(31_000));
    }
}
