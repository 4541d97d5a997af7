//! What a central mobility database counts.

use crate::counters::counters;
use crate::heartbeat::heartbeat_counters;
use crate::revocation::revocation_counters;
use wire::mh::Status;

counters! {
    /// Counters of a central mobility database.
    pub enum CmdCounter {
        UpdatesReceived = "updates_received": "Binding updates that arrived",
        SessionsCreated = "sessions_created": "Hosts registered that were not known",
        SessionsRefreshed = "sessions_refreshed": "Registrations by the MAAR that serves the host already",
        SessionsMoved = "sessions_moved": "Registrations by a MAAR that the host has moved to",
        SessionsDeregistered = "sessions_deregistered": "Hosts de-registered by the MAAR that served them",
        SessionsExpired = "sessions_expired": "Hosts whose lifetime ended",
        SessionsWithdrawn = "sessions_withdrawn": "Hosts deleted by the operator, or served by a MAAR that is no longer of the domain",
        SessionsRestored = "sessions_restored": "Hosts that came back after a restart",
        SessionsNotRestored = "sessions_not_restored": "Hosts that were kept but did not come back: no room, or no MAAR of theirs is of the domain",
        PrefixesReleased = "prefixes_released": "Prefixes of previous MAARs let go of one by one, by the MAAR that serves the host",
        PrefixesEvicted = "prefixes_evicted": "Prefixes of previous MAARs let go of because a host had too many",
        PrefixesLost = "prefixes_lost": "Prefixes that their MAAR said it no longer anchors",
        PrefixesFound = "prefixes_found": "Prefixes that a previous MAAR said it anchors and that were not known here",
        DeregistrationsDenied = "deregistrations_denied": "De-registrations by a previous MAAR, answered with the lifetime of the host's registration",
        DeregistrationsUnknown = "deregistrations_unknown": "De-registrations of a host or prefix that is not registered, answered with lifetime zero",
        AnswersAggregated = "answers_aggregated": "Answers to a serving MAAR that hold what all previous MAARs said",
        AnswersIncomplete = "answers_incomplete": "Answers to a serving MAAR for which not every previous MAAR answered in time",
        AnswersLate = "answers_late": "Further answers to a serving MAAR, for previous MAARs that answered late",
        AnswersLeft = "answers_left": "Updates of a serving MAAR that previous MAARs answered in our place",
        AnchorUpdates = "anchor_updates_sent": "Updates sent to previous MAARs: where a host is now, each counted once",
        AnchorReleases = "anchor_releases_sent": "De-registrations sent to previous MAARs, each counted once",
        AnchorRetransmissions = "anchor_retransmissions": "Updates and de-registrations sent to previous MAARs again for want of an answer",
        AnchorsConfirmed = "anchors_confirmed": "Updates that a previous MAAR accepted",
        AnchorsReleased = "anchors_released": "De-registrations that a previous MAAR accepted, or had no more need of",
        AnchorsRefused = "anchors_refused": "Updates that a previous MAAR refused",
        AnchorsSilent = "anchors_silent": "Updates and de-registrations given up because a previous MAAR never answered",
        RevocationsSent = "revocations_sent": "Binding Revocation Indications sent to serving MAARs: a session is over, or an anchor has let go of a prefix",
        RevocationsRetransmitted = "revocations_retransmitted": "Indications sent again because no acknowledgement came",
        RevocationsAcknowledged = "revocations_acknowledged": "Indications that a MAAR has followed",
        RevocationsRefused = "revocations_refused": "Indications that a MAAR answered with a refusal, mostly that there was nothing to end",
        RevocationsGivenUp = "revocations_given_up": "Indications that were never acknowledged",
        RevocationsAccepted = "revocations_accepted": "Indications of a previous MAAR that it anchors a prefix no longer, followed",
        RevocationsDenied = "revocations_denied": "Indications of a MAAR, refused",
        RevocationByStranger = "revocation_by_stranger": "Indications ignored: by nobody of the domain",
        UnexpectedRevocationAnswer = "unexpected_revocation_answer": "Revocation acknowledgements ignored: they answer nothing that was sent to their sender",
        RefreshOfRevoked = "refresh_of_revoked": "Refreshes ignored: of a session that the operator has ended, of which its MAAR is being told",
        UpdatesPaced = "updates_paced": "Updates and indications that waited so that no burst goes out",
        UpdatesRateLimited = "updates_rate_limited": "Updates and indications that waited because their MAAR had been sent as many for the host within a second as it may",
        MovesTooOften = "moves_too_often": "Registrations ignored: the host moves more often than is followed",
        StatusAccepted = "status_accepted": "Updates answered with 0, accepted",
        StatusUnspecified = "status_unspecified": "Updates answered with 128, reason unspecified: an option came twice that may come once",
        StatusNoResources = "status_insufficient_resources": "Updates answered with 130: no room, or more prefixes than a MAAR may have for one host",
        StatusNoHomeRegistration = "status_home_registration_not_supported": "Updates answered with 131: a registration by a mobile node itself",
        StatusSequence = "status_sequence_out_of_window": "Updates answered with 135, sequence number out of window",
        StatusTypeChange = "status_registration_type_change": "Updates answered with 139: a registration without the P flag of a host that is registered",
        StatusIdMismatch = "status_id_mismatch": "Updates answered with 144: their replay protection timestamp is far from our time, or not new",
        StatusMesgIdRequired = "status_mesg_id_required": "Updates answered with 145: no replay protection timestamp",
        StatusAuthFail = "status_auth_fail": "Updates answered with 146: not authenticated, or not by a key that we share with the MAAR",
        StatusMaarNotAuthorized = "status_maar_not_authorized": "Updates answered with 154: the sender or its care-of address is no MAAR of the domain, or does not say that it is one (D flag)",
        StatusNotAuthorizedForPrefix = "status_not_authorized_for_prefix": "Updates answered with 155: a prefix is of no pool of the MAAR, or somebody else has it",
        StatusTimestampMismatch = "status_timestamp_mismatch": "Updates answered with 156: the timestamp is outside of the validity window",
        StatusTimestampLower = "status_timestamp_lower": "Updates answered with 157: the timestamp is not above the last accepted one",
        StatusMissingPrefix = "status_missing_home_network_prefix": "Updates answered with 158: no Home Network Prefix option, or one that asks for a prefix, which a CMD has none of",
        StatusMissingIdentifier = "status_missing_mn_identifier": "Updates answered with 160, no Mobile Node Identifier option",
        StatusMissingHandoff = "status_missing_handoff_indicator": "Updates answered with 161, no Handoff Indicator option",
        StatusMissingAccess = "status_missing_access_technology": "Updates answered with 162, no Access Technology Type option",
        NotOurAddress = "not_our_address": "Messages ignored: not for the CMD's address",
        StrangersUnanswered = "strangers_unanswered": "Updates of unknown MAARs ignored: more than a hundred of a second are not answered",
        SourceNotUnicast = "source_not_unicast": "Messages ignored: their source is no address that can be answered from here",
        CorrespondentRegistration = "correspondent_registration": "Updates ignored: neither a proxy nor a home registration",
        RefreshByFormer = "refresh_by_former": "Refreshes ignored: by a MAAR that the host has left, which is told so again",
        UnexpectedAcknowledgement = "unexpected_acknowledgement": "Acknowledgements ignored: they answer nothing that was asked of their sender",
        AcknowledgementOfOther = "acknowledgement_for_other_serving_maar": "Acknowledgements ignored: their Serving MAAR option names another MAAR than the one that serves the host",
        AcknowledgementWithoutPrefix = "acknowledgement_without_prefix": "Acknowledgements ignored: accepted, but with no Home Network Prefix option",
        UnexpectedMessage = "unexpected_message": "Messages ignored: of a type that a CMD has no part in",
        HeartbeatsSent = "heartbeats_sent": "Heartbeat Requests sent",
        HeartbeatsAnswered = "heartbeats_answered": "Heartbeat Requests of ours that were answered",
        HeartbeatsReceived = "heartbeats_received": "Heartbeat Requests that were answered here",
        HeartbeatsUnanswered = "heartbeats_unanswered": "Heartbeat Requests ignored: more than ten of a second of one peer are not answered",
        HeartbeatsUnexpected = "heartbeats_unexpected": "Heartbeat Responses ignored: they answer nothing that was asked of their sender",
        HeartbeatsByStrangers = "heartbeats_by_strangers": "Heartbeats ignored: their sender is no MAAR of the domain",
        RestartNotices = "restart_notices_sent": "Unsolicited Heartbeat Responses sent to tell of a restart",
        PeersDown = "peers_down": "Times that a MAAR stopped answering heartbeats",
        PeersRestarted = "peers_restarted": "Times that a MAAR told of a restart that lost its sessions",
        PeersWithoutHeartbeats = "peers_without_heartbeats": "Peers that do not know heartbeats, and are not asked any more",
        AnchorsAskedAnew = "anchors_asked_anew": "Times that a MAAR which has restarted without its sessions, or is back, was told again where a host is",
        BindingErrors = "binding_errors_received": "Binding Errors that arrived",
        UnknownType = "unknown_type": "Messages of a type that a CMD does not know",
    }
}

heartbeat_counters!(CmdCounter);
revocation_counters!(CmdCounter);

impl CmdCounter {
    /// The counter of answers with `status`.
    pub(super) const fn of(status: Status) -> Self {
        match status {
            Status::ACCEPTED => Self::StatusAccepted,
            Status::INSUFFICIENT_RESOURCES => Self::StatusNoResources,
            Status::HOME_REGISTRATION_NOT_SUPPORTED => Self::StatusNoHomeRegistration,
            Status::SEQUENCE_OUT_OF_WINDOW => Self::StatusSequence,
            Status::TYPE_CHANGE_DISALLOWED => Self::StatusTypeChange,
            Status::ID_MISMATCH => Self::StatusIdMismatch,
            Status::MESG_ID_REQUIRED => Self::StatusMesgIdRequired,
            Status::AUTH_FAIL => Self::StatusAuthFail,
            Status::MAG_NOT_AUTHORIZED_FOR_PROXY_REG => Self::StatusMaarNotAuthorized,
            Status::NOT_AUTHORIZED_FOR_HOME_NETWORK_PREFIX => Self::StatusNotAuthorizedForPrefix,
            Status::TIMESTAMP_MISMATCH => Self::StatusTimestampMismatch,
            Status::TIMESTAMP_LOWER_THAN_PREV_ACCEPTED => Self::StatusTimestampLower,
            Status::MISSING_HOME_NETWORK_PREFIX_OPTION => Self::StatusMissingPrefix,
            Status::MISSING_MN_IDENTIFIER_OPTION => Self::StatusMissingIdentifier,
            Status::MISSING_HANDOFF_INDICATOR_OPTION => Self::StatusMissingHandoff,
            Status::MISSING_ACCESS_TECH_TYPE_OPTION => Self::StatusMissingAccess,
            _ => Self::StatusUnspecified,
        }
    }
}
