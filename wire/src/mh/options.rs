//! Finding options in a message. Each finder answers with the first of its kind; only the home
//! network prefix may stand in a message several times (RFC 5213 section 8.3).

use super::{
    AccessTechnology, HandoffIndicator, HomeNetworkPrefix, Lifetime, MnIdentifier, MobilityOption,
    NtpTime,
};
use std::net::Ipv6Addr;

/// Makes finders of options that are copied out.
macro_rules! finders {
    ($($(#[$doc:meta])* $name:ident: $variant:ident -> $value:ty;)+) => {
        $(
            $(#[$doc])*
            pub fn $name(options: &[MobilityOption]) -> Option<$value> {
                options.iter().find_map(|option| match option {
                    MobilityOption::$variant(value) => Some(*value),
                    _ => None,
                })
            }
        )+
    };
}

finders! {
    /// The Binding Refresh Advice interval.
    binding_refresh_advice: BindingRefreshAdvice -> Lifetime;
    /// The Alternate Care-of Address.
    alternate_care_of_address: AlternateCareOfAddress -> Ipv6Addr;
    /// The Handoff Indicator.
    handoff_indicator: HandoffIndicator -> HandoffIndicator;
    /// The Access Technology Type.
    access_technology: AccessTechnology -> AccessTechnology;
    /// The Link-local Address; unspecified when one is asked for.
    link_local_address: LinkLocalAddress -> Ipv6Addr;
    /// The Timestamp.
    timestamp: Timestamp -> NtpTime;
    /// The Restart Counter.
    restart_counter: RestartCounter -> u32;
}

/// The Mobile Node Identifier.
pub fn mn_identifier(options: &[MobilityOption]) -> Option<&MnIdentifier> {
    options.iter().find_map(|option| match option {
        MobilityOption::MnIdentifier(identifier) => Some(identifier),
        _ => None,
    })
}

/// The Mobile Node Link-layer Identifier.
pub fn link_layer_identifier(options: &[MobilityOption]) -> Option<&[u8]> {
    options.iter().find_map(|option| match option {
        MobilityOption::MnLinkLayerIdentifier(identifier) => Some(identifier.as_slice()),
        _ => None,
    })
}

/// Every Home Network Prefix, in order.
pub fn home_network_prefixes(
    options: &[MobilityOption],
) -> impl Iterator<Item = HomeNetworkPrefix> + '_ {
    options.iter().filter_map(|option| match option {
        MobilityOption::HomeNetworkPrefix(prefix) => Some(*prefix),
        _ => None,
    })
}
