//! What a local mobility anchor counts.

use crate::counters::counters;
use wire::mh::Status;

counters! {
    /// Counters of a local mobility anchor.
    pub enum LmaCounter {
        UpdatesReceived = "updates_received": "Binding updates that arrived",
        BindingsCreated = "bindings_created": "Bindings created",
        BindingsRefreshed = "bindings_refreshed": "Bindings whose lifetime was extended by the gateway that holds them",
        BindingsMoved = "bindings_moved": "Bindings that moved to another care-of address",
        BindingsDeregistered = "bindings_deregistered": "De-registrations accepted",
        BindingsExpired = "bindings_expired": "Bindings removed because their lifetime ended",
        BindingsDeleted = "bindings_deleted": "Bindings removed after de-registration and MinDelayBeforeBCEDelete",
        BindingsWithdrawn = "bindings_withdrawn": "Bindings removed by the operator or by a change of policy",
        BindingsNotInstalled = "bindings_not_installed": "Bindings given up because the table refused them",
        BindingsRevoked = "bindings_revoked": "Bindings removed because they were revoked, by the operator or by their gateway",
        BindingsRestored = "bindings_restored": "Bindings that came back after a restart",
        UpdatesHeld = "updates_held": "Updates that waited for the de-registration of the session in their way",
        StatusAccepted = "status_accepted": "Updates answered with 0, accepted",
        StatusUnspecified = "status_unspecified": "Updates answered with 128, reason unspecified: an option came twice that may come once",
        StatusProhibited = "status_administratively_prohibited": "Updates answered with 129: the identifier is in use by another interface, or the host has moved on to another gateway",
        StatusNoResources = "status_insufficient_resources": "Updates answered with 130: no prefix or no room for the binding",
        StatusNoHomeRegistration = "status_home_registration_not_supported": "Updates answered with 131: a registration by a mobile node itself",
        StatusSequence = "status_sequence_out_of_window": "Updates answered with 135, sequence number out of window",
        StatusTypeChange = "status_registration_type_change": "Updates answered with 139: a gateway's registration without the P flag of a mobile node that is registered with it",
        StatusNotEnabled = "status_proxy_reg_not_enabled": "Updates answered with 152: the service is off for this mobile node",
        StatusNotLma = "status_not_lma_for_this_mobile_node": "Updates answered with 153: the mobile node is not known",
        StatusMagNotAuthorized = "status_mag_not_authorized": "Updates answered with 154: the sender or its care-of address is not a known gateway",
        StatusNotAuthorizedForPrefix = "status_not_authorized_for_prefix": "Updates answered with 155: a prefix is not this mobile node's",
        StatusTimestampMismatch = "status_timestamp_mismatch": "Updates answered with 156: the timestamp is outside of the validity window",
        StatusTimestampLower = "status_timestamp_lower": "Updates answered with 157: the timestamp is not above the last accepted one",
        StatusMissingPrefix = "status_missing_home_network_prefix": "Updates answered with 158, no Home Network Prefix option",
        StatusPrefixSet = "status_prefix_set_does_not_match": "Updates answered with 159: not the prefixes of the binding",
        StatusMissingIdentifier = "status_missing_mn_identifier": "Updates answered with 160, no Mobile Node Identifier option",
        StatusMissingHandoff = "status_missing_handoff_indicator": "Updates answered with 161, no Handoff Indicator option",
        StatusMissingAccess = "status_missing_access_technology": "Updates answered with 162, no Access Technology Type option",
        RevocationsSent = "revocations_sent": "Binding Revocation Indications sent, each counted once",
        RevocationsRetransmitted = "revocations_retransmitted": "Binding Revocation Indications sent again for want of an answer",
        RevocationsAcknowledged = "revocations_acknowledged": "Revocations that a gateway carried out",
        RevocationsRefused = "revocations_refused": "Revocations that a gateway answered with a refusal",
        RevocationsGivenUp = "revocations_given_up": "Revocations that were never answered, or not sent because too many were outstanding",
        RevocationsAccepted = "revocations_accepted": "Revocations by gateways that were carried out",
        RevocationsDenied = "revocations_denied": "Revocations by gateways that were answered with a refusal",
        StatusNoIpv4 = "status_not_authorized_for_ipv4_service": "Updates answered with 170: no IPv4 for this mobile node, or none here",
        StatusNotIpv4Address = "status_not_authorized_for_ipv4_address": "Updates answered with 171: the IPv4 home address is not this mobile node's, or none can be chosen",
        StatusNoIpv6 = "status_not_authorized_for_ipv6_service": "Updates answered with 172: no IPv6 for this mobile node",
        StatusManyIpv4 = "status_multiple_ipv4_home_addresses": "Updates answered with 173: more than one IPv4 home address was asked for",
        NotOurAddress = "not_our_address": "Messages ignored: not for the anchor's address",
        StrangersUnanswered = "strangers_unanswered": "Updates of unknown gateways ignored: more than a hundred of a second are not answered",
        SourceNotUnicast = "source_not_unicast": "Messages ignored: their source is no address that can be answered from here",
        CorrespondentRegistration = "correspondent_registration": "Updates ignored: neither a proxy nor a home registration",
        NoSession = "deregistration_without_session": "De-registrations ignored: no such session",
        NotTheCareOfAddress = "deregistration_from_elsewhere": "De-registrations ignored: the session is with another gateway",
        UnexpectedAcknowledgement = "unexpected_acknowledgement": "Acknowledgements ignored: an anchor sends no updates",
        UnexpectedRefreshRequest = "unexpected_refresh_request": "Refresh requests ignored: an anchor sends no updates",
        UnexpectedRevocationAnswer = "unexpected_revocation_answer": "Revocation acknowledgements ignored: they answer nothing that was asked of their sender",
        RevocationByStranger = "revocation_by_stranger": "Revocations ignored: their sender is not a known gateway",
        BindingErrors = "binding_errors_received": "Binding Errors that arrived",
        UnknownType = "unknown_type": "Messages of a type that an anchor does not know",
    }
}

impl LmaCounter {
    /// The counter of answers with `status`.
    pub(super) const fn of(status: Status) -> Self {
        match status {
            Status::ACCEPTED => Self::StatusAccepted,
            Status::ADMINISTRATIVELY_PROHIBITED => Self::StatusProhibited,
            Status::INSUFFICIENT_RESOURCES => Self::StatusNoResources,
            Status::HOME_REGISTRATION_NOT_SUPPORTED => Self::StatusNoHomeRegistration,
            Status::SEQUENCE_OUT_OF_WINDOW => Self::StatusSequence,
            Status::TYPE_CHANGE_DISALLOWED => Self::StatusTypeChange,
            Status::PROXY_REG_NOT_ENABLED => Self::StatusNotEnabled,
            Status::NOT_LMA_FOR_THIS_MOBILE_NODE => Self::StatusNotLma,
            Status::MAG_NOT_AUTHORIZED_FOR_PROXY_REG => Self::StatusMagNotAuthorized,
            Status::NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX => Self::StatusNotAuthorizedForPrefix,
            Status::TIMESTAMP_MISMATCH => Self::StatusTimestampMismatch,
            Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED => Self::StatusTimestampLower,
            Status::MISSING_HOME_NETWORK_PREFIX_OPTION => Self::StatusMissingPrefix,
            Status::BCE_PBU_PREFIX_SET_DO_NOT_MATCH => Self::StatusPrefixSet,
            Status::MISSING_MN_IDENTIFIER_OPTION => Self::StatusMissingIdentifier,
            Status::MISSING_HANDOFF_INDICATOR_OPTION => Self::StatusMissingHandoff,
            Status::MISSING_ACCESS_TECH_TYPE_OPTION => Self::StatusMissingAccess,
            Status::NOT_AUTHORIZED_FOR_IPV4_MOBILITY_SERVICE => Self::StatusNoIpv4,
            Status::NOT_AUTHORIZED_FOR_IPV4_HOME_ADDRESS => Self::StatusNotIpv4Address,
            Status::NOT_AUTHORIZED_FOR_IPV6_MOBILITY_SERVICE => Self::StatusNoIpv6,
            Status::MULTIPLE_IPV4_HOME_ADDRESSES_NOT_SUPPORTED => Self::StatusManyIpv4,
            _ => Self::StatusUnspecified,
        }
    }
}
