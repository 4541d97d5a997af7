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
        EchoReply = "Answered as an ICMPv6 echo request to one of our addresses.",
        TimeExceeded = "Its hop limit ran out; answered with Time Exceeded.",
        PacketTooBig = "Larger than the next link or the tunnel carries; answered with Packet Too Big.",
        NoRoute = "No route to its destination; answered with Destination Unreachable.",
        AddressUnreachable = "Its next hop did not answer; answered with Destination Unreachable.",
        PortUnreachable = "For one of our addresses, but nothing listens; answered with Destination Unreachable.",
        UnrecognisedNextHeader = "For one of our addresses with a header that we do not speak; answered with Parameter Problem.",
        EncapsulationLimit = "May not be put into one more tunnel; answered with Parameter Problem.",
        SourceRefused = "From an address that its host does not hold; answered with Destination Unreachable (ingress policy).",
    }
}

reasons! {
    /// Why a packet was copied to the control plane.
    Punt {
        Mobility = "A Mobility Header for one of our addresses.",
        RouterSolicitation = "A Router Solicitation on an access interface.",
        NeighbourDiscovery = "A Neighbour Solicitation, Neighbour Advertisement or Redirect.",
        RouterAdvertisement = "A Router Advertisement of another router.",
        UnknownHost = "The first packet of a host that is not attached, on an access interface.",
        IcmpError = "An ICMPv6 error for one of our addresses.",
        Multicast = "MLD or other multicast that control listens to.",
    }
}

reasons! {
    /// Why a packet was kept back.
    Hold {
        NeighbourUnresolved = "Kept until its next hop's link-layer address is known.",
    }
}

reasons! {
    /// Why a packet was dropped.
    Drop {
        NotForUs = "The link-layer destination is not ours.",
        Runt = "Shorter than its link-layer header.",
        Fragmented = "The packet does not lie in one buffer piece.",
        UnknownVlan = "A VLAN that is not configured on the port.",
        UnknownEtherType = "Neither IPv6 nor anything else that we speak.",
        Ipv6Malformed = "Not a whole, well-formed IPv6 packet.",
        ExtensionMalformed = "A broken or too long chain of extension headers.",
        SourceInvalid = "A source address that must not appear on a wire (multicast, loopback, unspecified).",
        DestinationInvalid = "A destination address that must not be forwarded (link-local scope, loopback, unspecified).",
        ReassemblyNeeded = "A fragment for one of our addresses, which is not put together again.",
        IcmpMalformed = "An ICMPv6 message that is truncated or whose checksum is wrong.",
        MulticastUnwanted = "Multicast that nobody here listens to.",
        HostUnknown = "From a host that is not attached.",
        HostSpoofed = "From an attached prefix, but not from the port, VLAN and link-layer address of its host.",
        TunnelUnknown = "An encapsulated packet whose outer addresses are no tunnel of ours.",
        TunnelPayload = "A tunnel packet that holds something other than what the tunnel carries.",
        InnerMalformed = "A tunnel packet whose inner packet is not a whole, well-formed IP packet.",
        CongestionLost = "A tunnel packet marked as congested whose inner packet cannot carry the mark (RFC 6040).",
        InnerSourceSpoofed = "A tunnel packet whose inner source belongs to no binding on that tunnel.",
        InnerDestinationUnknown = "A tunnel packet whose inner destination belongs to no binding on that tunnel.",
        BindingPending = "For a prefix whose host has just gone.",
        EncapsulationLimit = "The tunnel encapsulation limit is used up.",
        TunnelUnresolved = "The tunnel's next hop is not known yet.",
        TooBig = "Larger than the next hop carries, and an error must not or cannot be sent.",
        HopLimit = "The hop limit ran out, and an error must not be sent.",
        NoRoute = "No route, and an error must not be sent.",
        Blackhole = "Matched a blackhole route.",
        NeighbourBusy = "Its next hop is unresolved and already holds a packet.",
        NeighbourFailed = "Its next hop did not answer, and an error must not be sent.",
        IcmpLimited = "An error or echo reply that the rate limit kept back.",
        PuntLimited = "For the control plane, over the rate allowed.",
        PuntFull = "For the control plane, whose ring is full.",
        NoBuffer = "No buffer, or no room in it, for what had to be added.",
        PortDown = "The outgoing port does not take packets.",
        QueueFull = "The outgoing queue is full.",
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
