//! What AAA tells, carried out by the engine.

use super::Desk;
use crate::aaa::{Answered, Told};
use crate::engine::Engine;
use crate::gateway::Gateway;
use crate::rpc::types::TimedNotice;
use crate::rpc::MachineNotice;
use roles::Now;

impl Desk {
    /// Takes what AAA has told.
    pub(crate) fn heard(&self, engine: &mut Engine<Gateway>, now: Now, told: Told) {
        match told {
            Told::Answered { link, answered } => match answered {
                Answered::Granted(grant) => engine.authorized(now, link, Some(*grant)),
                Answered::Rejected => engine.authorized(now, link, None),
                Answered::Nobody => {
                    let so = self.config.aaa.as_ref();
                    let so = so.map(|aaa| aaa.when_unreachable.name());
                    let notice = MachineNotice::AaaUnreachable {
                        mac: link.mac,
                        so: so.unwrap_or_default().to_owned(),
                    };
                    tell(engine, now, notice);
                    engine.unanswered(now, link);
                }
            },
            Told::Order { order, done } => done.say(engine.order(now, *order)),
            Told::Server {
                server,
                accounting,
                dead,
            } => {
                let server = self.aaa.as_ref().map(|aaa| aaa.server(server, accounting));
                let server = server.unwrap_or_default();
                let notice = match dead {
                    true => MachineNotice::AaaServerDown { server },
                    false => MachineNotice::AaaServerUp { server },
                };
                tell(engine, now, notice);
            }
        }
        engine.flush();
    }
}

/// Tells subscribers and the log.
fn tell(engine: &mut Engine<Gateway>, now: Now, notice: MachineNotice) {
    let bad = notice.is_bad();
    let notice = TimedNotice::new(now, notice, None);
    if engine.may_log(now) {
        match bad {
            true => tracing::warn!("{}", notice.words()),
            false => tracing::info!("{}", notice.words()),
        }
    }
    engine.notices().publish(&notice);
}
