//! What a mobile access gateway counts.

use crate::counters::counters;

counters! {
    /// Counters of a mobile access gateway.
    pub enum MagCounter {
        HostsAsked = "hosts_asked": "Times that it was asked who a host is",
        HostsAttached = "hosts_attached": "Hosts that attached: their anchor accepted them",
        HostsDetached = "hosts_detached": "Hosts that left or were detached",
        HostsMoved = "hosts_moved": "Hosts that moved between two links of this gateway",
        HostsElsewhere = "hosts_elsewhere": "Hosts that were no longer served because their anchor has them with another gateway",
        RefusedByPolicy = "refused_by_policy": "Hosts refused: policy does not let them attach",
        RefusedByAnchor = "refused_by_anchor": "Hosts refused: their anchor does not accept them",
        RefusedIdentifierInUse = "refused_identifier_in_use": "Hosts refused: another host is here under the same identifier",
        RefusedNoRoom = "refused_no_room": "Hosts refused: the gateway is full",
        RefusedByTable = "refused_by_table": "Hosts given up because the table refused their binding",
        SignsWhileRefused = "signs_while_refused": "Signs of hosts that were refused a short time ago",
        SignsNotAttaching = "signs_not_attaching": "Signs of unknown hosts by which hosts do not attach here",
        VisitorsRestored = "visitors_restored": "Hosts that were served again after a restart",
        UpdatesSent = "updates_sent": "Proxy Binding Updates sent",
        UpdatesRetransmitted = "updates_retransmitted": "Proxy Binding Updates sent again for want of an answer",
        UpdatesDelayed = "updates_delayed": "Proxy Binding Updates held back by MAX_UPDATE_RATE",
        Registered = "registered": "Registrations accepted",
        Refreshed = "refreshed": "Refreshes accepted",
        Deregistered = "deregistered": "De-registrations acknowledged",
        DeregistrationsGivenUp = "deregistrations_given_up": "De-registrations that were never acknowledged",
        BindingsExpired = "bindings_expired": "Bindings that ended because no refresh was acknowledged in time",
        PrefixesChanged = "prefixes_changed": "Bindings whose anchor gave other prefixes than before",
        RefusedTransient = "answers_transient": "Answers 128, 130 or 156: tried again at the slowest rate",
        RefusedCorrectable = "answers_correctable": "Answers 135, 155, 157 or 159: tried again at once with another sequence number, timestamp or prefix request",
        AdvertisementsSent = "advertisements_sent": "Router Advertisements sent",
        AdvertisementsWithdrawing = "advertisements_withdrawing": "Router Advertisements sent that end the service",
        RefreshRequests = "refresh_requests": "Binding Refresh Requests followed",
        NotOurAddress = "not_our_address": "Messages ignored: not for the gateway's address",
        WithoutProxyFlag = "acknowledgement_without_proxy_flag": "Acknowledgements ignored: the P flag is not set",
        WithoutIdentifier = "message_without_mn_identifier": "Messages ignored: they do not say whom they are about",
        UnknownHost = "acknowledgement_for_unknown_host": "Acknowledgements ignored: no update is outstanding for this host",
        WrongAnchor = "message_from_wrong_anchor": "Messages ignored: not from the anchor of this host",
        NoMatchingUpdate = "acknowledgement_without_update": "Acknowledgements ignored: their sequence number is not of an outstanding update",
        WrongTimestamp = "acknowledgement_with_wrong_timestamp": "Acknowledgements ignored: not the timestamp of the update",
        EchoMismatch = "acknowledgement_with_wrong_echo": "Acknowledgements ignored: an option is not what the update said",
        WithoutPrefix = "acknowledgement_without_prefix": "Acknowledgements ignored: accepted, but without a usable prefix or lifetime",
        UnexpectedUpdate = "unexpected_update": "Binding updates that arrived at a gateway that anchors nothing",
        BindingErrors = "binding_errors_received": "Binding Errors that arrived",
        UnknownType = "unknown_type": "Messages of a type that a gateway does not know",
        UnexpectedAnswer = "unexpected_authentication": "Answers about hosts that nobody had asked about any more",
    }
}
