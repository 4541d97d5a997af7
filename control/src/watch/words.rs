//! Records in words: what each stage decided about a packet.

use super::filter::protocol_name;
use super::Scene;
use crate::rpc::types::{Step, Traced};
use crate::rpc::{notification, Line};
use dataplane::counters::Direction;
use dataplane::key::{AdjacencyId, BindingId, Forwarding, InterfaceId, TunnelId};
use dataplane::watch::{Came, Decision, Note, Record};
use packet::PortId;
use std::time::Duration;

/// What a trace makes of its records: a packet is told when all its frames are known, which is when
/// the next one comes, or none does.
#[derive(Default)]
pub(super) struct Words {
    last: Option<Traced>,
}

impl Words {
    /// Takes a record of worker `of.1` in session `of.0`.
    pub(super) fn take(
        &mut self,
        scene: &Scene<'_>,
        of: (u64, usize),
        record: &Record,
        send: &mut impl FnMut(Line),
    ) {
        if !record.further {
            self.flush(send);
            self.last = Some(traced(scene, of, record));
        } else if let (Some(last), Some(port)) = (&mut self.last, record.sent) {
            let text = sent(scene, port, record);
            // The verdict stays the last step.
            let before = last.steps.len().saturating_sub(1);
            last.steps.insert(before, step("sent", text));
        }
    }

    /// Tells what is known so far.
    pub(super) fn flush(&mut self, send: &mut impl FnMut(Line)) {
        if let Some(last) = self.last.take() {
            send(notification("traced", &last));
        }
    }
}

fn step(stage: &str, text: String) -> Step {
    Step {
        stage: stage.to_owned(),
        text,
    }
}

fn sent(scene: &Scene<'_>, port: PortId, record: &Record) -> String {
    let octets = record.after.length();
    format!("to port {}, {octets} octets", scene.port(port))
}

fn traced(scene: &Scene<'_>, (session, worker): (u64, usize), record: &Record) -> Traced {
    let length = record.before.length();
    let (port, born, begin) = match record.came {
        Came::Received(port) => {
            let name = scene.port(port);
            let text = format!("on port {name}, {length} octets");
            (Some(name), None, step("received", text))
        }
        Came::Born(born) => {
            let text = format!("{} {length} octets.", born.describe());
            (None, Some(born.reason()), step("born", text))
        }
    };
    let mut steps = vec![begin];
    steps.extend(record.notes.iter().map(|note| scene.note(*note)));
    if let Some(port) = record.sent {
        steps.push(step("sent", sent(scene, port, record)));
    }
    let (kind, reason) = record.verdict.map_or_else(Default::default, |verdict| {
        let (kind, reason) = (verdict.kind().to_owned(), verdict.reason());
        let text = format!("{kind} {reason}: {}", verdict.describe());
        steps.push(step("verdict", text));
        (kind, reason)
    });
    Traced {
        session,
        worker,
        number: record.number,
        time: scene.wall(record.time).as_secs_f64(),
        port,
        born,
        length,
        steps,
        verdict: kind,
        reason,
    }
}

impl Scene<'_> {
    /// A moment of the workers' clock as time since 1970.
    pub(super) fn wall(&self, nanos: u64) -> Duration {
        let ago = self.clock.saturating_sub(Duration::from_nanos(nanos));
        self.now.wall.saturating_sub(ago)
    }

    /// The name of a port.
    pub(super) fn port(&self, id: PortId) -> String {
        let named = self.ports.iter().find_map(|port| match &port.twin {
            _ if port.id == id => Some(port.name.clone()),
            Some((twin, of)) if *of == id => Some(twin.clone()),
            _ => None,
        });
        named.unwrap_or_else(|| format!("number {}", id.0))
    }

    fn interface(&self, id: InterfaceId) -> String {
        let link = self.engine.routing().link(id);
        link.map_or_else(
            || format!("number {}", id.0),
            |link| link.interface.name.clone(),
        )
    }

    fn tunnel(&self, id: TunnelId) -> String {
        match self.engine.writer().tables().tunnel(id) {
            Some(tunnel) => format!("tunnel {} - {}", tunnel.local(), tunnel.remote()),
            None => format!("tunnel number {}, which has gone since", id.0),
        }
    }

    fn neighbour(&self, id: AdjacencyId) -> String {
        match self.engine.writer().tables().adjacency(id) {
            Some(next) => format!("{} on {}", next.mac, self.interface(next.interface)),
            None => format!("neighbour number {}, which has gone since", id.0),
        }
    }

    fn binding(&self, id: u32, forwarding: Forwarding) -> String {
        let key = self.engine.writer().binding_at(BindingId(id));
        let prefix = key.map_or_else(
            || format!("number {id}, which has gone since"),
            |(key, _)| format!("{}/{}", key.prefix, key.length),
        );
        let way = match forwarding {
            Forwarding::Anchor { tunnel } => format!("anchored here, by {}", self.tunnel(tunnel)),
            Forwarding::Access { tunnel, host } => {
                let (host, tunnel) = (self.neighbour(host), self.tunnel(tunnel));
                format!("host {host}, anchored behind {tunnel}")
            }
            Forwarding::Local { host } => {
                format!("anchored here, host {}", self.neighbour(host))
            }
            Forwarding::Pending => "its host has just gone".to_owned(),
        };
        format!("binding {prefix}: {way}")
    }

    fn note(&self, note: Note) -> Step {
        match note {
            Note::Link { interface, group } => {
                let to = match group {
                    true => "to a group",
                    false => "to us",
                };
                step(
                    "link",
                    format!("{to} on interface {}", self.interface(interface)),
                )
            }
            Note::Untunnelled(tunnel) => {
                step("tunnel", format!("taken out of {}", self.tunnel(tunnel)))
            }
            Note::Again => step("again", "as a packet that is made here".to_owned()),
            Note::Header {
                source,
                destination,
                protocol,
                hop_limit,
                length,
            } => {
                let protocol = protocol_name(protocol);
                let text = format!(
                    "{source} > {destination}, {protocol}, hop limit {hop_limit}, {length} octets"
                );
                step("header", text)
            }
            Note::Lookup => step("classified", "its addresses are looked up".to_owned()),
            Note::OnLink => step(
                "classified",
                "an address that does not leave its link".to_owned(),
            ),
            Note::Group => step("classified", "for a group on the link".to_owned()),
            Note::Fragment => step(
                "classified",
                "a fragment, to be put together again".to_owned(),
            ),
            Note::Back => step(
                "classified",
                "goes back to where the question came from".to_owned(),
            ),
            Note::Refused(reason) => {
                step("classified", format!("ends here: {}", reason.describe()))
            }
            Note::Binding { way, found } => {
                let which = match way {
                    Direction::Up => "source",
                    Direction::Down => "destination",
                };
                let found = found.map_or_else(
                    || "no binding".to_owned(),
                    |(id, forwarding)| self.binding(id, forwarding),
                );
                step("lookup", format!("{which}: {found}"))
            }
            Note::Decided(decision) => step("decided", self.decision(decision)),
        }
    }

    fn decision(&self, decision: Decision) -> String {
        match decision {
            Decision::Tunnel(tunnel) => format!("into {}", self.tunnel(tunnel)),
            Decision::Neighbour(next) => format!("to {}", self.neighbour(next)),
            Decision::Own => "for the gateway itself".to_owned(),
            Decision::Punt(reason) => format!("to control: {}", reason.describe()),
            Decision::Hold { interface, address } => {
                let interface = self.interface(interface);
                format!("waits for the link-layer address of {address} on {interface}")
            }
            Decision::Tell(reply) => format!("its sender is told: {}", reply.describe()),
            Decision::Drop(reason) => format!("ends: {}", reason.describe()),
        }
    }
}
