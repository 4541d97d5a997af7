//! Proxy Binding Acknowledgements (RFC 5213 section 5.3.6): what goes for whoever answers updates.

use crate::counters::{Counter, Counters};
use crate::effect::{Effect, Notice};
use crate::message::{refuse_plain, OurTime, ProxyOptions};
use std::net::Ipv6Addr;
use wire::mh::{
    AccessTechnology, BindingUpdate, HandoffIndicator, Message, MnIdentifier, MobilityOption,
    Status, UpdateFlags,
};

/// The counters of answers, which a role that answers updates has among its own.
pub(crate) trait StatusCounter: Counter {
    /// The counter of answers with `status`.
    fn of(status: Status) -> Self;
}

/// Names the counters of answers of a role: those that are called the same in each, and its own.
macro_rules! status_counters {
    ($counter:ty { $($status:pat => $variant:ident,)* }) => {
        impl $crate::answer::StatusCounter for $counter {
            fn of(status: Status) -> Self {
                match status {
                    Status::ACCEPTED => Self::StatusAccepted,
                    Status::INSUFFICIENT_RESOURCES => Self::StatusNoResources,
                    Status::HOME_REGISTRATION_NOT_SUPPORTED => Self::StatusNoHomeRegistration,
                    Status::SEQUENCE_OUT_OF_WINDOW => Self::StatusSequence,
                    Status::TYPE_CHANGE_DISALLOWED => Self::StatusTypeChange,
                    Status::ID_MISMATCH => Self::StatusIdMismatch,
                    Status::MESG_ID_REQUIRED => Self::StatusMesgIdRequired,
                    Status::AUTH_FAIL => Self::StatusAuthFail,
                    Status::NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX => {
                        Self::StatusNotAuthorizedForPrefix
                    }
                    Status::TIMESTAMP_MISMATCH => Self::StatusTimestampMismatch,
                    Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED => Self::StatusTimestampLower,
                    Status::MISSING_HOME_NETWORK_PREFIX_OPTION => Self::StatusMissingPrefix,
                    Status::MISSING_MN_IDENTIFIER_OPTION => Self::StatusMissingIdentifier,
                    Status::MISSING_HANDOFF_INDICATOR_OPTION => Self::StatusMissingHandoff,
                    Status::MISSING_ACCESS_TECH_TYPE_OPTION => Self::StatusMissingAccess,
                    $($status => Self::$variant,)*
                    _ => Self::StatusUnspecified,
                }
            }
        }
    };
}

pub(crate) use status_counters;

/// Sends an answer from where the update came to, to where it came from; counts it, and says so.
pub(crate) fn send<C: StatusCounter>(
    (from, to): (Ipv6Addr, Ipv6Addr),
    mn_identifier: Option<MnIdentifier>,
    status: Status,
    message: Message,
    counters: &mut Counters<C>,
    effects: &mut Vec<Effect>,
) {
    counters.add(C::of(status));
    effects.push(Effect::Send { from, to, message });
    effects.push(Effect::Notify {
        notice: Notice::UpdateAnswered {
            mn_identifier,
            from: to,
            status,
        },
    });
}

/// The answer to a registration by a mobile node itself where there is no home agent, with its status: whether
/// the host is `registered` by a gateway decides (RFC 6275 sections 9.5.1 and 10.3.1). `None`: it was for a
/// correspondent node, and is not answered.
pub(crate) fn to_mobile_node(
    update: &BindingUpdate,
    registered: bool,
) -> Option<(Status, Message)> {
    if !update.flags.contains(UpdateFlags::HOME_REGISTRATION) {
        return None;
    }
    let status = match registered {
        true => Status::TYPE_CHANGE_DISALLOWED,
        false => Status::HOME_REGISTRATION_NOT_SUPPORTED,
    };
    Some((status, refuse_plain(update, status)))
}

/// The Mobile Node Identifier option of an answer, which is mandatory: that of the update, or else an empty
/// one.
pub(crate) fn identifier(asked: &ProxyOptions<'_>) -> MobilityOption {
    let host = asked.mn_identifier.cloned();
    MobilityOption::MnIdentifier(host.unwrap_or_else(|| MnIdentifier::Nai(String::new())))
}

/// How the host is attached, and when that was said, as the update has it. Where its first two options are
/// `mandatory` they are there even if it left them out.
pub(crate) fn attachment(
    asked: &ProxyOptions<'_>,
    mandatory: bool,
    time: OurTime,
    options: &mut Vec<MobilityOption>,
) {
    let handoff = mandatory.then_some(HandoffIndicator(0));
    let handoff = asked.handoff.or(handoff);
    options.extend(handoff.map(MobilityOption::HandoffIndicator));
    let technology = mandatory.then_some(AccessTechnology(0));
    let technology = asked.access_technology.or(technology);
    options.extend(technology.map(MobilityOption::AccessTechnology));
    options.extend(time.answer(asked));
    let link_layer = asked.link_layer.map(<[u8]>::to_vec);
    options.extend(link_layer.map(MobilityOption::MnLinkLayerIdentifier));
}
