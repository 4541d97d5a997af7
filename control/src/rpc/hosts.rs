//! What is answered about hosts: bindings of an LMA, visitors of a MAG, sessions of a CMD, and the hosts that a
//! MAAR anchors.

use super::declare::objects;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::ether::MacAddr;
use wire::mh::HomeNetworkPrefix;

objects! {
    /// A host that a CMD knows of: an entry of its binding cache.
    pub struct Session {
        /// The host's identifier.
        pub identifier: String,
        /// `active` while a MAAR serves it, `pending` after its de-registration, `ending` while its
        /// previous MAARs are told to let go.
        pub state: String,
        /// The MAAR that serves it (Proxy-CoA).
        pub serving: Option<Ipv6Addr>,
        /// Its anchors: previous MAARs from the oldest on, the serving one last.
        pub anchors: Vec<Anchor>,
        /// Seconds until it ends if nothing more comes.
        pub remaining_secs: f64,
        /// Sequence number of the last accepted update.
        pub sequence: u16,
        /// Timestamp of the last accepted update, in seconds since 1970.
        pub timestamp: Option<f64>,
        /// Access Technology Type of the last accepted update.
        pub access_technology: u8,
        /// Handoff Indicator of the last accepted update.
        pub handoff_indicator: u8,
        /// Whether the serving MAAR still waits for the answer to its update.
        pub awaited: bool,
    }

    /// A host that a MAAR anchors, served here or elsewhere.
    pub struct AnchoredHost {
        /// The host's identifier.
        pub identifier: String,
        /// `registering`, `served`, `guarded` (it has left its link and is waited for), `previous` (another
        /// MAAR serves it) or `leaving`.
        pub state: String,
        /// Its prefix of ours.
        pub prefix: HomeNetworkPrefix,
        /// The access interface that it is on.
        pub interface: Option<String>,
        /// Its link-layer address there.
        pub mac: Option<MacAddr>,
        /// Its link-local address there, once it has shown one.
        pub link_local: Option<Ipv6Addr>,
        /// The MAAR that serves it, if that is another one.
        pub serving: Option<Ipv6Addr>,
        /// Its prefixes that other MAARs anchor, while it is here.
        pub previous: Vec<PreviousAnchor>,
        /// Whether it is not known yet which prefixes it has from elsewhere; only without a CMD.
        pub searching: bool,
        /// Its prefixes whose anchors have yet to answer; only without a CMD.
        pub sought: Vec<SoughtAnchor>,
        /// Seconds until its binding ends if it is not refreshed; absent where only the CMD ends it.
        pub remaining_secs: Option<f64>,
        /// From the host, over all its prefixes here.
        pub up: Traffic,
        /// To the host.
        pub down: Traffic,
    }

    /// A prefix of a host that another MAAR anchors.
    pub struct PreviousAnchor {
        /// The MAAR.
        pub maar: Ipv6Addr,
        /// The prefix.
        pub prefix: HomeNetworkPrefix,
        /// Link-local address under which the host sees it, if that is another than ours.
        pub router: Option<Ipv6Addr>,
        /// Link-layer address under which the host sees it.
        pub router_mac: Option<MacAddr>,
        /// Whether it is being let go of.
        pub releasing: bool,
        /// How the MAAR's address became known: `database` (by the CMD), `learned` (it answered earlier),
        /// `configured`, `constructed` (it was written to at the address that it has in the prefix) or
        /// `kept` (before the last start).
        pub found: String,
    }

    /// A prefix of a host whose anchor has yet to answer that the host is here.
    pub struct SoughtAnchor {
        /// The prefix.
        pub prefix: HomeNetworkPrefix,
        /// Where its anchor is written to.
        pub to: Ipv6Addr,
        /// How that became known, as for anchors that have answered.
        pub found: String,
        /// How often it was written to.
        pub transmissions: u32,
    }

    /// A MAAR that anchors prefixes of a host.
    pub struct Anchor {
        /// Its address.
        pub maar: Ipv6Addr,
        /// The prefixes.
        pub prefixes: Vec<HomeNetworkPrefix>,
        /// `serving`; `told`, `asked` or `silent`: whether it has answered where the host is; `leaving`
        /// while it is told to let go.
        pub state: String,
    }

    /// Packets and octets of one direction.
    #[derive(Default, Copy)]
    pub struct Traffic {
        /// Packets.
        pub packets: u64,
        /// Octets.
        pub bytes: u64,
    }

    /// LMA: an entry of the binding cache (RFC 5213 section 5.1).
    pub struct Binding {
        /// The host's identity.
        pub identifier: String,
        /// `proxy`: registered by a MAG (RFC 5213); `mobile`: by the host itself (RFC 6275).
        pub kind: String,
        /// Its home network prefixes.
        pub prefixes: Vec<HomeNetworkPrefix>,
        /// Prefixes that are delegated to it (RFC 7148).
        pub delegated_prefixes: Vec<HomeNetworkPrefix>,
        /// Its IPv4 home address, if it has one.
        pub ipv4_home_address: Option<Ipv4Addr>,
        /// The domain that this is an address of; absent: of the common network.
        pub domain: Option<String>,
        /// `active`, or `pending`: de-registered, MinDelayBeforeBCEDelete not over.
        pub state: String,
        /// Where its packets go: the MAG that serves it, or of a `mobile` binding the host itself.
        pub care_of_address: Ipv6Addr,
        /// Its link-layer identifier, if the MAG told it.
        pub link_layer_identifier: Option<String>,
        /// Access Technology Type of its attachment.
        pub access_technology: u8,
        /// Handoff Indicator of the last update that was taken.
        pub handoff_indicator: u8,
        /// Sequence number of the last update that was taken.
        pub sequence: u16,
        /// Timestamp of the last update that was taken, in seconds since 1970.
        pub timestamp: Option<f64>,
        /// Seconds until it ends if nothing more comes; while pending, until it is deleted.
        pub remaining_secs: f64,
        /// From the host.
        pub up: Traffic,
        /// To the host.
        pub down: Traffic,
    }

    /// An address of a visitor.
    pub struct VisitorAddress {
        /// The address.
        pub address: Ipv6Addr,
        /// How it became known: `dad`, `packet` or `dhcp`.
        pub learned: String,
    }

    /// MAG: an entry of the binding update list, with the host that it stands for (RFC 5213
    /// section 6.1).
    pub struct Visitor {
        /// The host's identity; absent until policy has told it.
        pub identifier: Option<String>,
        /// The access interface that it is on.
        pub interface: String,
        /// Its link-layer address.
        pub mac: MacAddr,
        /// Its link-local address, once it has shown one.
        pub link_local: Option<Ipv6Addr>,
        /// Its other addresses, as far as they are known.
        pub addresses: Vec<VisitorAddress>,
        /// The DHCP server that it has its leases from.
        pub dhcp_server: Option<IpAddr>,
        /// Its default router: the address that every MAG of the domain shows.
        pub router: Option<Ipv6Addr>,
        /// The router's link-layer address, which every MAG of the domain shows.
        pub router_mac: Option<MacAddr>,
        /// `authenticating`, `registering`, `bound`, `refreshing` or `leaving`.
        pub state: String,
        /// Its home network prefixes.
        pub prefixes: Vec<HomeNetworkPrefix>,
        /// Prefixes that are delegated to it (RFC 7148).
        pub delegated_prefixes: Vec<HomeNetworkPrefix>,
        /// Its IPv4 home address, once that is bound.
        pub ipv4_home_address: Option<Ipv4Addr>,
        /// The domain that this is an address of; absent: of the common network.
        pub domain: Option<String>,
        /// Its IPv4 default router, which is this gateway.
        pub ipv4_default_router: Option<Ipv4Addr>,
        /// The LMA that anchors it.
        pub lma: Option<Ipv6Addr>,
        /// Our end of its tunnel.
        pub proxy_care_of_address: Ipv6Addr,
        /// Sequence number of the last update that was sent.
        pub sequence: Option<u16>,
        /// Seconds until the binding ends if it is not refreshed; absent until there is one.
        pub remaining_secs: Option<f64>,
        /// From the host.
        pub up: Traffic,
        /// To the host.
        pub down: Traffic,
    }
}
