//! What became of a packet, and why: the one declaration that counters, `anchorctl`, trace and
//! documentation derive from.
//!
//! Every packet that a worker receives or makes ends in exactly one [`Verdict`], so for every worker
//! `received + born = sum of all verdicts`.

macro_rules! reasons {
    ($(#[$enum_doc:meta])* $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$enum_doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name {
            $(#[doc = $text] $variant,)*
        }

        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// What it means, one sentence for people.
            pub const fn describe(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Its name as declared; counters show it in snake case.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }
        }
    };
}

reasons! {
    /// Why a packet was sent on.
    Forward {
        Routed = "Forwarded by the longest matching route.",
        Encapsulated = "Put into a tunnel by its binding.",
        Decapsulated = "Taken out of a tunnel and forwarded by route.",
        Fragmented = "Cut: put into a tunnel whose path carries it in fragments only, or IPv4 and larger than the next link.",
        Fragment = "A fragment of a packet that was cut here, sent into its tunnel or to its next hop.",
        Relayed = "Taken out of one tunnel and put into another.",
        Delivered = "Taken out of a tunnel and sent to its host on the access link.",
        Local = "Delivered to a host on the access link without a tunnel.",
        ToHostStack = "Handed to the host's own stack through the port's TAP twin.",
        FromHostStack = "Sent for the host's own stack, from the port's TAP twin.",
        Injected = "Sent for the control plane.",
    }
}

reasons! {
    /// Why a packet was turned into an answer to its sender.
    Reply {
        EchoReply = "Answered as an ICMP echo request to one of our addresses.",
        TimeExceeded = "Its hop limit or time to live ran out; answered with Time Exceeded.",
        Oversized = "Larger than its own link carries, so that not all of it came; answered with Packet Too Big, or IPv4's Fragmentation Needed.",
        PacketTooBig = "Larger than the next link or the tunnel carries; answered with Packet Too Big, or IPv4's Fragmentation Needed.",
        NoRoute = "No route to its destination; answered with Destination Unreachable.",
        AddressUnreachable = "Its next hop did not answer; answered with Destination Unreachable.",
        PortUnreachable = "For one of our addresses, but nothing listens; answered with Destination Unreachable.",
        UnrecognisedNextHeader = "For one of our addresses with a header that we do not speak; answered with Parameter Problem, or IPv4's Protocol Unreachable.",
        EncapsulationLimit = "May not be put into one more tunnel; answered with Parameter Problem.",
        FragmentInvalid = "A fragment whose length or place no fragment has, or that cuts the headers; answered with Parameter Problem.",
        ReassemblyTimeout = "The first fragment of a packet whose others did not come in time; answered with Time Exceeded.",
    }
}

reasons! {
    /// Why a packet was copied to the control plane.
    Punt {
        Mobility = "A Mobility Header for one of our addresses.",
        RouterSolicitation = "A Router Solicitation on an access interface.",
        NeighbourDiscovery = "A Neighbour Solicitation, Neighbour Advertisement or Redirect.",
        RouterAdvertisement = "A Router Advertisement of another router.",
        UnknownHost = "On an access interface, from a source that is no host's there: its host may want to attach.",
        IcmpError = "An ICMP error for one of our addresses, of either family.",
        Dhcp = "A DHCPv6 message of a host on an access interface.",
        DhcpServer = "A DHCP message for a relay agent, from a server that the control plane expects.",
        Arp = "An ARP packet that asks for one of our addresses or tells a neighbour's; on an access interface, any.",
        Dhcpv4 = "On an access interface, a DHCPv4 client's message.",
        NodeInformation = "A Node Information Reply of a host on an access interface.",
    }
}

reasons! {
    /// Why a packet was kept back.
    Hold {
        NeighbourUnresolved = "Kept until its next hop's link-layer address is known.",
        Reassembling = "A fragment of a tunnel packet, kept until the others have come.",
    }
}

reasons! {
    /// Why a packet was dropped.
    Drop {
        NotForUs = "The link-layer destination is not ours, or is a group's and the packet is to be forwarded.",
        Runt = "Shorter than its link-layer header.",
        LinkSourceInvalid = "A link-layer source that no neighbour has: a group's address, or our own.",
        Oversized = "Larger than its own link carries, so that not all of it came, and an error must not be sent.",
        UnknownVlan = "A VLAN that is not configured on the port.",
        UnknownEtherType = "Nothing that is spoken on that interface.",
        Ipv6Malformed = "Not a whole, well-formed IPv6 packet.",
        Ipv4Malformed = "Not a whole, well-formed IPv4 packet.",
        Ipv4Checksum = "An IPv4 header whose checksum is wrong.",
        Ipv4Options = "IPv4 options that are broken or ask for a source route.",
        ArpMalformed = "Not a whole, well-formed ARP packet.",
        ArpUnwanted = "An ARP packet that is about others.",
        ExtensionMalformed = "A broken or too long chain of extension headers.",
        SourceInvalid = "A source address that must not appear on a wire (multicast, loopback, unspecified, IPv4's reserved) or not leave its link.",
        DestinationInvalid = "A destination address that must not be forwarded (link-local scope, loopback, unspecified, IPv4's reserved).",
        ReassemblyNeeded = "A fragment for one of our addresses, but not of a tunnel packet: those alone are put together.",
        FragmentInvalid = "A fragment whose length or place no fragment has, and an error must not be sent.",
        FragmentsOverlap = "A fragment that overlaps with another of its packet, or is one too many: none of them counts (RFC 5722).",
        ReassemblyTimeout = "A fragment whose packet did not become whole in time.",
        ReassemblyFull = "A fragment of a tunnel packet that found no room to be kept.",
        ReassembledTooLong = "Whole again, and longer than one buffer.",
        MobilityLinkLocal = "A Mobility Header from or to a link-local address, which no mobility message has.",
        IcmpMalformed = "An ICMP message that is truncated or whose checksum is wrong.",
        MulticastUnwanted = "Multicast that nobody here listens to.",
        HostSpoofed = "From an attached prefix, but not from the port, VLAN and link-layer address of its host.",
        TunnelUnknown = "An encapsulated packet whose outer addresses are no tunnel of ours.",
        InnerMalformed = "A tunnel packet whose inner packet is not a whole, well-formed IP packet.",
        TunnelsNested = "Tunnels within tunnels, more of them than are taken apart.",
        CongestionLost = "A tunnel packet marked as congested whose inner packet cannot carry the mark (RFC 6040).",
        InnerSourceSpoofed = "A tunnel packet whose inner source belongs to no binding on that tunnel.",
        InnerDestinationUnknown = "A tunnel packet whose inner destination belongs to no binding on that tunnel.",
        BindingPending = "For a prefix whose host has just gone.",
        EncapsulationLimit = "The tunnel encapsulation limit is used up.",
        TunnelUnresolved = "The tunnel's next hop is not known yet.",
        TooBig = "Larger than the next hop or the tunnel carries whole, and an error must not or cannot be sent.",
        HopLimit = "The hop limit ran out, and an error must not be sent.",
        NoRoute = "No route, and an error must not be sent.",
        Blackhole = "Matched a blackhole route.",
        NeighbourBusy = "Its next hop is unresolved and holds a later packet, or others needed the place.",
        NeighbourLimited = "Its next hop is unresolved, and more neighbours are asked for than the rate allows.",
        NeighbourFailed = "Its next hop did not answer, and an error must not be sent.",
        IcmpLimited = "An error or echo reply that the rate limit kept back.",
        IcmpSourceLimited = "An error or echo reply over the share of whoever asks for it.",
        PuntLimited = "For the control plane, over the rate allowed to its kind.",
        PuntSourceLimited = "For the control plane, over the share of its source.",
        SignallingLimited = "A Mobility Header of none of our peers, over the share of its source or the rate allowed to strangers.",
        PuntFull = "For the control plane, whose ring is full.",
        NoBuffer = "No buffer, or no room in it, for what had to be added.",
        PortDown = "The outgoing port does not take packets.",
        QueueFull = "The outgoing queue is full.",
        HandoffFull = "For another worker, which is too far behind to take it.",
        InjectInvalid = "A packet of the control plane that cannot be sent.",
        Unanswerable = "For one of our addresses, and an error must not be sent.",
    }
}

reasons! {
    /// Why a packet came into being here.
    Born {
        Injected = "Made by the control plane.",
        Released = "A held packet that was let go.",
        FromHostStack = "Received from the host's own stack.",
        Fragment = "Cut from a larger packet.",
        Reassembled = "Put together from the fragments of a tunnel packet.",
    }
}

/// The one end of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verdict {
    /// Sent on.
    Forward(Forward),
    /// Turned into an answer.
    Reply(Reply),
    /// Copied to the control plane.
    Punt(Punt),
    /// Kept back; it comes again as [`Born::Released`].
    Hold(Hold),
    /// Dropped.
    Drop(Drop),
}

const REPLY: usize = Forward::ALL.len();
const PUNT: usize = REPLY + Reply::ALL.len();
const HOLD: usize = PUNT + Punt::ALL.len();
const DROP: usize = HOLD + Hold::ALL.len();

impl Verdict {
    /// How many there are.
    pub const COUNT: usize = DROP + Drop::ALL.len();

    /// All of them, in the order of [`Verdict::index`].
    pub fn all() -> impl Iterator<Item = Self> {
        let forward = Forward::ALL.iter().copied().map(Self::Forward);
        let reply = Reply::ALL.iter().copied().map(Self::Reply);
        let punt = Punt::ALL.iter().copied().map(Self::Punt);
        let hold = Hold::ALL.iter().copied().map(Self::Hold);
        let drop = Drop::ALL.iter().copied().map(Self::Drop);
        forward.chain(reply).chain(punt).chain(hold).chain(drop)
    }

    /// Its place among all verdicts, below [`Verdict::COUNT`].
    #[inline(always)]
    pub const fn index(self) -> usize {
        match self {
            Self::Forward(reason) => reason as usize,
            Self::Reply(reason) => REPLY + reason as usize,
            Self::Punt(reason) => PUNT + reason as usize,
            Self::Hold(reason) => HOLD + reason as usize,
            Self::Drop(reason) => DROP + reason as usize,
        }
    }

    /// Its kind: `forward`, `reply`, `punt`, `hold` or `drop`.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Forward(_) => "forward",
            Self::Reply(_) => "reply",
            Self::Punt(_) => "punt",
            Self::Hold(_) => "hold",
            Self::Drop(_) => "drop",
        }
    }

    /// Its reason as counters show it, for example `tunnel_unknown`.
    pub fn reason(self) -> String {
        snake_case(match self {
            Self::Forward(reason) => reason.name(),
            Self::Reply(reason) => reason.name(),
            Self::Punt(reason) => reason.name(),
            Self::Hold(reason) => reason.name(),
            Self::Drop(reason) => reason.name(),
        })
    }

    /// What it means, one sentence for people.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Forward(reason) => reason.describe(),
            Self::Reply(reason) => reason.describe(),
            Self::Punt(reason) => reason.describe(),
            Self::Hold(reason) => reason.describe(),
            Self::Drop(reason) => reason.describe(),
        }
    }
}

impl Born {
    /// Its reason as counters show it, for example `from_host_stack`.
    pub fn reason(self) -> String {
        snake_case(self.name())
    }
}

/// `TunnelUnknown` as `tunnel_unknown`.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for (at, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_has_its_own_place_and_names() {
        let all: Vec<Verdict> = Verdict::all().collect();
        assert_eq!(all.len(), Verdict::COUNT);
        for (at, verdict) in all.iter().enumerate() {
            assert_eq!(verdict.index(), at);
            assert!(verdict.describe().ends_with('.'));
        }
        let mut names: Vec<_> = all.iter().map(|v| (v.kind(), v.reason())).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), Verdict::COUNT);
        let verdict = Verdict::Drop(Drop::Ipv6Malformed);
        assert_eq!(
            (verdict.kind(), verdict.reason().as_str()),
            ("drop", "ipv6_malformed")
        );
        assert_eq!(Born::FromHostStack.reason(), "from_host_stack");
    }
}
