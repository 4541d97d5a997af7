//! AAA as the control loop has it: started from the configuration, asked through policies, listened to.

use super::authorization::Defaults;
use super::codec::{Nas, Question};
use super::counters::{AaaCounter, AaaCounters};
use super::ledger::{Ledger, RecordKind};
use super::orders::Orders;
use super::policy::RadiusPolicy;
use super::status::{Status, View};
use super::task::{Finish, Task, Told};
use crate::config::{self, Config, Unreachable};
use crate::policy::{AccessPolicy, FilePolicy};
use crate::rpc::types;
use crate::secret::Secret;
use roles::event::HostLink;
use roles::Now;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Questions on their way to the task.
const QUESTIONS: usize = 4_096;

/// What the task has told and control has not heard yet.
const TOLD: usize = 256;

/// How long records may still take to reach a server when the gateway ends.
const GOODBYE: Duration = Duration::from_secs(3);

/// What policies go by.
#[derive(Debug)]
pub(super) struct Settings {
    pub user_name: String,
    pub password: String,
    pub defaults: Defaults,
    pub when_unreachable: Unreachable,
    interfaces: Vec<String>,
    servers: Vec<(SocketAddr, SocketAddr)>,
    accounting: bool,
    clients: usize,
}

impl Settings {
    /// Addresses of the servers, for questions and for records.
    pub(super) fn servers(&self) -> &[(SocketAddr, SocketAddr)] {
        &self.servers
    }

    /// Name of the access interface of a host.
    pub(super) fn port(&self, link: HostLink) -> String {
        let name = self.interfaces.get(usize::from(link.interface));
        name.cloned().unwrap_or_else(|| link.interface.to_string())
    }
}

/// What the rest of control asks AAA through. Clones are the same.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) settings: Arc<Settings>,
    pub(super) questions: mpsc::Sender<Question>,
    pub(super) counters: AaaCounters,
    pub(super) status: Status,
}

impl Handle {
    /// The servers as a policy; `file` is what may go for hosts when none answers.
    pub fn policy(&self, file: FilePolicy) -> Box<dyn AccessPolicy> {
        Box::new(RadiusPolicy::new(self.clone(), file))
    }

    /// What was counted.
    pub const fn counters(&self) -> &AaaCounters {
        &self.counters
    }

    /// Address and port of a server, for questions or for records.
    pub(crate) fn server(&self, server: usize, accounting: bool) -> String {
        let known = self.settings.servers.get(server);
        known.map_or_else(String::new, |(access, records)| match accounting {
            true => records.to_string(),
            false => access.to_string(),
        })
    }

    /// How AAA does, with how many sessions there are.
    pub(crate) fn view(&self, sessions: usize) -> types::Aaa {
        let View {
            access,
            accounting,
            questions,
            records,
        } = self.status.get();
        let server =
            |use_: &str, address: SocketAddr, view: &super::client::ServerView| types::AaaServer {
                used_for: use_.to_owned(),
                address: address.to_string(),
                dead: view.dead,
                requests: view.requests,
                answers: view.answers,
                timeouts: view.timeouts,
                round_trip_us: view.round_trip.map(|it| it.as_secs_f64() * 1e6),
            };
        let addresses = || self.settings.servers.iter();
        let asked = addresses().zip(&access);
        let asked = asked.map(|((address, _), view)| server("access", *address, view));
        let told = addresses().zip(&accounting);
        let told = told.map(|((_, address), view)| server("accounting", *address, view));
        types::Aaa {
            reachable: access.iter().any(|server| !server.dead),
            when_unreachable: self.settings.when_unreachable.name().to_owned(),
            sessions: sessions as u64,
            questions: (questions.0 + questions.1) as u64,
            accounting: self.settings.accounting,
            records: (records.0 + records.1) as u64,
            records_lost: self.counters.get(AaaCounter::RecordsLost),
            order_clients: self.settings.clients as u64,
            servers: asked.chain(told).collect(),
        }
    }
}

/// AAA. Dropping it ends its task.
#[derive(Debug)]
pub struct Aaa {
    handle: Handle,
    /// What the task tells.
    pub told: mpsc::Receiver<Told>,
    ledger: Option<Ledger>,
    finish: mpsc::Sender<Finish>,
    task: JoinHandle<()>,
}

impl Drop for Aaa {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A secret that was there when the configuration was checked.
fn secret(path: &Path) -> io::Result<Secret> {
    let wrong = |unusable| io::Error::other(format!("{} {unusable}", path.display()));
    Secret::read(path).map_err(wrong)
}

impl Aaa {
    /// Starts what `[aaa]` says on the tokio runtime of the caller; `None` when there is no such table.
    ///
    /// # Errors
    /// A secret cannot be read any more, or the address for orders is not ours or taken.
    pub async fn start(config: &Config, now: Now) -> io::Result<Option<Self>> {
        let access = match (&config.mag, &config.maar) {
            (Some(mag), _) => Some((mag.address, mag.access_technology, None)),
            (None, Some(maar)) => {
                let anchor = maar.cmd.unwrap_or(maar.address);
                Some((maar.address, maar.access_technology, Some(anchor)))
            }
            (None, None) => None,
        };
        let (Some(aaa), Some((address, access_technology, roaming))) = (&config.aaa, access) else {
            return Ok(None);
        };
        let counters = AaaCounters::default();
        let nas = Arc::new(Nas {
            identifier: aaa.nas_identifier.clone().unwrap_or_default(),
            address,
            port_type: port_type(access_technology),
        });
        let secrets = aaa.server.iter().map(|it| secret(&it.secret_file));
        let secrets = secrets.collect::<io::Result<Vec<_>>>()?;
        let fallback = |it: &config::AaaServer| it.accounting.unwrap_or(it.address);
        let servers = aaa.server.iter().map(|it| (it.address, fallback(it)));
        let settings = Arc::new(Settings {
            user_name: aaa.user_name.clone(),
            password: aaa.password.clone(),
            defaults: Defaults {
                lma: aaa.lma,
                roaming,
                managed: aaa.managed,
                other: aaa.other,
                interim_interval: Duration::from_secs(aaa.interim_interval.into()),
            },
            when_unreachable: aaa.when_unreachable,
            interfaces: config.interface.iter().map(|it| it.name.clone()).collect(),
            servers: servers.collect(),
            accounting: aaa.accounting,
            clients: aaa.dynamic.as_ref().map_or(0, |it| it.client.len()),
        });
        let orders = match &aaa.dynamic {
            Some(dynamic) => {
                let clients = dynamic.client.iter();
                let clients = clients.map(|it| Ok((it.address, secret(&it.secret_file)?)));
                let orders = Orders::new(
                    clients.collect::<io::Result<Vec<_>>>()?,
                    Arc::clone(&nas),
                    Duration::from_secs(dynamic.window.into()),
                    dynamic.require_event_timestamp,
                    counters.clone(),
                );
                let socket = tokio::net::UdpSocket::bind(dynamic.listen).await;
                let why = |error| {
                    let text = format!(
                        "[aaa.dynamic] listen = \"{}\": {error}; name an address of this machine and a port that is free",
                        dynamic.listen
                    );
                    io::Error::other(text)
                };
                Some((socket.map_err(why)?, orders))
            }
            None => None,
        };
        let (mut ledger, records) = Ledger::new(now, aaa.accounting_queue, counters.clone());
        if aaa.accounting {
            ledger.put_own(now, RecordKind::On);
        }
        let (questions, asked) = mpsc::channel(QUESTIONS);
        let (tell, told) = mpsc::channel(TOLD);
        let (finish, end) = mpsc::channel(1);
        let status = Status::default();
        let handle = Handle {
            settings,
            questions,
            counters,
            status,
        };
        let task = Task::new(&handle, nas, secrets, timing(aaa), orders, tell);
        Ok(Some(Self {
            handle,
            told,
            ledger: aaa.accounting.then_some(ledger),
            finish,
            task: tokio::spawn(task.run(asked, records, end)),
        }))
    }

    /// What the rest of control asks it through.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Where records go, once; `None` when no account is kept.
    pub fn take_ledger(&mut self) -> Option<Ledger> {
        self.ledger.take()
    }

    /// Lets records reach their servers, for a few seconds at most. The ledger is to be dropped before.
    pub async fn finish(mut self) {
        self.told.close();
        let (done, ended) = oneshot::channel();
        if self.finish.send(Finish(done)).await.is_ok() {
            let _ = tokio::time::timeout(GOODBYE, ended).await;
        }
        let (on_their_way, waiting) = self.handle.status.get().records;
        let lost = on_their_way + waiting;
        if lost > 0 {
            let counters = &self.handle.counters;
            counters.add(AaaCounter::RecordsLost, lost as u64);
            tracing::warn!(lost, "accounting records did not reach a server");
        }
    }
}

/// When requests are sent again.
fn timing(aaa: &config::Aaa) -> super::client::Timing {
    super::client::Timing {
        timeout: Duration::from_millis(aaa.timeout_ms.into()),
        transmissions: aaa.transmissions,
        dead_time: Duration::from_secs(aaa.dead_time.into()),
    }
}

/// NAS-Port-Type of an access technology (RFC 5213 section 8.5, RFC 2865 section 5.41).
const fn port_type(access_technology: u8) -> u32 {
    match access_technology {
        1 => 5,
        3 => 15,
        4 => 19,
        5 => 27,
        _ => 18,
    }
}
