//! Notices in words, for the log and for people.

use super::types::{MachineNotice, TimedNotice, Told};
use roles::effect::{Learned, Notice};
use roles::event::HostLink;
use wire::mh::MnIdentifier;

impl TimedNotice {
    /// What happened, in one line without its time. What hosts and policies name themselves can not
    /// command a terminal from there.
    pub fn words(&self) -> String {
        let at = |link: &HostLink| {
            let interface = self.interface.as_ref();
            let interface =
                interface.map_or_else(|| format!("interface {}", link.interface), String::clone);
            format!("{} on {interface}", link.mac)
        };
        let notice = match &self.notice {
            Told::Role(notice) => notice,
            Told::Machine(notice) => return machine(notice).replace(char::is_control, "?"),
        };
        let words = match notice {
            Notice::Attached {
                link,
                mn_identifier,
            } => {
                format!("{} attached: {}", name(mn_identifier), at(link))
            }
            Notice::AttachRefused { link, why } => format!("{} may not attach: {why}", at(link)),
            Notice::Detached {
                link,
                mn_identifier,
            } => {
                format!("{} left: {}", name(mn_identifier), at(link))
            }
            Notice::AddressLearned {
                mn_identifier,
                address,
                by,
                ..
            } => {
                let by = match by {
                    Learned::Dad => "duplicate address detection",
                    Learned::Packet => "a packet",
                    Learned::Dhcp => "DHCP",
                };
                format!("{} has {address}, by {by}", name(mn_identifier))
            }
            Notice::AddressRefused {
                mn_identifier,
                address,
                why,
                ..
            } => format!("{} may not have {address}: {why}", name(mn_identifier)),
            Notice::DelegationRefused {
                mn_identifier,
                status,
                ..
            } => format!(
                "{} may not have the prefixes that are delegated to it: {status}",
                name(mn_identifier)
            ),
            Notice::UpdateSent {
                mn_identifier,
                lma,
                sequence,
                lifetime_secs: 0,
            } => {
                format!(
                    "{} update {sequence} sent to {lma}: de-registration",
                    name(mn_identifier)
                )
            }
            Notice::UpdateSent {
                mn_identifier,
                lma,
                sequence,
                lifetime_secs,
            } => {
                let name = name(mn_identifier);
                format!("{name} update {sequence} sent to {lma}: lifetime {lifetime_secs} s")
            }
            Notice::AcknowledgementReceived {
                mn_identifier,
                status,
                round_trip,
            } => {
                let micros = round_trip.as_micros();
                format!(
                    "{} acknowledged after {micros} us: status {status}",
                    name(mn_identifier)
                )
            }
            Notice::UpdateAnswered {
                mn_identifier,
                from,
                status,
            } => {
                let name = mn_identifier
                    .as_ref()
                    .map_or_else(|| "a host without identifier".into(), name);
                format!("{name} update from {from} answered: status {status}")
            }
            Notice::HomeRegistrationAnswered {
                mn_identifier,
                home_address,
                from,
                status,
            } => {
                let name = name(mn_identifier);
                format!("{name} registration of {home_address} at {from} answered: status {status}")
            }
            Notice::ServedHere {
                mn_identifier,
                prefix,
            } => {
                format!("{} served here: {prefix}", name(mn_identifier))
            }
            Notice::BindingUp {
                mn_identifier,
                prefix,
                tunnel,
            } => {
                let name = name(mn_identifier);
                format!(
                    "{name} binding up: {prefix} by tunnel {} - {}",
                    tunnel.local, tunnel.remote
                )
            }
            Notice::BindingMoved {
                mn_identifier,
                prefix,
                from,
                to,
            } => {
                format!(
                    "{} binding moved: {prefix} from {from} to {to}",
                    name(mn_identifier)
                )
            }
            Notice::BindingDown {
                mn_identifier,
                prefix,
            } => {
                format!("{} binding down: {prefix}", name(mn_identifier))
            }
            Notice::SessionUp {
                mn_identifier,
                maar,
                prefixes,
            } => {
                let prefixes: Vec<_> = prefixes.iter().map(ToString::to_string).collect();
                let name = name(mn_identifier);
                format!("{name} came to {maar}: {}", prefixes.join(", "))
            }
            Notice::SessionMoved {
                mn_identifier,
                from,
                to,
            } => format!("{} moved from {from} to {to}", name(mn_identifier)),
            Notice::SessionDown { mn_identifier } => {
                format!("{} left the domain", name(mn_identifier))
            }
            Notice::AnchorAnswered {
                mn_identifier,
                maar,
                status,
            } => {
                let name = name(mn_identifier);
                format!("{name} previous MAAR {maar} answered: status {status}")
            }
            Notice::AnchorSilent {
                mn_identifier,
                maar,
            } => {
                let name = name(mn_identifier);
                format!("{name} previous MAAR {maar} did not answer, given up")
            }
            Notice::RevocationSent { peer, trigger } => {
                format!("revocation sent to {peer}: {trigger}")
            }
            Notice::RevocationAnswered { peer, status } => {
                format!("revocation answered by {peer}: status {status}")
            }
            Notice::RevocationUnanswered { peer } => {
                format!("revocation not answered by {peer}, given up")
            }
            Notice::Revoked {
                peer,
                trigger,
                status,
            } => {
                format!("revocation by {peer} for {trigger} answered: status {status}")
            }
            Notice::PeerDown { peer, sessions } => {
                format!("peer {peer} is down; {sessions} sessions are shared with it")
            }
            Notice::PeerUp { peer } => format!("peer {peer} answers again"),
            Notice::PeerRestarted {
                peer,
                restart_counter,
            } => {
                format!("peer {peer} has restarted without its sessions; its restart counter is {restart_counter}")
            }
            Notice::PeerWithoutHeartbeats { peer } => {
                format!("peer {peer} does not know heartbeats and is not asked any more")
            }
            Notice::MessageIgnored { from, reason } => {
                format!("message from {from} ignored: {reason}")
            }
        };
        words.replace(char::is_control, "?")
    }
}

fn machine(notice: &MachineNotice) -> String {
    match notice {
        MachineNotice::PortDown { port } => format!("port {port} is down"),
        MachineNotice::PortUp { port } => format!("port {port} is up again"),
        MachineNotice::WorkerStalled { worker, core, secs } => {
            format!("worker {worker} on core {core} has stood still for {secs:.1} s")
        }
        MachineNotice::AaaServerDown { server } => {
            format!("RADIUS server {server} does not answer")
        }
        MachineNotice::AaaServerUp { server } => format!("RADIUS server {server} answers again"),
        MachineNotice::AaaUnreachable { mac, so } => {
            format!("no RADIUS server answers about {mac}: {so}")
        }
        MachineNotice::WorkerRecovered { worker, core, secs } => {
            format!("worker {worker} on core {core} goes on, after {secs:.1} s")
        }
    }
}

fn name(identifier: &MnIdentifier) -> String {
    match identifier {
        MnIdentifier::Nai(text) => text.clone(),
        MnIdentifier::Other { subtype, data } => {
            let octets: String = data.iter().map(|octet| format!("{octet:02x}")).collect();
            format!("{subtype}:{octets}")
        }
    }
}
