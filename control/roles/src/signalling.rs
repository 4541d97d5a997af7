//! In which form messages are written where a draft and the RFCs that followed it differ.

use serde::{Deserialize, Serialize};
use wire::mh::{Experimental, MobilityOption, Status};

/// What messages between a gateway and its anchor look like (S1-03 to S1-05, S1-07, S1-12, S1-13).
///
/// | | RFC 5213 | draft |
/// |---|---|---|
/// | what is asked for or given | Home Network Prefix option, type 22 | Assigned Home Address, in option 18 |
/// | whether there is a binding | - | Binding Cache Confirmation, in option 18 or in one of its own |
/// | the service is off | status 152 | status 140 |
/// | there is no binding | status 133 | status 141 |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignallingProfile {
    /// As RFC 5213 has it.
    #[default]
    Rfc,
    /// As the draft has it that RFC 5213 grew from. An anchor answers each update in the form that the
    /// update has, so that gateways of both forms can share it.
    Draft,
}

impl SignallingProfile {
    /// The status code that says in this form what `status` says in RFC 5213's.
    pub(crate) const fn status(self, status: Status) -> Status {
        match (self, status) {
            (Self::Draft, Status::PROXY_REG_NOT_ENABLED) => Status::PROXY_NOT_SUPPORTED,
            (Self::Draft, Status::NOT_HOME_AGENT) => Status::BINDING_CACHE_ENTRY_MISSING,
            _ => status,
        }
    }

    /// What a status code of this form says in RFC 5213's.
    pub(crate) const fn meaning(self, status: Status) -> Status {
        match (self, status) {
            (Self::Draft, Status::PROXY_NOT_SUPPORTED) => Status::PROXY_REG_NOT_ENABLED,
            (Self::Draft, Status::BINDING_CACHE_ENTRY_MISSING) => Status::NOT_HOME_AGENT,
            _ => status,
        }
    }
}

/// A Binding Cache Confirmation: in option 18, or in an option of its own without data, as the draft has it (S1-03).
pub(crate) fn confirmation(own: Option<u8>) -> MobilityOption {
    match own {
        None => MobilityOption::Experimental(Experimental::BindingCacheConfirmation),
        Some(kind) => MobilityOption::Unknown {
            kind,
            data: Vec::new(),
        },
    }
}
