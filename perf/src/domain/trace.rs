//! What happens to one host, as it happens in each part: for whoever has to find out why a law does not hold.

use super::ground::Place;
use super::node;
use super::part::Part;
use super::routes::{HostNumber, Prefix};
use roles::event::Timer;
use roles::{BoundPrefix, Effect, Event};

impl Part {
    /// Prints an event, if it is about the host that is traced.
    pub fn trace_event(&self, place: Place, event: &Event) {
        let Some(traced) = self.scenario.trace else {
            return;
        };
        let about = match event {
            Event::Message { message, .. } => node::about(message),
            Event::HostSeen { link, .. }
            | Event::Authenticated { link, .. }
            | Event::NodeInformation { link, .. }
            | Event::HostGone { link, .. } => Some(node::host_of(link.mac)),
            Event::Timer { timer } => host_of_timer(timer),
            Event::Unused { prefix } | Event::Refused { prefix } => self.owner(place, *prefix),
            Event::Restored { record } => {
                let text = format!("{record:?}");
                let name = format!("\"{}\"", node::name(traced));
                text.contains(&name).then_some(traced)
            }
            _ => None,
        };
        if about == Some(traced) {
            let now = self.agenda.now() as f64 / 1e6;
            eprintln!("{now:.6} {place} <- {event:?}");
        }
    }

    /// Prints what a role wants done, if it is about the host that is traced.
    pub fn trace_effect(&self, place: Place, effect: &Effect) {
        let Some(traced) = self.scenario.trace else {
            return;
        };
        let about = match effect {
            Effect::Bind { prefix, .. } | Effect::Unbind { prefix } => self.owner(place, *prefix),
            Effect::Send { message, .. } => node::about(message).or(self.about),
            Effect::Advertise { link, .. } | Effect::QueryNode { link, .. } => {
                Some(node::host_of(link.mac))
            }
            Effect::SetTimer { timer, .. } => host_of_timer(timer),
            _ => None,
        };
        if about == Some(traced) {
            let now = self.agenda.now() as f64 / 1e6;
            eprintln!("{now:.6} {place} -> {effect:?}");
        }
    }

    /// Prints what was found out about a host, if it is the one that is traced.
    pub fn trace_note(&self, host: HostNumber, what: std::fmt::Arguments<'_>) {
        if self.scenario.trace == Some(host) {
            let now = self.agenda.now() as f64 / 1e6;
            eprintln!("{now:.6} {what}");
        }
    }

    /// Whose a prefix is, or was.
    fn owner(&self, place: Place, prefix: BoundPrefix) -> Option<HostNumber> {
        let prefix = Prefix::try_from(prefix).ok()?;
        self.nodes[place].table.owner(prefix).or(self.about)
    }
}

fn host_of_timer(timer: &Timer) -> Option<HostNumber> {
    match timer {
        Timer::Retransmit { link }
        | Timer::Refresh { link }
        | Timer::VisitorExpiry { link }
        | Timer::Advertise { link } => Some(node::host_of(link.mac)),
        Timer::Deregistration { mn_identifier, .. } | Timer::Node { mn_identifier, .. } => {
            node::host_named(mn_identifier)
        }
        _ => None,
    }
}
