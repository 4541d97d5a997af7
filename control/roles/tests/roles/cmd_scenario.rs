//! A domain of three MAARs and one central mobility database, and short ways to say what happens in it.

use crate::scenario::{at, ip, nai, prefix, prefixes_of, sent, stamp, tell};
use roles::cmd::{Cmd, CmdConfig, CmdMode, MaarPeer, SessionView};
use roles::effect::Effect;
use roles::Event;
use std::net::Ipv6Addr;
use wire::mh::*;

pub const CMD: &str = "2001:db8:ff::c";
pub const MAAR1: &str = "2001:db8:ff::21";
pub const MAAR2: &str = "2001:db8:ff::22";
pub const MAAR3: &str = "2001:db8:ff::23";
pub const PREF1: &str = "2001:db8:a1:1::/64";
pub const PREF2: &str = "2001:db8:a2:1::/64";
pub const PREF3: &str = "2001:db8:a3:1::/64";

pub fn maars() -> Vec<MaarPeer> {
    [
        (MAAR1, "2001:db8:a1::/48"),
        (MAAR2, "2001:db8:a2::/48"),
        (MAAR3, "2001:db8:a3::/48"),
    ]
    .map(|(address, pool)| MaarPeer {
        address: ip(address),
        pools: vec![prefix(pool)],
    })
    .to_vec()
}

pub fn cmd_config(mode: CmdMode) -> CmdConfig {
    CmdConfig {
        mode,
        ..CmdConfig::new(ip(CMD), 100, 7)
    }
}

pub fn cmd_with(config: CmdConfig) -> Cmd {
    let mut cmd = Cmd::new(config);
    let maars = maars();
    assert_eq!(tell(&mut cmd, 0, Event::Maars { maars }), []);
    cmd
}

pub fn cmd(mode: CmdMode) -> Cmd {
    cmd_with(cmd_config(mode))
}

/// A registration, as a MAAR sends it for a host that came to it.
pub fn registration(host: &str, prefixes: &[&str], ms: u64) -> BindingUpdate {
    let mut options = vec![MobilityOption::MnIdentifier(nai(host))];
    options.extend(
        prefixes
            .iter()
            .map(|it| MobilityOption::HomeNetworkPrefix(prefix(it))),
    );
    options.extend([
        MobilityOption::HandoffIndicator(HandoffIndicator::UNKNOWN),
        MobilityOption::AccessTechnology(AccessTechnology::ETHERNET),
        MobilityOption::Timestamp(stamp(ms)),
        MobilityOption::MnLinkLayerIdentifier(vec![2, 0, 0, 0, 0, 1]),
    ]);
    BindingUpdate {
        sequence: u16::try_from(ms % 65_536).unwrap(),
        flags: UpdateFlags(0x8210),
        lifetime: Lifetime(75),
        options,
    }
}

/// What a message of a MAAR to the database leads to.
pub fn hear(cmd: &mut Cmd, ms: u64, from: &str, message: Message) -> Vec<Effect> {
    let event = Event::Message {
        from: ip(from),
        to: ip(CMD),
        message,
    };
    tell(cmd, ms, event)
}

pub fn register(cmd: &mut Cmd, ms: u64, from: &str, host: &str, prefix: &str) -> Vec<Effect> {
    let update = registration(host, &[prefix], ms);
    hear(cmd, ms, from, Message::BindingUpdate(update))
}

pub fn refresh(cmd: &mut Cmd, ms: u64, from: &str, host: &str, prefix: &str) -> Vec<Effect> {
    let mut update = registration(host, &[prefix], ms);
    replace(
        &mut update.options,
        MobilityOption::HandoffIndicator(HandoffIndicator::NOT_CHANGED),
    );
    hear(cmd, ms, from, Message::BindingUpdate(update))
}

pub fn leave(cmd: &mut Cmd, ms: u64, from: &str, host: &str, prefixes: &[&str]) -> Vec<Effect> {
    let mut update = registration(host, prefixes, ms);
    update.lifetime = Lifetime::ZERO;
    hear(cmd, ms, from, Message::BindingUpdate(update))
}

/// Puts the option in the place of those of its kind.
pub fn replace(options: &mut Vec<MobilityOption>, option: MobilityOption) {
    options.retain(|it| it.kind() != option.kind());
    options.push(option);
}

/// Updates that effects send, with their receivers.
pub fn updates(effects: &[Effect]) -> Vec<(Ipv6Addr, BindingUpdate)> {
    let sent = sent(effects).into_iter();
    sent.filter_map(|(_, to, message)| match message {
        Message::BindingUpdate(update) => Some((to, update.clone())),
        _ => None,
    })
    .collect()
}

/// Acknowledgements that effects send, with their receivers.
pub fn answers(effects: &[Effect]) -> Vec<(Ipv6Addr, BindingAcknowledgement)> {
    let sent = sent(effects).into_iter();
    sent.filter_map(|(_, to, message)| match message {
        Message::BindingAcknowledgement(answer) => Some((to, answer.clone())),
        _ => None,
    })
    .collect()
}

/// The update that effects send to a MAAR.
pub fn update_to(effects: &[Effect], maar: &str) -> BindingUpdate {
    let of = updates(effects)
        .into_iter()
        .filter(|(to, _)| *to == ip(maar));
    match of.collect::<Vec<_>>().as_slice() {
        [(_, update)] => update.clone(),
        other => panic!("not one update to {maar}: {other:?}"),
    }
}

/// The answer that effects send, and to whom.
pub fn answer_to(effects: &[Effect], maar: &str) -> BindingAcknowledgement {
    match answers(effects).as_slice() {
        [(to, answer)] if *to == ip(maar) => answer.clone(),
        other => panic!("not one answer, to {maar}: {other:?}"),
    }
}

/// What a previous MAAR answers to an update: its own prefixes, and the Serving MAAR option.
pub fn acknowledgement(
    update: &BindingUpdate,
    status: Status,
    prefixes: &[&str],
) -> BindingAcknowledgement {
    let mut options: Vec<MobilityOption> = update
        .options
        .iter()
        .filter(|option| {
            matches!(
                option,
                MobilityOption::MnIdentifier(_)
                    | MobilityOption::ServingMaar(_)
                    | MobilityOption::Timestamp(_)
            )
        })
        .cloned()
        .collect();
    options.extend(
        prefixes
            .iter()
            .map(|it| MobilityOption::HomeNetworkPrefix(prefix(it))),
    );
    BindingAcknowledgement {
        status,
        flags: AcknowledgementFlags(0x22),
        sequence: update.sequence,
        lifetime: update.lifetime,
        options,
    }
}

pub fn confirm(
    cmd: &mut Cmd,
    ms: u64,
    from: &str,
    update: &BindingUpdate,
    prefixes: &[&str],
) -> Vec<Effect> {
    let answer = acknowledgement(update, Status::ACCEPTED, prefixes);
    hear(cmd, ms, from, Message::BindingAcknowledgement(answer))
}

/// The Previous MAAR options of an answer.
pub fn previous_in(answer: &BindingAcknowledgement) -> Vec<(Ipv6Addr, HomeNetworkPrefix)> {
    let options = answer.options.iter();
    options
        .filter_map(|option| match option {
            MobilityOption::PreviousMaar(previous) => Some((previous.address, previous.prefix)),
            _ => None,
        })
        .collect()
}

pub fn serving_in(options: &[MobilityOption]) -> Vec<Ipv6Addr> {
    let options = options.iter();
    options
        .filter_map(|option| match option {
            MobilityOption::ServingMaar(serving) => Some(*serving),
            _ => None,
        })
        .collect()
}

pub fn anchored_in(options: &[MobilityOption]) -> Vec<HomeNetworkPrefix> {
    let options = options.iter();
    options
        .filter_map(|option| match option {
            MobilityOption::AnchoredPrefix(prefix) => Some(*prefix),
            _ => None,
        })
        .collect()
}

pub fn view(cmd: &Cmd, ms: u64, host: &str) -> SessionView {
    cmd.binding(at(ms), &nai(host)).expect("a session")
}

/// The indications that effects send, with their receivers.
pub fn indications(effects: &[Effect]) -> Vec<(Ipv6Addr, RevocationIndication)> {
    let sent = sent(effects).into_iter();
    sent.filter_map(|(_, to, message)| match message {
        Message::RevocationIndication(indication) => Some((to, indication.clone())),
        _ => None,
    })
    .collect()
}

/// The one indication that effects send to a MAAR: its trigger, prefixes and number.
pub fn indicated(
    effects: &[Effect],
    to: &str,
) -> (
    RevocationTrigger,
    Vec<HomeNetworkPrefix>,
    RevocationIndication,
) {
    match indications(effects).as_slice() {
        [(receiver, it)] if *receiver == ip(to) => {
            assert!(it
                .options
                .contains(&MobilityOption::MnIdentifier(nai("mn"))));
            (it.trigger, prefixes_of(&it.options), it.clone())
        }
        other => panic!("not one indication, to {to}: {other:?}"),
    }
}

/// The answer to an indication.
pub fn acknowledges(of: &RevocationIndication, status: RevocationStatus) -> Message {
    Message::RevocationAcknowledgement(RevocationAcknowledgement {
        status,
        sequence: of.sequence,
        flags: of.flags,
        options: Vec::new(),
    })
}
