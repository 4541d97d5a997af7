//! What the control plane counts, declared once with its description: `anchorctl counters` and the
//! documentation derive from it.

use std::collections::BTreeMap;

/// Declares an enumeration of counters, each with its stable name and what it counts.
macro_rules! counters {
    ($(#[$about:meta])* pub enum $all:ident {
        $($variant:ident = $name:literal, $text:literal;)*
    }) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $all {
            $(#[doc = $text] $variant,)*
        }

        impl $all {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it counts, one sentence.
            pub const fn describe(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}
pub(crate) use counters;

counters! {
    /// Something that the control plane counts.
    pub enum Counter {
        MessageReceived = "message_received", "Well-formed mobility messages handed to the role.";
        MessageSent = "message_sent", "Mobility messages sent.";
        MessageWaits = "message_waits", "Mobility messages that waited for the link-layer address of their next hop.";
        MessageUnreachable = "message_unreachable", "Mobility messages not sent because their next hop does not answer, or too many waited for one.";
        SendHeld = "send_held", "Messages and Router Advertisements that waited until what they say was kept in the store.";
        MessagePutOff = "message_put_off", "Mobility messages that waited to be taken because the store had as much to do as it may.";
        MessageStoreBehind = "message_store_behind", "Mobility messages not taken because the store was too far behind; their senders send them again.";
        MessageUnsendable = "message_unsendable", "Mobility messages that do not fit their own format and were not sent.";
        MessageUnknownType = "message_unknown_type", "Mobility messages of a type that is not known here; answered with a Binding Error.";
        MessageOptionSkipped = "message_option_skipped", "Mobility options of a known type in a form that it does not have, which were passed over: a Previous MAAR option whose length is not 34, and such.";
        MessageDraining = "message_draining", "Mobility messages not taken because the gateway is going down.";
        MessageNoAssociation = "message_no_association", "Mobility messages discarded: we share no keys with their sender, and they are authenticated or have to be.";
        MessageUnauthenticated = "message_unauthenticated", "Mobility messages of a gateway that we share keys with, without authentication; refused with 146 or discarded.";
        MessageForged = "message_forged", "Mobility messages whose authentication is wrong or by a key that is not known; refused with 146 or discarded.";
        MessageNoTimestamp = "message_no_timestamp", "Authenticated mobility messages without the timestamp that keeps them from being replayed; refused with 145 or discarded.";
        MessageReplayed = "message_replayed", "Authenticated mobility messages whose timestamp is far from our time or was used before; refused with 144 or discarded.";
        MessageUnmatched = "message_unmatched", "Authenticated acknowledgements whose timestamp is of no update that waits for one; discarded.";
        ProblemSent = "problem_sent", "ICMPv6 Parameter Problems sent.";
        BindingErrorSent = "binding_error_sent", "Binding Errors sent.";
        AnswerLimited = "answer_limited", "Error answers that the rate limit kept back.";
        AnswerForbidden = "answer_forbidden", "Error answers not sent because of the source or destination of what they would answer.";
        PacketMalformed = "packet_malformed", "Punted packets that are not whole IPv6 packets.";
        PacketForeign = "packet_foreign", "Punted packets for an address that is not ours.";
        PacketFragment = "packet_fragment", "Fragments for the control plane, which takes whole packets only.";
        PacketUnexpected = "packet_unexpected", "Punted packets that hold something other than what they were punted for.";
        OptionDiscarded = "option_discarded", "Packets discarded for a hop-by-hop or destination option that is not known here.";
        DiscoveryMalformed = "discovery_malformed", "Neighbour discovery messages that fail the checks of RFC 4861.";
        DiscoveryForeign = "discovery_foreign", "Neighbour Solicitations for an address that is not ours; not answered.";
        DiscoveryConflict = "discovery_conflict", "Neighbour Advertisements of somebody else for an address of ours; on an access link, any message of discovery from one, too.";
        DiscoveryDefended = "discovery_defended", "Neighbour Advertisements that took an address of ours back which a host had claimed.";
        RouterAdvertisementSeen = "router_advertisement_seen", "Router Advertisements of other routers; not used.";
        RouterAdvertisementRogue = "router_advertisement_rogue", "Router Advertisements of hosts on an access link, where we are the router; not used.";
        RedirectIgnored = "redirect_ignored", "Redirects; routers do not take them.";
        NodeQuerySent = "node_query_sent", "Node Information Queries sent to hosts.";
        NodeReplyMalformed = "node_reply_malformed", "Node Information Replies of hosts that are not well-formed.";
        SolicitationSent = "solicitation_sent", "Neighbour Solicitations sent.";
        AdvertisementSent = "advertisement_sent", "Neighbour Advertisements sent.";
        RouterAdvertisementSent = "router_advertisement_sent", "Router Advertisements sent.";
        DhcpRelayed = "dhcp_relayed", "DHCPv6 messages of hosts passed on to a server.";
        DhcpReplied = "dhcp_replied", "DHCPv6 messages of servers passed on to a host.";
        DhcpUnserved = "dhcp_unserved", "DHCPv6 messages of hosts that are not served, or where no server is configured; the host may attach by them.";
        DhcpMalformed = "dhcp_malformed", "DHCPv6 messages that are broken.";
        DhcpSpoofed = "dhcp_spoofed", "DHCPv6 messages of hosts that only servers and relay agents send.";
        DhcpLimited = "dhcp_limited", "DHCPv6 messages of hosts over what a host may ask, or all may ask together.";
        DhcpStarved = "dhcp_starved", "DHCPv6 messages of hosts that ask under more names than one host has.";
        DhcpStranger = "dhcp_stranger", "DHCPv6 messages on the core from anyone but a configured server.";
        DhcpUnmatched = "dhcp_unmatched", "DHCPv6 messages of servers that answer nothing, or whose host is not served.";
        DhcpHeld = "dhcp_held", "DHCPv6 answers that waited until the LMA had acknowledged the prefixes that they delegate.";
        DhcpPrefixesRefused = "dhcp_prefixes_refused", "DHCPv6 answers without prefixes that the LMA has not acknowledged: NoPrefixAvail.";
        DhcpMended = "dhcp_mended", "DHCPv6 answers of which leases were taken out that are not of the host's prefixes.";
        ArpMalformed = "arp_malformed", "ARP packets that are broken, or whose sender is not the frame's.";
        ArpForeign = "arp_foreign", "ARP packets about addresses that are neither ours nor a neighbour's.";
        ArpConflict = "arp_conflict", "ARP packets of somebody else from an address of ours.";
        ArpSpoofed = "arp_spoofed", "ARP packets of hosts from the address of the default router, of the gateway or of another host; not answered.";
        ArpDefended = "arp_defended", "Announcements of the default router's address, or of ours, after a host has claimed it.";
        ArpRequestSent = "arp_request_sent", "ARP requests sent.";
        ArpReplySent = "arp_reply_sent", "ARP replies sent.";
        Dhcpv4Received = "dhcpv4_received", "DHCPv4 messages of hosts.";
        Dhcpv4Malformed = "dhcpv4_malformed", "DHCPv4 messages of hosts that are broken.";
        Dhcpv4Offered = "dhcpv4_offered", "IPv4 home addresses offered to hosts.";
        Dhcpv4Leased = "dhcpv4_leased", "Acknowledgements to DHCPv4 clients.";
        Dhcpv4Refused = "dhcpv4_refused", "DHCPv4 requests for an address that is not the host's, refused.";
        Dhcpv4GivenUp = "dhcpv4_given_up", "Hosts that gave their IPv4 address back or found it in use.";
        Dhcpv4Ignored = "dhcpv4_ignored", "DHCPv4 messages not answered: for another server, from behind another host, or no client's.";
        Dhcpv4Unrelayed = "dhcpv4_unrelayed", "DHCPv4 messages of hosts whose anchor wants them relayed, where no server is configured.";
        Dhcpv4Relayed = "dhcpv4_relayed", "DHCPv4 messages of hosts passed on to a server.";
        Dhcpv4Replied = "dhcpv4_replied", "DHCPv4 messages of servers passed on to a host.";
        Dhcpv4Stranger = "dhcpv4_stranger", "DHCPv4 messages on the core from anyone but a configured server, or not for the relay agent.";
        Dhcpv4Unmatched = "dhcpv4_unmatched", "DHCPv4 messages of servers that answer nothing, or whose host is not served.";
        Dhcpv4Mismatched = "dhcpv4_mismatched", "DHCPv4 messages about another address than the host's, from servers or from hosts that are relayed; not passed on.";
        NeighbourFailed = "neighbour_failed", "Neighbours that did not answer.";
        NeighbourFull = "neighbour_full", "Neighbours not resolved because the neighbour cache is full.";
        AdjacencyFull = "adjacency_full", "Neighbours resolved that found no room in the adjacency table.";
        HostSeen = "host_seen", "Signs of hosts on access links handed to the role.";
        HostUnreachable = "host_unreachable", "Hosts that no longer answered on their access link.";
        IcmpMalformed = "icmp_malformed", "ICMPv6 messages that are truncated or whose checksum is wrong.";
        IcmpTooBig = "icmp_too_big", "Packet Too Big messages that lowered the MTU of a tunnel.";
        IcmpRelayed = "icmp_relayed", "ICMPv6 errors from inside a tunnel that were passed on to the sender of the packet inside.";
        IcmpUnmatched = "icmp_unmatched", "ICMPv6 errors that quote no packet of a tunnel of ours.";
        IcmpOther = "icmp_other", "ICMPv6 errors about a tunnel that change nothing.";
        InjectRefused = "inject_refused", "Packets of our own that a worker's ring had no room for.";
        KernelRefused = "kernel_refused", "Packets of our own that the kernel did not send: no route, or no room.";
        TableFull = "table_full", "Bindings that the tables refused.";
        LogLimited = "log_limited", "Lines about what others did that were kept out of the log because there were too many; subscribers got them all.";
        EffectDropped = "effect_dropped", "Effects not applied because the binding they rest on was refused.";
    }
}

/// The counts.
#[derive(Clone, Debug)]
pub struct Counters {
    own: Vec<u64>,
    malformed: BTreeMap<&'static str, u64>,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            own: vec![0; Counter::ALL.len()],
            malformed: wire::mh::Error::all_names()
                .iter()
                .map(|name| (*name, 0))
                .collect(),
        }
    }
}

impl Counters {
    /// Counts one.
    pub fn count(&mut self, counter: Counter) {
        if let Some(count) = self.own.get_mut(counter as usize) {
            *count += 1;
        }
    }

    /// Counts one malformed mobility message under the name of what is wrong with it.
    pub fn malformed(&mut self, name: &'static str) {
        *self.malformed.entry(name).or_default() += 1;
    }

    /// How many of one were counted.
    pub fn get(&self, counter: Counter) -> u64 {
        self.own.get(counter as usize).copied().unwrap_or(0)
    }

    /// How many malformed mobility messages were counted under `name`.
    pub fn get_malformed(&self, name: &str) -> u64 {
        self.malformed.get(name).copied().unwrap_or(0)
    }

    /// All counts with their names and what they count, zeros included, in a fixed order. Malformed
    /// mobility messages stand as `malformed_` and what is wrong.
    pub fn snapshot(&self) -> Vec<(String, u64, String)> {
        let own = Counter::ALL.iter().map(|counter| {
            let text = counter.describe().to_owned();
            (counter.name().to_owned(), self.get(*counter), text)
        });
        let malformed = self.malformed.iter().map(|(name, count)| {
            let wrong = name.replace('_', " ");
            let text = format!("Mobility messages that were malformed: {wrong}.");
            (format!("malformed_{name}"), *count, text)
        });
        own.chain(malformed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_shows_under_its_own_name() {
        let mut counters = Counters::default();
        counters.count(Counter::TableFull);
        counters.malformed("checksum");
        let snapshot: BTreeMap<_, _> = counters
            .snapshot()
            .into_iter()
            .map(|(name, value, _)| (name, value))
            .collect();
        assert_eq!(snapshot["table_full"], 1);
        assert_eq!(snapshot["malformed_checksum"], 1);
        assert_eq!(snapshot["message_sent"], 0);
        let names = Counter::ALL.len() + wire::mh::Error::all_names().len();
        assert_eq!(snapshot.len(), names, "two counters share a name");
    }
}
