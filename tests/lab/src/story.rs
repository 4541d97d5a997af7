//! The story that the demonstration tells: a host attaches, talks, moves, moves back and leaves.
//!
//! ```text
//!  plug in at mag1 ─► address ─► ping, TCP ─► to mag2 ─► back to mag1 ─► detach
//!                                              │           │
//!                            new gateway first ┘           └ old gateway first
//! ```
//!
//! The host is noticed in each of the three ways: by the solicitation that it sends when its link comes
//! up, by its packets, and by the word of the access network. In the first handover it is at the new
//! gateway before the old one knows that it left; its packets attach it, and the LMA tells the old
//! gateway by a revocation. In the second the access network tells both: the old gateway first, and there is a moment
//! between the two links in which the host is nowhere.

use crate::capture::Capture;
use crate::domain::Domain;
use crate::gateway::Programs;
use crate::host::{Host, INTERFACE};
use crate::network::End;
use crate::ping::{now_us, Books, Pinger};
use crate::rpc::Notice;
use crate::topology::{Plan, Topology, ACCESS, CN, CORE, MN_MAC};
use crate::transfer::{Outcome, Transfer};
use anyhow::{ensure, Context, Result};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Time between two echo requests: 100 of them a second.
const PING_INTERVAL: Duration = Duration::from_millis(10);

/// Octets per second that the TCP session carries in each direction.
const TCP_RATE: u64 = 2_000_000;

/// How long each part of the story goes on after its last event, so that it can be measured.
const SETTLE: Duration = Duration::from_secs(2);

/// Longest wait for anything that has to happen.
const LIMIT: Duration = Duration::from_secs(20);

/// What the story needs.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The programs.
    pub programs: Programs,
    /// Directory of the configurations `lma.toml`, `mag1.toml` and `mag2.toml`.
    pub conf: PathBuf,
    /// Where captures are kept.
    pub pcaps: PathBuf,
}

/// One handover, measured.
#[derive(Clone, Debug, Serialize)]
pub struct Handover {
    /// Its number, from 1.
    pub n: u32,
    /// Echo requests sent from the move until things had settled.
    pub sent: usize,
    /// Of those, never answered.
    pub lost: usize,
    /// Longest time without an answer, in milliseconds.
    pub longest_gap_ms: f64,
    /// From the new gateway's update to the acknowledgement it took, in microseconds.
    pub signalling_us: u64,
}

/// What the story came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The handovers.
    pub handovers: Vec<Handover>,
    /// Octets that the TCP session carried, both directions summed, all checked.
    pub tcp_bytes: u64,
    /// Whether it carried them all, in order and unchanged.
    pub tcp_intact: bool,
    /// From the host's link coming up to its first echo request that was answered, in milliseconds.
    /// Most of it is the host's own duplicate address detection.
    pub attach_ms: f64,
    /// The captures, one of every link.
    pub pcaps: Vec<PathBuf>,
}

/// Runs the story and tells it line by line to `tell`.
///
/// # Errors
/// When a part of it cannot be run. A session that broke is not an error but in the report.
pub fn run(setting: &Setting, tell: &mut dyn FnMut(&str)) -> Result<Report> {
    tell("laying out hosts, gateways and links in network namespaces");
    let network = Topology::lay(Plan::default())?;
    let mn = network.mobile_node("mn", MN_MAC)?;
    let captures = capture_all(&network, &setting.pcaps)?;
    tell("starting lma, mag1 and mag2");
    let mut domain = Domain::start(network, &setting.programs, &setting.conf, |_, _| {})?;

    let mut stage = Stage {
        domain: &domain,
        mn: &mn,
        start_us: now_us(),
        taken: 0,
        untold: Vec::new(),
        tell,
    };
    let played = stage.play();
    stage.tell_all();
    let Played {
        attach_ms,
        moves: [first, second],
        books,
        outcome,
    } = match played {
        Ok(played) => played,
        Err(error) => {
            tell(&domain.troubles());
            return Err(error);
        }
    };
    let handovers = vec![first.measure(1, &books), second.measure(2, &books)];

    domain.stop_well()?;
    let pcaps = captures
        .into_iter()
        .map(Capture::stop)
        .collect::<Result<Vec<_>>>()?;
    for handover in &handovers {
        tell(&format!(
            "handover {}: lost {} of {} packets, longest gap {:.0} ms, signalling {} us",
            handover.n,
            handover.lost,
            handover.sent,
            handover.longest_gap_ms,
            handover.signalling_us
        ));
    }
    tell(&format!(
        "TCP session: {} bytes, {}",
        outcome.bytes,
        if outcome.intact {
            "every one as it was sent"
        } else {
            "BROKEN"
        }
    ));
    if !outcome.intact {
        tell(&format!(
            "  sender: {:?}\n  receiver: {:?}",
            outcome.connector, outcome.listener
        ));
    }
    for path in &pcaps {
        tell(&format!("capture: {}", path.display()));
    }
    Ok(Report {
        handovers,
        tcp_bytes: outcome.bytes,
        tcp_intact: outcome.intact,
        attach_ms,
        pcaps,
    })
}

/// Captures every link where the kernel sees both directions: a DPDK port sends past the taps of its
/// own interface.
fn capture_all(network: &Topology, directory: &Path) -> Result<Vec<Capture>> {
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let directory = directory.canonicalize()?;
    let on_switch = [CORE, ACCESS[0], ACCESS[1]].map(|link| (&network.switch, link, link));
    std::iter::once((&network.cn.namespace, INTERFACE, "internet"))
        .chain(on_switch)
        .map(|(namespace, interface, link)| {
            let file = directory.join(format!("{link}.pcap"));
            Capture::start(
                End {
                    namespace,
                    interface,
                },
                &file,
            )
        })
        .collect()
}

/// A handover, before the books are closed.
struct Move {
    from_us: u64,
    to_us: u64,
    signalling_us: u64,
}

impl Move {
    fn measure(&self, n: u32, books: &Books) -> Handover {
        let stretch = books.stretch(self.from_us, self.to_us);
        Handover {
            n,
            sent: stretch.sent,
            lost: stretch.lost,
            longest_gap_ms: stretch.longest_gap_ms,
            signalling_us: self.signalling_us,
        }
    }
}

/// The story as it goes on.
struct Stage<'a> {
    domain: &'a Domain,
    mn: &'a Host,
    start_us: u64,
    /// Notices that have been taken into the timeline.
    taken: usize,
    /// Lines of the timeline that are not told yet: when, who, what.
    untold: Vec<(u64, String, String)>,
    tell: &'a mut dyn FnMut(&str),
}

/// A story that was played to its end.
struct Played {
    attach_ms: f64,
    moves: [Move; 2],
    books: Books,
    outcome: Outcome,
}

impl Stage<'_> {
    fn play(&mut self) -> Result<Played> {
        let (attach_ms, pinger, transfer) = self.attach()?;
        let moves = [
            self.new_gateway_first(&pinger)?,
            self.old_gateway_first(&pinger)?,
        ];
        let (books, outcome) = self.detach(pinger, transfer)?;
        Ok(Played {
            attach_ms,
            moves,
            books,
            outcome,
        })
    }

    fn attach(&mut self) -> Result<(f64, Pinger, Transfer)> {
        let log = self.domain.network.run.directory().join("hosts.log");
        let programs = &self.domain.programs;
        self.start_us = now_us();
        self.line(self.start_us, "mn", "its cable is plugged in at mag1");
        self.domain.network.plug(self.mn, 0)?;
        let address = self.mn.wait_for_address(LIMIT)?;
        let addressed_us = now_us();
        let pinger = Pinger::start(programs, self.mn, CN, PING_INTERVAL, &log)?;
        let first = pinger.wait_through(0, LIMIT)?;
        self.line(addressed_us, "mn", &format!("has configured {address}"));
        let back = first.back_us.unwrap_or(first.sent_us);
        self.line(back, "mn", "first packet through");
        let (from, to) = (&self.mn.namespace, &self.domain.network.cn.namespace);
        let transfer = Transfer::start(programs, from, to, CN, TCP_RATE, &log)?;
        self.line(now_us(), "mn", "TCP session to cn is open");
        self.tell_all();
        std::thread::sleep(SETTLE);
        Ok(((back - self.start_us) as f64 / 1e3, pinger, transfer))
    }

    fn new_gateway_first(&mut self, pinger: &Pinger) -> Result<Move> {
        let (from_us, from) = (now_us(), self.domain.notices.count());
        self.line(from_us, "mn", "moves to mag2");
        self.domain.network.plug(self.mn, 1)?;
        let signalling_us = self.registered("mag2", from)?;
        let through = pinger.wait_through(self.moved_us(from)?, LIMIT)?;
        self.line(
            through.back_us.unwrap_or(from_us),
            "mn",
            "first packet through",
        );
        self.tell_all();
        // The LMA has revoked what the old gateway had, in parallel with its answer to the new one.
        self.domain.wait_forgotten("mag1", LIMIT)?;
        self.line(now_us(), "mag1", "has forgotten mn");
        std::thread::sleep(SETTLE);
        self.tell_all();
        let to_us = now_us();
        Ok(Move {
            from_us,
            to_us,
            signalling_us,
        })
    }

    fn old_gateway_first(&mut self, pinger: &Pinger) -> Result<Move> {
        let (from_us, from) = (now_us(), self.domain.notices.count());
        self.line(
            from_us,
            "mn",
            "leaves mag2, which is told (anchorctl detach)",
        );
        self.domain.network.lift(self.mn)?;
        self.operator_detaches("mag2")?;
        self.line(
            now_us(),
            "mn",
            "moves to mag1, which is told (anchorctl attach)",
        );
        self.domain.network.plug(self.mn, 0)?;
        self.domain
            .anchorctl("mag1", &["attach", "access", MN_MAC])?;
        let signalling_us = self.registered("mag1", from)?;
        let through = pinger.wait_through(self.moved_us(from)?, LIMIT)?;
        self.line(
            through.back_us.unwrap_or(from_us),
            "mn",
            "first packet through",
        );
        std::thread::sleep(SETTLE);
        self.tell_all();
        let to_us = now_us();
        Ok(Move {
            from_us,
            to_us,
            signalling_us,
        })
    }

    fn detach(&mut self, pinger: Pinger, transfer: Transfer) -> Result<(Books, Outcome)> {
        let outcome = transfer.stop()?;
        self.line(now_us(), "mn", "TCP session closed");
        let books = pinger.stop()?;
        let from = self.domain.notices.count();
        self.line(
            now_us(),
            "mn",
            "its cable is unplugged; mag1 is told (anchorctl detach)",
        );
        self.domain.network.unplug(self.mn)?;
        self.operator_detaches("mag1")?;
        self.domain
            .notices
            .wait("the goodbye of mag1", from, LIMIT, |notice| {
                notice.gateway == "mag1" && notice.kind == "acknowledgement_received"
            })?;
        self.tell_all();
        Ok((books, outcome))
    }

    /// Waits until `mag` has registered the host, from place `from` of the notices on, and returns how
    /// long its update took to be acknowledged, in microseconds.
    fn registered(&self, mag: &str, from: usize) -> Result<u64> {
        let (notices, at_mag) = (&self.domain.notices, |notice: &Notice| {
            notice.gateway == mag
        });
        let update = notices.wait("an update from the new gateway", from, LIMIT, |notice| {
            at_mag(notice) && notice.registers()
        })?;
        let answer = notices.wait("its acknowledgement", from, LIMIT, |notice| {
            at_mag(notice)
                && notice.kind == "acknowledgement_received"
                && notice.monotonic_us >= update.monotonic_us
        })?;
        Ok(answer.monotonic_us - update.monotonic_us)
    }

    /// When the LMA moved the binding to the new gateway, in microseconds since 1970.
    fn moved_us(&self, from: usize) -> Result<u64> {
        let notice = self
            .domain
            .notices
            .wait("the binding at the LMA", from, LIMIT, |notice| {
                notice.gateway == "lma" && matches!(&*notice.kind, "binding_moved" | "binding_up")
            })?;
        Ok((notice.time * 1e6) as u64)
    }

    fn operator_detaches(&self, name: &str) -> Result<()> {
        self.domain.anchorctl(name, &["detach", MN_MAC]).map(drop)
    }

    /// Enters a line into the timeline.
    fn line(&mut self, at_us: u64, who: &str, text: &str) {
        self.untold.push((at_us, who.to_owned(), text.to_owned()));
    }

    /// Tells the timeline so far, what the gateways told included, in the order of time.
    fn tell_all(&mut self) {
        let notices = self.domain.notices.all();
        for notice in notices.iter().skip(self.taken) {
            if let Some(text) = sentence(notice) {
                self.line((notice.time * 1e6) as u64, &notice.gateway, &text);
            }
        }
        self.taken = notices.len();
        self.untold.sort();
        for (at_us, who, text) in self.untold.drain(..) {
            let ms = (at_us as f64 - self.start_us as f64) / 1e3;
            (self.tell)(&format!("{ms:>10.1} ms  {who:<4}  {text}"));
        }
    }
}

/// A notice as a line of the timeline; `None` when it is not a part of the story.
fn sentence(notice: &Notice) -> Option<String> {
    let field = |name: &str| notice.field(name);
    Some(match &*notice.kind {
        "attached" => format!("attach: {}", identifier(notice)),
        "attach_refused" => format!("attach refused: {}", field("why")),
        "detached" => format!("detach: {}", identifier(notice)),
        "update_sent" => format!(
            "PBU to {}, sequence {}, lifetime {} s",
            field("lma"),
            field("sequence"),
            field("lifetime_secs")
        ),
        "acknowledgement_received" => format!("PBA, status {}", field("status")),
        "update_answered" => {
            format!(
                "PBU from {}, answered with status {}",
                field("from"),
                field("status")
            )
        }
        "message_ignored" => format!(
            "ignores a message from {}: {}",
            field("from"),
            field("reason")
        ),
        "revocation_sent" => format!("BRI to {}", field("peer")),
        "revocation_answered" => format!("BRA from {}, status {}", field("peer"), field("status")),
        "revoked" => format!("BRI from {}, status {}", field("peer"), field("status")),
        "binding_up" => format!("tunnel up for {}", field("prefix")),
        "binding_moved" => {
            format!("tunnel of {} moved to {}", field("prefix"), field("to"))
        }
        "binding_down" => format!("tunnel down for {}", field("prefix")),
        _ => return None,
    })
}

/// A mobile node's identifier, which is an NAI here.
fn identifier(notice: &Notice) -> &str {
    notice.fields["mn_identifier"]["nai"]
        .as_str()
        .unwrap_or("?")
}

/// Fails unless the story came out well.
///
/// # Errors
/// When the TCP session did not survive.
pub fn require_success(report: &Report) -> Result<()> {
    ensure!(
        report.tcp_intact,
        "the TCP session did not survive byte for byte"
    );
    Ok(())
}
