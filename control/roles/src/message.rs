//! What the roles read out of mobility messages, and the answers that do not depend on a role.

use crate::effect::{Effect, Notice};
use crate::Now;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use wire::ipv6::address::stays_on_link;
use wire::mh::{
    AccessTechnology, AcknowledgementFlags, AssignedHomeAddress, BindingAcknowledgement,
    BindingError, BindingUpdate, DelegatedPrefix, DhcpMode, Experimental, HandoffIndicator,
    HomeNetworkPrefix, Ipv4HomeAddress, Ipv4HomeAddressAnswer, Lifetime, Message, MnIdentifier,
    MobilityOption, NtpTime, ReplayTimestamp, Status,
};

/// Our own time in the answer to an update, where its sender has something to learn from it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OurTime {
    timestamp: Option<NtpTime>,
    replay: Option<ReplayTimestamp>,
}

impl OurTime {
    /// What goes with a refusal: with those that are about a timestamp (RFC 5213 section 5.5, RFC 4285
    /// section 6).
    pub(crate) fn with(status: Status, now: Now) -> Self {
        let minds = matches!(
            status,
            Status::TIMESTAMP_MISMATCH | Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED
        );
        Self {
            timestamp: minds.then(|| NtpTime::from_unix(now.wall)),
            replay: (status == Status::ID_MISMATCH).then(|| ReplayTimestamp::from_unix(now.wall)),
        }
    }

    /// The timestamps of an answer: those of the update, or ours in their places.
    pub(crate) fn answer(self, asked: &ProxyOptions<'_>) -> impl Iterator<Item = MobilityOption> {
        let timestamp = asked.timestamp.map(|sent| self.timestamp.unwrap_or(sent));
        let replay = asked.replay.map(|sent| match self.replay {
            // Its lower half tells which update this answers (RFC 4285 section 6).
            Some(ours) => ReplayTimestamp(ours.0 >> 32 << 32 | sent.0 & 0xffff_ffff),
            None => sent,
        });
        let timestamp = timestamp.map(MobilityOption::Timestamp);
        let replay = replay.map(MobilityOption::ReplayProtection);
        timestamp.into_iter().chain(replay)
    }
}

/// The options of a proxy binding update or acknowledgement, by kind. Options that neither has are
/// skipped (RFC 5213 section 8.1).
#[derive(Debug, Default)]
pub(crate) struct ProxyOptions<'a> {
    pub(crate) mn_identifier: Option<&'a MnIdentifier>,
    /// In their order, requests (`::/0`) among them.
    pub(crate) prefixes: Vec<HomeNetworkPrefix>,
    /// What stands for them in the draft's form.
    pub(crate) home_addresses: Vec<AssignedHomeAddress>,
    /// Delegated IPv6 prefixes by value, when the option is there at all.
    pub(crate) delegated: Option<Vec<HomeNetworkPrefix>>,
    /// Whether it only asks for what there is, in the draft's form.
    pub(crate) confirms: bool,
    pub(crate) handoff: Option<HandoffIndicator>,
    pub(crate) access_technology: Option<AccessTechnology>,
    pub(crate) link_layer: Option<&'a [u8]>,
    pub(crate) link_local: Option<Ipv6Addr>,
    pub(crate) timestamp: Option<NtpTime>,
    pub(crate) alternate_care_of: Option<Ipv6Addr>,
    pub(crate) refresh_advice: Option<Lifetime>,
    pub(crate) ipv4_request: Option<Ipv4HomeAddress>,
    /// More than one IPv4 home address is asked for.
    pub(crate) many_ipv4_requests: bool,
    pub(crate) ipv4_reply: Option<Ipv4HomeAddressAnswer>,
    pub(crate) ipv4_router: Option<Ipv4Addr>,
    pub(crate) dhcp_mode: Option<DhcpMode>,
    /// The service that is selected (RFC 5149).
    pub(crate) service: Option<&'a str>,
    /// Of a message that is authenticated, and has been.
    pub(crate) replay: Option<ReplayTimestamp>,
    /// UDP encapsulation is forced.
    pub(crate) forced_udp: bool,
    /// GRE is asked for, or given, with a key or without.
    pub(crate) gre: Option<Option<u32>>,
    /// An option came twice that may come once.
    pub(crate) repeated: bool,
}

impl<'a> ProxyOptions<'a> {
    pub(crate) fn read(options: &'a [MobilityOption]) -> Self {
        let mut read = Self::default();
        for option in options {
            let before = match option {
                MobilityOption::MnIdentifier(id) => read.mn_identifier.replace(id).is_some(),
                MobilityOption::HomeNetworkPrefix(prefix) => {
                    read.prefixes.push(*prefix);
                    false
                }
                MobilityOption::Experimental(Experimental::AssignedHomeAddress(home)) => {
                    read.home_addresses.push(*home);
                    false
                }
                MobilityOption::Experimental(Experimental::BindingCacheConfirmation) => {
                    read.confirms = true;
                    false
                }
                MobilityOption::DelegatedPrefix(DelegatedPrefix::V6(prefix)) => {
                    let named = read.delegated.get_or_insert_default();
                    named.extend(Some(*prefix).filter(|prefix| !prefix.is_request()));
                    false
                }
                MobilityOption::HandoffIndicator(hi) => read.handoff.replace(*hi).is_some(),
                MobilityOption::AccessTechnology(att) => {
                    read.access_technology.replace(*att).is_some()
                }
                MobilityOption::MnLinkLayerIdentifier(id) => read.link_layer.replace(id).is_some(),
                MobilityOption::LinkLocalAddress(address) => {
                    read.link_local.replace(*address).is_some()
                }
                MobilityOption::Timestamp(time) => read.timestamp.replace(*time).is_some(),
                MobilityOption::AlternateCareOfAddress(address) => {
                    read.alternate_care_of.replace(*address).is_some()
                }
                MobilityOption::BindingRefreshAdvice(interval) => {
                    read.refresh_advice.replace(*interval);
                    false
                }
                MobilityOption::Ipv4HomeAddressRequest(home) => {
                    let before = read.ipv4_request.replace(*home).is_some();
                    read.many_ipv4_requests |= before;
                    false
                }
                MobilityOption::Ipv4HomeAddressReply(answer) => {
                    read.ipv4_reply.replace(*answer).is_some()
                }
                MobilityOption::Ipv4DefaultRouter(router) => {
                    read.ipv4_router.replace(*router).is_some()
                }
                MobilityOption::NatDetection(detection) => {
                    read.forced_udp |= detection.force_udp;
                    false
                }
                MobilityOption::GreKey(key) => read.gre.replace(*key).is_some(),
                MobilityOption::Ipv4DhcpMode(mode) => read.dhcp_mode.replace(*mode).is_some(),
                MobilityOption::ServiceSelection(service) => {
                    read.service.replace(service).is_some()
                }
                MobilityOption::ReplayProtection(stamp) => read.replay.replace(*stamp).is_some(),
                _ => false,
            };
            read.repeated |= before;
        }
        read
    }

    /// Takes the draft's form for what RFC 5213 says by Home Network Prefix options.
    pub(crate) fn understand_draft(&mut self) {
        let homes = self.home_addresses.iter();
        let prefixes = homes.filter_map(|it| HomeNetworkPrefix::new(it.address, it.prefix_length));
        self.prefixes.extend(prefixes);
    }

    /// Whom the message is about, which has to be said (RFC 5213 section 5.3.1).
    pub(crate) fn identified(&self) -> Result<&'a MnIdentifier, Status> {
        let named = self.mn_identifier.filter(|id| !id.as_bytes().is_empty());
        named.ok_or(Status::MISSING_MN_IDENTIFIER_OPTION)
    }

    /// The link-layer identifier, unless it is all zero (RFC 5213 section 5.1).
    pub(crate) fn told_link_layer(&self) -> Option<&'a [u8]> {
        self.link_layer
            .filter(|id| id.iter().any(|&octet| octet != 0))
    }

    /// The prefixes that are asked for by value, each once.
    pub(crate) fn named_prefixes(&self) -> Vec<HomeNetworkPrefix> {
        let mut named: Vec<_> = self.prefixes.clone();
        named.retain(|prefix| !prefix.is_request());
        named.sort_unstable();
        named.dedup();
        named
    }
}

/// Whether a message can be answered there: a unicast address that routers take packets to
/// (RFC 6275 section 9.5.4).
pub(crate) const fn can_answer(address: Ipv6Addr) -> bool {
    !address.is_multicast() && !stays_on_link(address)
}

/// The notice for a message that is not answered.
pub(crate) fn ignored(from: Ipv6Addr, reason: &str) -> Effect {
    Effect::Notify {
        notice: Notice::MessageIgnored {
            from,
            reason: reason.to_owned(),
        },
    }
}

/// The answer to a binding update that asks a node which is no home agent for a home registration
/// (RFC 6275 section 10.3.1).
pub(crate) fn refuse_plain(update: &BindingUpdate, status: Status) -> Message {
    Message::BindingAcknowledgement(BindingAcknowledgement {
        status,
        flags: AcknowledgementFlags::default(),
        sequence: update.sequence,
        lifetime: Lifetime::ZERO,
        options: Vec::new(),
    })
}

/// At most `MOST` of something in each second of the monotonic clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PerSecond<const MOST: u32> {
    second: u64,
    taken: u32,
}

impl<const MOST: u32> PerSecond<MOST> {
    /// Takes one, if one is left.
    pub(crate) fn take(&mut self, now: Duration) -> bool {
        if self.second != now.as_secs() {
            self.second = now.as_secs();
            self.taken = 0;
        }
        let left = self.taken < MOST;
        self.taken += u32::from(left);
        left
    }
}

/// Answers messages of unknown type with Binding Errors, a bounded number of them per second
/// (RFC 6275 section 9.3.3).
#[derive(Clone, Debug, Default)]
pub(crate) struct ErrorSender {
    allowed: PerSecond<10>,
}

impl ErrorSender {
    pub(crate) fn unrecognized(
        &mut self,
        now: Duration,
        from: Ipv6Addr,
        to: Ipv6Addr,
        effects: &mut Vec<Effect>,
    ) {
        if !can_answer(from) || !self.allowed.take(now) {
            return;
        }
        effects.push(Effect::Send {
            from: to,
            to: from,
            message: Message::BindingError(BindingError {
                status: BindingError::UNRECOGNIZED_MH_TYPE,
                home_address: Ipv6Addr::UNSPECIFIED,
                options: Vec::new(),
            }),
        });
    }
}
