//! Kea, the DHCPv6 server, as far as a MAAR works with it beside relaying: its lease database, and whether
//! its subnets are our pools (S2-38, S2-40, S2-41).
//!
//! ```text
//!   engine ─► LeaseSource ─► task ─► Channel: lease6-get-by-duid   leases of a name, everywhere
//!                              │              lease6-add           its address in the prefix that we gave it
//!                              │              lease6-update        an old lease lasts on, deprecated
//!                              │              lease6-del           an old lease ends
//!                              │              config-get           subnets against pools, now and then
//!                              └─► Answered ─► engine
//! ```
//!
//! A subnet of the server is a whole pool of ours, of which we give each host a prefix. The server would
//! lease any address of it; it leases the one that it finds in its database for that name and association,
//! so the address of the host's prefix is put there before the server sees the host's first message.

mod channel;
mod lease;
mod pools;

pub use channel::{Channel, Failure, NoChannel};
pub use pools::{compare, Mismatches};

use super::former::{Answered, LeaseChange, LeaseSource, Question, ServerLease};
use crate::rpc::types;
use parking_lot::Mutex;
use serde_json::{json, Value};
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, Notify};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{timeout_at, Instant};
use wire::mh::HomeNetworkPrefix;

/// Questions and changes that wait for the task.
const WAITING: usize = 256;

/// Questions and changes that are with the server at a time.
const AT_ONCE: usize = 16;

/// Longest time for a question, from when it is asked: a host's message waits for the answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Time between two looks at the server's configuration.
const LOOK: Duration = Duration::from_secs(30);

/// How a server is worked with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it is told what to do.
    pub channel: Channel,
    /// What this gateway gives hosts prefixes of.
    pub pools: Vec<HomeNetworkPrefix>,
}

/// What the looks at the server's configuration come to. Clones are the same.
#[derive(Clone, Debug)]
pub struct Looks {
    channel: Channel,
    last: Arc<Mutex<Look>>,
    again: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Look {
    looks: u64,
    wrong: Mismatches,
}

impl Looks {
    fn new(channel: Channel) -> Self {
        Self {
            channel,
            last: Arc::default(),
            again: Arc::default(),
        }
    }

    /// What the last one came to. Another one follows at once.
    pub fn view(&self) -> types::Dhcp {
        self.again.notify_one();
        let last = self.last.lock();
        types::Dhcp {
            server: self.channel.to_string(),
            looks: last.looks,
            mismatches: last.wrong.clone(),
        }
    }
}

/// The end of the task that the control loop has.
pub struct Kea {
    asks: mpsc::Sender<Ask>,
    /// What the task tells.
    pub told: mpsc::Receiver<Answered>,
    looks: Looks,
    _task: Task,
}

/// A task that ends with its owner.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

enum Ask {
    Find(Question, Instant),
    Change(LeaseChange),
}

/// The task's end of the questions.
struct Source(mpsc::Sender<Ask>);

impl LeaseSource for Source {
    fn ask(&mut self, question: Question) -> bool {
        let ask = Ask::Find(question, Instant::now() + PATIENCE);
        self.0.try_send(ask).is_ok()
    }

    fn change(&mut self, change: LeaseChange) {
        // A server that is that far behind lets leases end by themselves.
        let _ = self.0.try_send(Ask::Change(change));
    }
}

impl Kea {
    /// Starts the task, on the runtime that this is called on.
    pub fn start(settings: Settings) -> Self {
        let (asks, asked) = mpsc::channel(WAITING);
        let (tell, told) = mpsc::channel(WAITING);
        let looks = Looks::new(settings.channel.clone());
        let task = tokio::spawn(serve(settings, asked, tell, looks.clone()));
        Self {
            asks,
            told,
            looks,
            _task: Task(task),
        }
    }

    /// The server's lease database.
    pub fn source(&self) -> Box<dyn LeaseSource> {
        Box::new(Source(self.asks.clone()))
    }

    /// What the looks at its configuration come to.
    pub fn looks(&self) -> Looks {
        self.looks.clone()
    }
}

async fn serve(
    settings: Settings,
    mut asked: mpsc::Receiver<Ask>,
    tell: mpsc::Sender<Answered>,
    looks: Looks,
) {
    let settings = Arc::new(settings);
    let mut running = JoinSet::new();
    let mut clock = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            _ = clock.tick() => looks.again.notify_one(),
            () = looks.again.notified(), if running.len() < AT_ONCE => {
                let (settings, last) = (Arc::clone(&settings), Arc::clone(&looks.last));
                running.spawn(async move { look(&settings, &last).await });
            }
            ask = asked.recv(), if running.len() < AT_ONCE => {
                let (settings, tell) = (Arc::clone(&settings), tell.clone());
                match ask {
                    None => return,
                    Some(Ask::Find(question, until)) => {
                        running.spawn(async move {
                            let answered = find(&settings, question, until).await;
                            let _ = tell.send(answered).await;
                        });
                    }
                    Some(Ask::Change(change)) => {
                        running.spawn(async move { alter(&settings, change).await });
                    }
                }
            }
            Some(_) = running.join_next() => {}
        }
    }
}

/// Compares our pools with the server's subnets, and says what has changed.
async fn look(settings: &Settings, last: &Mutex<Look>) {
    let wrong = match seen(settings).await {
        Ok(wrong) => wrong,
        Err(failure) => vec![format!(
            "the server at {} cannot be asked: {failure}; see that it runs with a `control-socket`",
            settings.channel
        )],
    };
    let mut last = last.lock();
    if last.looks == 0 || last.wrong != wrong {
        for each in &wrong {
            tracing::warn!("DHCPv6: {each}");
        }
        if wrong.is_empty() {
            tracing::info!(server = %settings.channel, "the DHCPv6 server leases our pools");
        }
    }
    last.looks += 1;
    last.wrong = wrong;
}

async fn seen(settings: &Settings) -> Result<Mismatches, Failure> {
    let ask = |command| settings.channel.command(command, Value::Null);
    let commands = ask("list-commands").await?.unwrap_or_default();
    let configuration = ask("config-get").await?.unwrap_or_default();
    Ok(compare(&settings.pools, &configuration, &commands))
}

/// The leases of a name. Each of its associations has one in the prefix of the host then.
async fn find(settings: &Settings, question: Question, until: Instant) -> Answered {
    let placed = timeout_at(until, placed(settings, &question)).await;
    let late = |_| Err(io::Error::from(io::ErrorKind::TimedOut).into());
    let leases = match placed.unwrap_or_else(late) {
        Ok(leases) => Some(leases),
        Err(failure) => {
            tracing::warn!(host = %question.link.mac, %failure, "the DHCPv6 server's leases are not known");
            None
        }
    };
    Answered { question, leases }
}

async fn placed(settings: &Settings, question: &Question) -> Result<Vec<ServerLease>, Failure> {
    let duid = lease::name(&question.duid);
    let channel = &settings.channel;
    let asked = json!({ "duid": duid });
    let answer = channel.command("lease6-get-by-duid", asked).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let mut leases = lease::read(&answer.unwrap_or_default(), now.unwrap_or_default());
    let here = question.prefix;
    // Those of prefixes of ours that it no longer has stand in the way: the server would lease them.
    let stale = |it: &mut ServerLease| {
        let ours = settings.pools.iter().any(|pool| pool.contains(it.address));
        ours && !here.contains(it.address) && question.associations.contains(&it.association)
    };
    for stale in leases.extract_if(.., stale) {
        let old = json!({ "ip-address": stale.address });
        channel.command("lease6-del", old).await?;
    }
    for &association in &question.associations {
        let has = |it: &ServerLease| it.association == association && here.contains(it.address);
        if !leases.iter().any(has) {
            let lease = json!({
                "ip-address": lease::address(here, &question.duid, association),
                "duid": duid,
                "iaid": association,
            });
            channel.command("lease6-add", lease).await?;
        }
    }
    Ok(leases)
}

async fn alter(settings: &Settings, change: LeaseChange) {
    let (command, arguments) = match &change {
        LeaseChange::Keep(lease) => ("lease6-update", lease::kept(lease)),
        LeaseChange::End(address) => ("lease6-del", json!({ "ip-address": address })),
    };
    if let Err(failure) = settings.channel.command(command, arguments).await {
        tracing::warn!(%failure, ?change, "the DHCPv6 server does not change a lease");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roles::event::HostLink;
    use tokio::net::UnixListener;

    /// A hundred hosts ask while the server takes commands and says nothing: each message goes on after
    /// the one second that it may wait, those too that wait for others.
    #[test]
    fn a_silent_server_holds_nobody_for_longer_than_a_second() {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let directory = tempfile::tempdir().expect("a directory");
            let path = directory.path().join("kea6.sock");
            let _silent = UnixListener::bind(&path).expect("a socket");
            let mut kea = Kea::start(Settings {
                channel: Channel::Unix(path),
                pools: Vec::new(),
            });
            let mut source = kea.source();
            let begun = Instant::now();
            for host in 0..100 {
                let asked = source.ask(Question {
                    link: HostLink {
                        interface: 0,
                        mac: wire::ether::MacAddr([2, 0, 0, 0, 0, host]),
                    },
                    duid: vec![host],
                    associations: vec![1],
                    prefix: "2001:db8:1::/64".parse().expect("a prefix"),
                });
                assert!(asked);
            }
            for _ in 0..100 {
                let answered = kea.told.recv().await.expect("an answer");
                assert_eq!(answered.leases, None);
            }
            assert!(begun.elapsed() < PATIENCE * 2, "{:?}", begun.elapsed());
        });
    }
}
