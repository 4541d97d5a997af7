//! What roles share of binding revocation (RFC 5846): the indications that wait for their
//! acknowledgement, and what is wrong with one that came.
//!
//! ```text
//!   revoke ──► turn ──► BRI ──► wait InitMINDelayBRIs ──► turn ──► BRI ──► ... BRIMaxRetriesNumber ──► given up
//!                          └──► BRA with its number, from its peer ──► done, whatever the status
//! ```
//!
//! What is revoked may have been with many peers, so that indications leave at a pace, the first time and
//! again; those that have to wait are counted.
//!
//! The bindings themselves end, or move, when the first indication goes out: what was revoked is not
//! forwarded for while a peer that is down keeps silent (RFC 5846 section 8.1 allows that). A peer
//! that refuses has nothing to say about it; its status is counted and told.
//!
//! An indication with the V bit is about the IPv4 home address that it carries in an IPv4 Home Address
//! Request option, and about nothing else that its host has. It is also what names a session that has
//! no prefix: without it the host's identifier would stand alone, for all of its sessions.

mod counted;

pub(crate) use counted::{revocation_counters, RevocationCounter};

use crate::effect::{Effect, Notice};
use crate::event::Timer;
use crate::pace::Pace;
use crate::Now;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use wire::mh::{
    HomeNetworkPrefix, Ipv4HomeAddress, Message, MnIdentifier, MobilityOption,
    RevocationAcknowledgement, RevocationFlags, RevocationIndication, RevocationStatus,
    RevocationTrigger,
};

/// How a node revokes, and what it lets others revoke (RFC 5846 section 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RevocationConfig {
    /// Whether peers may revoke bindings here; else they are answered with 135.
    pub accept: bool,
    /// Whether a peer may revoke all that it shares with this node in one message; else it is
    /// answered with 130.
    pub accept_global: bool,
    /// BRIMaxRetriesNumber: how often an indication is sent again.
    pub max_retries: u32,
    /// InitMINDelayBRIs: wait before the first time, which doubles each time.
    pub initial_delay: Duration,
    /// MAX_BRACK_TIMEOUT: longest wait.
    pub max_delay: Duration,
    /// Indications per second to all peers together; more wait their turn.
    pub pacing_rate: u32,
    /// So many of them may go at once all the same.
    pub pacing_burst: u32,
}

impl Default for RevocationConfig {
    fn default() -> Self {
        Self {
            accept: true,
            accept_global: true,
            max_retries: 1,
            initial_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(2),
            pacing_rate: 20_000,
            pacing_burst: 64,
        }
    }
}

impl RevocationConfig {
    /// The pace of a node that sends nothing else at it.
    pub(crate) fn pace(&self) -> Pace {
        Pace::new(self.pacing_rate, self.pacing_burst)
    }
}

/// What an indication has to pass before it goes out.
pub(crate) struct Gate<'a> {
    now: Duration,
    pace: Option<&'a mut Pace>,
}

impl<'a> Gate<'a> {
    /// Goes out when its turn has come.
    pub(crate) fn at(now: Now, pace: &'a mut Pace) -> Self {
        Self {
            now: now.monotonic,
            pace: Some(pace),
        }
    }

    /// Its turn has come already.
    pub(crate) fn open(now: Now) -> Self {
        Self {
            now: now.monotonic,
            pace: None,
        }
    }

    fn pass(&mut self, turn: &mut Option<Duration>) -> Result<(), Duration> {
        let pace = self.pace.as_mut();
        pace.map_or(Ok(()), |pace| pace.pass(self.now, turn))
    }
}

/// Indications outstanding at most; each has a number of its own out of 65536.
const MOST: usize = 60_000;

/// An indication that waits for its acknowledgement.
#[derive(Clone, Debug)]
struct Outstanding {
    peer: Ipv6Addr,
    indication: RevocationIndication,
    /// None: it has not gone out yet.
    retries_left: Option<u32>,
    delay: Duration,
    /// It is to go out, now or when its turn has come.
    due: bool,
    /// When that is.
    turn: Option<Duration>,
}

/// The indications that wait for their acknowledgement, by sequence number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Revocations {
    outstanding: BTreeMap<u16, Outstanding>,
    last: u16,
}

/// What became of an indication that was to go out, or whose timer ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// It has gone out for the first time.
    Sent,
    Again,
    /// It waits for its turn.
    Paced,
    GivenUp,
    Unknown,
}

impl Revocations {
    /// Makes an indication for `peer` that is to go out, and returns its number; `None` when too many are
    /// outstanding already.
    fn make(
        &mut self,
        config: &RevocationConfig,
        peer: Ipv6Addr,
        trigger: RevocationTrigger,
        options: Vec<MobilityOption>,
    ) -> Option<u16> {
        if self.outstanding.len() >= MOST {
            return None;
        }
        let sequence = loop {
            self.last = self.last.wrapping_add(1);
            if !self.outstanding.contains_key(&self.last) {
                break self.last;
            }
        };
        let mut flags = RevocationFlags::PROXY;
        if !trigger.allows_single() {
            flags = flags.with(RevocationFlags::GLOBAL);
        }
        // The option may stand with the bit alone, and the bit with the option (section 5.1).
        if options.iter().any(|it| requested(it).is_some()) {
            flags = flags.with(RevocationFlags::IPV4_ONLY);
        }
        let indication = RevocationIndication {
            trigger,
            sequence,
            flags,
            options,
        };
        self.outstanding.insert(
            sequence,
            Outstanding {
                peer,
                indication,
                retries_left: None,
                delay: config.initial_delay,
                due: true,
                turn: None,
            },
        );
        Some(sequence)
    }

    /// Takes an acknowledgement; whether it answers an indication that is outstanding with the peer
    /// that it comes from.
    fn acknowledge(
        &mut self,
        from: Ipv6Addr,
        answer: &RevocationAcknowledgement,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let sequence = answer.sequence;
        let expected = self.outstanding.get(&sequence);
        let answers = |sent: &Outstanding| {
            let out = sent.retries_left.is_some();
            out && sent.peer == from && answer.flags.contains(sent.indication.flags)
        };
        if !expected.is_some_and(answers) {
            return false;
        }
        self.cancel(sequence, effects);
        effects.push(Effect::Notify {
            notice: Notice::RevocationAnswered {
                peer: from,
                status: answer.status,
            },
        });
        true
    }

    /// Whom an outstanding indication is for.
    pub(crate) fn peer(&self, sequence: u16) -> Option<Ipv6Addr> {
        self.outstanding.get(&sequence).map(|sent| sent.peer)
    }

    /// What an indication says need not be said any more.
    pub(crate) fn cancel(&mut self, sequence: u16, effects: &mut Vec<Effect>) {
        if self.outstanding.remove(&sequence).is_some() {
            let timer = Timer::Revocation { sequence };
            effects.push(Effect::CancelTimer { timer });
        }
    }

    /// An indication is to go out, or no acknowledgement came in time: sends it, now or when its turn has
    /// come, or gives up.
    fn overdue(
        &mut self,
        config: &RevocationConfig,
        local: Ipv6Addr,
        sequence: u16,
        mut gate: Gate<'_>,
        effects: &mut Vec<Effect>,
    ) -> Overdue {
        let Some(sent) = self.outstanding.get_mut(&sequence) else {
            return Overdue::Unknown;
        };
        let peer = sent.peer;
        if !sent.due {
            let Some(left @ 1..) = sent.retries_left else {
                self.outstanding.remove(&sequence);
                effects.push(Effect::Notify {
                    notice: Notice::RevocationUnanswered { peer },
                });
                return Overdue::GivenUp;
            };
            sent.retries_left = Some(left - 1);
            sent.delay = sent.delay.saturating_mul(2).min(config.max_delay);
            sent.due = true;
        }
        let timer = Timer::Revocation { sequence };
        if let Err(after) = gate.pass(&mut sent.turn) {
            effects.push(Effect::SetTimer { timer, after });
            return Overdue::Paced;
        }
        sent.due = false;
        effects.push(Effect::Send {
            from: local,
            to: peer,
            message: Message::RevocationIndication(sent.indication.clone()),
        });
        let after = sent.delay;
        effects.push(Effect::SetTimer { timer, after });
        if sent.retries_left.is_some() {
            return Overdue::Again;
        }
        sent.retries_left = Some(config.max_retries);
        let trigger = sent.indication.trigger;
        effects.push(Effect::Notify {
            notice: Notice::RevocationSent { peer, trigger },
        });
        Overdue::Sent
    }
}

/// What an indication is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meant {
    /// Sessions of one host.
    Sessions,
    /// An IPv4 home address of a host, and nothing else that it has.
    Ipv4(Ipv4Addr),
    /// Sessions of many hosts.
    Many,
}

/// The IPv4 home address that an option of an indication names.
const fn requested(option: &MobilityOption) -> Option<Ipv4Addr> {
    match option {
        MobilityOption::Ipv4HomeAddressRequest(home) => Some(home.address),
        _ => None,
    }
}

/// The options that name a session: its host, and its prefixes or, where it has none, its IPv4 home
/// address.
pub(crate) fn naming(
    host: &MnIdentifier,
    prefixes: &[HomeNetworkPrefix],
    ipv4: Option<Ipv4Addr>,
) -> Vec<MobilityOption> {
    if let Some(address) = ipv4.filter(|_| prefixes.is_empty()) {
        return naming_ipv4(host, address);
    }
    let mut options = vec![MobilityOption::MnIdentifier(host.clone())];
    let prefixes = prefixes.iter().copied();
    options.extend(prefixes.map(MobilityOption::HomeNetworkPrefix));
    options
}

/// The options that name an IPv4 home address of a host alone (section 8.1).
pub(crate) fn naming_ipv4(host: &MnIdentifier, address: Ipv4Addr) -> Vec<MobilityOption> {
    let home = Ipv4HomeAddress {
        address,
        prefix_length: 32,
    };
    vec![
        MobilityOption::MnIdentifier(host.clone()),
        MobilityOption::Ipv4HomeAddressRequest(home),
    ]
}

/// What is wrong with an indication whoever it is for, in the order of RFC 5846 section 6.2.1; or
/// what it is about.
pub(crate) fn check(
    config: &RevocationConfig,
    indication: &RevocationIndication,
) -> Result<Meant, RevocationStatus> {
    let flags = indication.flags;
    let trigger = indication.trigger;
    if !flags.contains(RevocationFlags::PROXY) {
        return Err(RevocationStatus::FUNCTION_NOT_SUPPORTED);
    }
    if !config.accept {
        return Err(RevocationStatus::PROXY_NOT_SUPPORTED);
    }
    if !matches!(trigger.0, 0..=7 | 128 | 129) {
        return Err(RevocationStatus::TRIGGER_NOT_SUPPORTED);
    }
    let global = flags.contains(RevocationFlags::GLOBAL);
    let allowed = if global {
        trigger.allows_global()
    } else {
        trigger.allows_single()
    };
    if !allowed {
        return Err(RevocationStatus::FUNCTION_NOT_SUPPORTED);
    }
    if flags.contains(RevocationFlags::IPV4_ONLY) {
        let prefix =
            |option: &MobilityOption| matches!(option, MobilityOption::HomeNetworkPrefix(_));
        if global || indication.options.iter().any(prefix) {
            // One address alone is not all that many hosts have, nor a prefix.
            return Err(RevocationStatus::FUNCTION_NOT_SUPPORTED);
        }
        let address = indication.options.iter().find_map(requested);
        return match address {
            Some(address) => Ok(Meant::Ipv4(address)),
            None => Err(RevocationStatus::IPV4_HOME_ADDRESS_REQUIRED),
        };
    }
    match global {
        true if !config.accept_global => Err(RevocationStatus::GLOBAL_NOT_AUTHORIZED),
        true => Ok(Meant::Many),
        false => Ok(Meant::Sessions),
    }
}

/// The prefixes of `named` that a session does not have, for the acknowledgement; when it has none
/// of them, it is not the session that was meant.
pub(crate) fn not_among(
    named: &[HomeNetworkPrefix],
    held: &[HomeNetworkPrefix],
) -> Result<Vec<MobilityOption>, RevocationStatus> {
    let absent = named.iter().filter(|prefix| !held.contains(prefix));
    let absent: Vec<_> = absent
        .map(|&prefix| MobilityOption::HomeNetworkPrefix(prefix))
        .collect();
    if !named.is_empty() && absent.len() == named.len() {
        return Err(RevocationStatus::NO_BINDING);
    }
    Ok(absent)
}

/// The sessions of a host that an indication is about: those that have a prefix which it names, or else all
/// that the host has (section 5.1). With them the prefixes that none of them has, for the acknowledgement.
pub(crate) fn sessions_named<S>(
    sessions: Vec<(S, &[HomeNetworkPrefix])>,
    named: &[HomeNetworkPrefix],
) -> Result<(Vec<S>, Vec<MobilityOption>), RevocationStatus> {
    let has = |(_, held): &(S, &[HomeNetworkPrefix])| held.iter().any(|it| named.contains(it));
    let any = sessions.iter().any(has);
    let meant = sessions.into_iter().filter(|it| !any || has(it));
    let (meant, held): (Vec<S>, Vec<&[HomeNetworkPrefix]>) = meant.unzip();
    let absent = not_among(named, &held.concat())?;
    Ok((meant, absent))
}

/// Acknowledges an indication: with what of it there was not, or with the status that refuses it.
/// Returns whether it was followed.
pub(crate) fn acknowledge(
    (from, to): (Ipv6Addr, Ipv6Addr),
    indication: &RevocationIndication,
    outcome: Result<Vec<MobilityOption>, RevocationStatus>,
    effects: &mut Vec<Effect>,
) -> bool {
    let (status, options) = match outcome {
        Ok(absent) if absent.is_empty() => (RevocationStatus::SUCCESS, absent),
        Ok(absent) => (RevocationStatus::PARTIAL_SUCCESS, absent),
        Err(status) => (status, Vec::new()),
    };
    let ours = RevocationFlags::PROXY
        .with(RevocationFlags::IPV4_ONLY)
        .with(RevocationFlags::GLOBAL);
    effects.push(Effect::Send {
        from: to,
        to: from,
        message: Message::RevocationAcknowledgement(RevocationAcknowledgement {
            status,
            sequence: indication.sequence,
            flags: RevocationFlags(indication.flags.0 & ours.0),
            options,
        }),
    });
    effects.push(Effect::Notify {
        notice: Notice::Revoked {
            peer: from,
            trigger: indication.trigger,
            status,
        },
    });
    status.is_accepted()
}

/// Whether a host is the one that is named, or of the realm that is named as `@realm`.
pub(crate) fn belongs(host: &MnIdentifier, group: &MnIdentifier) -> bool {
    match (host, group) {
        (MnIdentifier::Nai(host), MnIdentifier::Nai(realm)) if realm.starts_with('@') => {
            host.ends_with(realm.as_str())
        }
        _ => host == group,
    }
}
