#!/usr/bin/env python3
"""Writes the inputs of the golden cases with scapy, and case.toml beside them.

usage: make.py [case ...]     (needs scapy; run in this directory's parent or anywhere)
"""
import os
import random
import sys

from scapy.all import (
    ARP, BOOTP, DHCP, GRE, ICMP, IP, TCP, UDP, Dot1Q, Ether, ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest,
    ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6ND_RS, ICMPv6PacketTooBig, IPv6,
    ICMPv6NIReplyIPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, MIP6MH_BU, PadN, Raw,
    RawPcapWriter, RouterAlert, fragment,
)
from scapy.layers.inet import IPOption_LSRR, IPOption_RR, IPOption_Router_Alert, IPOption_SSRR
from scapy.layers.inet6 import fragment6, HBHOptUnknown, ICMPv6MLDMultAddrRec, ICMPv6MLReport2

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = {}

# The gateways and their neighbours, as lma.toml, mag.toml and maar.toml have them.
LMA_CN, LMA_CORE = "02:00:00:00:01:01", "02:00:00:00:02:01"
CN, MAG1, MAG2 = "02:00:00:00:01:0c", "02:00:00:00:02:11", "02:00:00:00:02:12"
MAAR, MAAR2 = "02:00:00:00:02:21", "02:00:00:00:02:22"
ACCESS, MN1, MN2 = "02:00:5e:00:52:13", "02:00:00:00:aa:01", "02:00:00:00:aa:02"
CN_IP, MN1_IP, MN2_IP = "2001:db8:1::c", "2001:db8:100:1::5", "2001:db8:100:2::5"
LMA_IP, MAG1_IP = "2001:db8:2::1", "2001:db8:2::11"
LMA3_IP, MAG2_IP = "2001:db8:3::1", "2001:db8:3::12"
LMA_4, CN_4, MN1_4, MN2_4 = "192.0.2.1", "192.0.2.12", "198.51.100.5", "198.51.100.6"


def case(tables, about, then=""):
    def register(function):
        CASES[function.__name__] = (tables, about, then, function)
        return function
    return register


def cn(packet):
    """A frame from the correspondent to the LMA."""
    return Ether(src=CN, dst=LMA_CN) / packet


def core(packet):
    """A frame from MAG1 to the LMA."""
    return Ether(src=MAG1, dst=LMA_CORE) / packet


def core100(packet):
    """A frame from MAG2 to the LMA, VLAN 100."""
    return Ether(src=MAG2, dst=LMA_CORE) / Dot1Q(vlan=100) / packet


def up(inner, **outer):
    """In the tunnel from MAG1 to the LMA."""
    return core(IPv6(src=MAG1_IP, dst=LMA_IP, **outer) / inner)


def lma(packet):
    """A frame from the LMA to the MAG."""
    return Ether(src=LMA_CORE, dst=MAG1) / packet


def down(inner, **outer):
    """In the tunnel from the LMA to the MAG."""
    return lma(IPv6(src=LMA_IP, dst=MAG1_IP, **outer) / inner)


def mn1(packet, dst=ACCESS):
    """A frame from host 1 on the access link."""
    return Ether(src=MN1, dst=dst) / packet


def mn2(packet, dst=ACCESS):
    """A frame from host 2 on the access link, VLAN 200."""
    return Ether(src=MN2, dst=dst) / Dot1Q(vlan=200) / packet


def udp():
    """Ports that no dissector claims."""
    return UDP(sport=40000, dport=40001)


def to_mn1(octets=100, **fields):
    return IPv6(src=CN_IP, dst=MN1_IP, **fields) / UDP(sport=40000, dport=40001) / Raw(bytes(octets))


def from_mn1(octets=100, **fields):
    return IPv6(src=MN1_IP, dst=CN_IP, **fields) / UDP(sport=40001, dport=40000) / Raw(bytes(octets))


def to_mn1_4(octets=100, **fields):
    return IP(src=CN_4, dst=MN1_4, **fields) / udp() / Raw(bytes(octets))


def from_mn1_4(octets=100, **fields):
    return IP(src=MN1_4, dst=CN_4, **fields) / udp() / Raw(bytes(octets))


def sized_4(octets, **fields):
    """A packet of so many octets to host 1."""
    return to_mn1_4(octets - 28, **fields)


def limit(value):
    return IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=4, optlen=1, optdata=bytes([value])), PadN(optdata=b"\0")])


def broken(frame, at, value):
    """The frame's octets with one of them changed."""
    octets = bytearray(bytes(frame))
    octets[at] = value
    return bytes(octets)


@case("lma", "Packets to a home network prefix enter the tunnel to its gateway: inner packet whole but for its hop limit, traffic class copied, flow label by inner flow.")
def encap():
    return {0: [
        cn(to_mn1(0)),
        cn(to_mn1(1)),
        cn(to_mn1(1200)),
        cn(to_mn1(1412)),
        cn(to_mn1(tc=0xb9)),
        cn(to_mn1(fl=0x12345)),
        cn(IPv6(src=CN_IP, dst=MN1_IP) / TCP(sport=1, dport=2, flags="S")),
        cn(IPv6(src=CN_IP, dst=MN1_IP) / TCP(sport=1, dport=3, flags="S")),
        cn(IPv6(src=CN_IP, dst=MN1_IP) / ICMPv6EchoRequest(id=7, seq=1, data=b"x" * 56)),
        # Ethernet's minimum, padded beyond the packet.
        bytes(cn(IPv6(src=CN_IP, dst=MN1_IP, nh=59))) + b"\xee" * 6,
        cn(to_mn1(hlim=2)),
    ]}


@case("lma", "A gateway behind a VLAN: the tag is put on and taken off.")
def vlan():
    other = IPv6(src=CN_IP, dst=MN2_IP) / udp() / Raw(b"tagged")
    back = IPv6(src=MN2_IP, dst=CN_IP) / udp() / Raw(b"untagged")
    return {
        0: [cn(other)],
        1: [
            core100(IPv6(src=MAG2_IP, dst=LMA3_IP) / back),
            # Priority is no VLAN.
            Ether(src=MAG1, dst=LMA_CORE) / Dot1Q(vlan=0, prio=5) / IPv6(src=MAG1_IP, dst=LMA_IP) / from_mn1(5),
            # A VLAN that is not configured, and one within another.
            Ether(src=MAG2, dst=LMA_CORE) / Dot1Q(vlan=101) / IPv6(src=MAG2_IP, dst=LMA3_IP) / back,
            Ether(src=MAG2, dst=LMA_CORE) / Dot1Q(vlan=100) / Dot1Q(vlan=100) / IPv6(src=MAG2_IP, dst=LMA3_IP) / back,
        ],
    }


@case("lma", "Packets out of a host's tunnel are forwarded to the correspondent.")
def decap():
    return {1: [
        up(from_mn1(0)),
        up(from_mn1(1300)),
        up(from_mn1(), fl=0xabcde, tc=0x20),
        # As Linux sends by default, with an encapsulation limit.
        core(IPv6(src=MAG1_IP, dst=LMA_IP) / limit(4) / from_mn1()),
        # To a network behind the correspondent.
        up(IPv6(src=MN1_IP, dst="2001:db8:5::1") / udp() / Raw(b"far")),
        # Behind the inner packet is something that is not part of it.
        core(IPv6(src=MAG1_IP, dst=LMA_IP, nh=41) / Raw(bytes(from_mn1(5)) + b"\xee" * 9)),
        up(from_mn1(hlim=2)),
    ]}


@case("lma", "From one host's tunnel into another's.")
def relay():
    a = IPv6(src=MN1_IP, dst=MN2_IP) / udp() / Raw(b"hello")
    b = IPv6(src=MN2_IP, dst=MN1_IP) / udp() / Raw(b"hello yourself")
    same = IPv6(src=MN1_IP, dst="2001:db8:100:1::6") / udp() / Raw(b"neighbour")
    return {1: [up(a), core100(IPv6(src=MAG2_IP, dst=LMA3_IP) / b), up(same)]}


@case("lma", "Congestion marks: all sixteen pairs of outer and inner (RFC 6040 section 4.2).")
def ecn():
    return {1: [
        up(from_mn1(outer * 4 + inner, tc=inner | 0x28), tc=outer | 0x48)
        for outer in range(4) for inner in range(4)
    ]}


@case("lma", "Plain forwarding by longest prefix, and the ends that it has.")
def route():
    far = lambda dst: IPv6(src=CN_IP, dst=dst) / udp() / Raw(b"route")
    return {
        0: [
            cn(far(MAG1_IP)),
            cn(far(MAG2_IP)),
            cn(far("2001:db8:dead::1")),
            cn(far("2001:db8:bad::1")),
            cn(far("2001:db9::1")),
            cn(far("2001:db8:100:3::1")),
            cn(far("2001:db8:100:4::1")),
            cn(IPv6(src=CN_IP, dst="2001:db9::1") / ICMPv6DestUnreach() / Raw(bytes(48))),
            # A tunnel between others passes through.
            cn(IPv6(src=CN_IP, dst=MAG1_IP) / from_mn1(3)),
        ],
        1: [core(IPv6(src=MAG1_IP, dst="2001:db8:5::7") / TCP(dport=80))],
    }


@case("lma", "Hop limits that run out, into a tunnel, out of it and past it; no error answers an error.")
def hop_limit():
    return {
        0: [
            cn(to_mn1(40, hlim=1)),
            cn(to_mn1(41, hlim=0)),
            cn(to_mn1(1412, hlim=1)),
            cn(IPv6(src=CN_IP, dst=MAG1_IP, hlim=1) / udp()),
            cn(IPv6(src=CN_IP, dst=MN1_IP, hlim=1) / ICMPv6DestUnreach() / bytes(from_mn1(0))),
            # To all, by its frame: no answer.
            Ether(src=CN, dst="ff:ff:ff:ff:ff:ff") / to_mn1(1, hlim=1),
        ],
        1: [up(from_mn1(hlim=1)), up(IPv6(src=MN1_IP, dst=MN2_IP, hlim=1) / udp())],
    }


@case("lma", "Packets larger than the tunnel or the link are answered with its MTU.")
def too_big():
    return {
        0: [
            cn(to_mn1(1413)),
            cn(IPv6(src=CN_IP, dst=MN2_IP) / udp() / Raw(bytes(1353))),
            cn(IPv6(src=CN_IP, dst=MN2_IP) / udp() / Raw(bytes(1352))),
            cn(to_mn1(1600)),
            cn(IPv6(src=CN_IP, dst=MAG1_IP) / udp() / Raw(bytes(1500))),
            cn(IPv6(src=CN_IP, dst=MN1_IP) / ICMPv6DestUnreach() / Raw(bytes(1450))),
        ],
        1: [up(IPv6(src=MN1_IP, dst=MN2_IP) / udp() / Raw(bytes(1360)))],
    }


@case("jumbo", "Links that carry 3900 octets: what fits goes on whole, what does not is answered with their MTU.")
def jumbo():
    def sized(octets, dst=MN1_IP):
        return cn(IPv6(src=CN_IP, dst=dst) / udp() / Raw(bytes(n % 251 for n in range(octets - 48))))
    return {
        0: [sized(octets) for octets in (1500, 2500, 3860, 3861)] + [sized(3900, MAG1_IP), sized(3901, MAG1_IP)],
        1: [up(from_mn1(3860 - 48)), up(from_mn1(3800))],
    }


def cut(frame, octets=1514):
    """As it comes from a device whose slots hold so many octets."""
    return Raw(bytes(frame)[:octets])


@case("lma", "Frames that are longer than their link carries and come cut: answered with its MTU where that is allowed.")
def oversized():
    large = Raw(bytes(3000))
    return {
        0: [
            cut(cn(IPv6(src=CN_IP, dst=MN1_IP) / udp() / large)),
            # Shorter than the link carries, and so cut by others.
            cut(cn(IPv6(src=CN_IP, dst=MN1_IP) / udp() / large), 1513),
            cut(cn(IPv6(src=CN_IP, dst="2001:db8:1::1") / udp() / large)),
            cut(cn(IPv6(src=CN_IP, dst=MN1_IP) / ICMPv6DestUnreach() / large)),
            cut(cn(IP(src=CN_4, dst=MN1_4, flags="DF") / udp() / large)),
            cut(cn(IP(src=CN_4, dst=MN1_4) / udp() / large)),
            cut(cn(IP(src=CN_4, dst=MN1_4, flags="DF", chksum=0x1234) / udp() / large)),
        ],
        1: [cut(up(from_mn1(3000)))],
    }


@case("narrow", "Tunnels whose paths carry 1280 octets: what is no larger itself goes in fragments, what is larger is answered.")
def narrow_tunnel():
    def sized(octets, dst=MN1_IP, **fields):
        return cn(IPv6(src=CN_IP, dst=dst, **fields) / udp() / Raw(bytes(n % 251 for n in range(octets - 48))))

    def limited(octets):
        return cn(IPv6(src=CN_IP, dst=MN1_IP) / limit(3) / udp() / Raw(bytes(n % 253 for n in range(octets - 56))))
    return {
        0: [sized(octets) for octets in (1240, 1241, 1280, 1281)]
           + [sized(octets, MN2_IP) for octets in (1240, 1241, 1280, 1281)]
           + [limited(octets) for octets in (1232, 1233, 1280, 1281)]
           + [sized(1260, tc=0xb9, fl=0x12345), sized(1260, hlim=1)],
    }


@case("narrow", "A question that comes in fragments, and so does its answer.")
def narrow_answer():
    ping = IPv6(src=MN1_IP, dst="2001:db8:1::1") / ICMPv6EchoRequest(id=1, data=b"0123456789abcdef" * 77)
    return {1: [core(piece) for piece in pieces(ping)]}


def pieces(inner, octets=1280, ident=7, src=MAG1_IP, dst=LMA_IP, front=None):
    """A tunnel packet in fragments, as scapy cuts it."""
    header = IPv6ExtHdrFragment(id=ident)
    packet = IPv6(src=src, dst=dst) / header / (front / inner if front else inner)
    return fragment6(packet, octets)


def piece(ident, offset, more, payload, nh=41, src=MAG1_IP, dst=LMA_IP):
    """One fragment, whatever it may be."""
    return IPv6(src=src, dst=dst) / IPv6ExtHdrFragment(nh=nh, id=ident, offset=offset // 8, m=more) / Raw(payload)


@case("narrow", "Tunnel packets in fragments are put together: in any order, mixed, through a VLAN, whole in one fragment.")
def reassembly():
    def inner(octets, text, src=MN1_IP):
        return IPv6(src=src, dst=CN_IP) / udp() / Raw((text * 400)[:octets - 48])
    first = [core(p) for p in pieces(inner(1280, b"first"), ident=1)]
    second = [core(p) for p in pieces(inner(1280, b"second"), ident=2)]
    third = [core(p) for p in pieces(inner(1400, b"third"), 500, ident=3)]
    tagged = [core100(p) for p in pieces(inner(1281, b"tagged", MN2_IP), ident=1, src=MAG2_IP, dst=LMA3_IP)]
    # As Linux sends it, with an encapsulation limit behind the fragment header.
    limited = [core(p) for p in pieces(inner(1280, b"limited"), ident=4, front=limit(4))]
    return {1: [
        *first,
        *reversed(second),
        third[1], tagged[0], limited[1], third[3], third[0], limited[0], tagged[1], third[2],
        # Whole in one fragment, twice by the same number (RFC 6946).
        core(IPv6(src=MAG1_IP, dst=LMA_IP) / IPv6ExtHdrFragment(id=9) / inner(300, b"atomic")),
        core(IPv6(src=MAG1_IP, dst=LMA_IP) / IPv6ExtHdrFragment(id=9) / inner(301, b"atomic")),
        # Padding behind a short last fragment is not part of it.
        core(piece(10, 0, 1, bytes(inner(1000, b"short"))[:992])),
        bytes(core(piece(10, 992, 0, bytes(inner(1000, b"short"))[992:]))) + b"\xee" * 9,
        # A signalling message in two.
        *[core(p) for p in fragment6(IPv6(src=MAG1_IP, dst=LMA_IP) / IPv6ExtHdrFragment(id=11) / MIP6MH_BU(
            seq=1, mhtime=100, options=[PadN(optdata=bytes(200))] * 5), 600)],
    ]}


@case("narrow", "Fragments that are no good: overlapping, too many, of no possible length, of strangers, cut where no packet is.")
def fragments_refused():
    whole = bytes(IPv6(src=MN1_IP, dst=CN_IP) / udp() / Raw(bytes(n % 251 for n in range(1200))))
    return {1: [core(p) for p in (
        # One octet group twice, and the same one again.
        piece(1, 0, 1, whole[:808]), piece(1, 800, 0, whole[800:]),
        piece(2, 0, 1, whole[:800]), piece(2, 0, 1, whole[:800]),
        # Two ends.
        piece(3, 800, 0, whole[800:]), piece(3, 800, 0, whole[800:]),
        # Nine pieces.
        *[piece(4, 8 * n, 1, whole[8 * n:8 * n + 8] if n else whole[:48]) for n in (0, 6, 7, 8, 9, 10, 11, 12, 13)],
        # A length that only the last may have, none at all, and an end past all packets.
        piece(5, 0, 1, whole[:801]),
        piece(6, 0, 1, b""),
        piece(7, 65528, 0, whole[:16]),
        # Cut within the inner header, and within options.
        piece(8, 0, 1, whole[:32]),
        piece(9, 0, 1, bytes([41, 2, 1, 4, 0, 0, 0, 0]), nh=60),
        # Of strangers, and of what no tunnel carries.
        piece(10, 0, 1, whole[:800], src="2001:db8:2::66"),
        piece(11, 0, 1, whole[:800], nh=17),
        # One in the other way round, and an error in pieces: no answer.
        piece(12, 0, 1, bytes(IPv6(src=MN1_IP, dst=CN_IP))[:33]),
        piece(13, 0, 1, bytes(8), nh=58),
        # A packet that is nobody's when it is whole.
        piece(14, 0, 1, bytes(IPv6(src=MN2_IP, dst=CN_IP) / udp() / Raw(bytes(72)))[:80]),
        piece(14, 80, 0, bytes(40)),
        # No IPv6 packet when it is whole.
        piece(15, 0, 1, b"\x45" + bytes(79)), piece(15, 80, 0, bytes(40)),
    )]}


@case("narrow", "Fragments whose others do not come: the sender is told after a minute, if the first did.", "[[then]]\nseconds = 59\n\n[[then]]\nseconds = 2\n")
def reassembly_timeout():
    whole = bytes(IPv6(src=MN1_IP, dst=CN_IP) / udp() / Raw(bytes(1200)))
    return {1: [core(p) for p in (
        piece(1, 0, 1, whole[:800]),
        piece(2, 800, 0, whole[800:]),
        piece(3, 8, 1, whole[8:800]), piece(3, 800, 0, whole[800:]),
        piece(4, 0, 1, whole[:400]), piece(4, 400, 1, whole[400:800]),
    )]}


@case("lma", "Echo requests to our addresses, near, far and through a tunnel.")
def echo():
    ping = ICMPv6EchoRequest(id=1, seq=2, data=b"0123456789abcdef")
    good = cn(IPv6(src=CN_IP, dst="2001:db8:1::1", hlim=3) / ping)
    return {
        0: [
            good,
            cn(IPv6(src=CN_IP, dst=LMA_IP) / ping),
            cn(IPv6(src="fe80::c", dst="fe80::1") / ping),
            cn(IPv6(src=CN_IP, dst="2001:db8:1::1") / IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)]) / ping),
            cn(IPv6(src=CN_IP, dst="2001:db8:1::1") / ICMPv6EchoRequest(data=b"odd")),
            broken(good, 14 + 40 + 12, 0xff),
            # Answers to nobody, and a question from ourselves.
            cn(IPv6(src=CN_IP, dst="2001:db8:1::1") / ICMPv6EchoReply(id=1)),
            cn(IPv6(src="2001:db8:1::1", dst=LMA_IP) / ping),
        ],
        1: [up(IPv6(src=MN1_IP, dst="2001:db8:1::1") / ping)],
    }


@case("lma", "Tunnel packets that are not what they should be: strangers, foreign sources, broken insides.")
def tunnel_refused():
    return {
        1: [
            core(IPv6(src="2001:db8:2::66", dst=LMA_IP) / from_mn1()),
            up(IPv6(src=MN2_IP, dst=CN_IP) / udp()),
            up(IPv6(src="2001:db8:1::66", dst=CN_IP) / udp()),
            up(IPv6(src=CN_IP, dst=MN1_IP) / udp()),
            up(IPv6(src="2001:db8:100:4::1", dst=CN_IP) / udp()),
            up(IPv6(src="fe80::1", dst=CN_IP) / udp()),
            up(IPv6(src=MN1_IP, dst="ff0e::1") / udp()),
            up(IPv6(src=MN1_IP, dst="fe80::1") / udp()),
            core(IPv6(src=MAG1_IP, dst=LMA_IP, nh=41) / Raw(bytes(from_mn1())[:30])),
            core(IPv6(src=MAG1_IP, dst=LMA_IP, nh=41) / Raw(bytes(from_mn1())[:-1])),
            core(IPv6(src=MAG1_IP, dst=LMA_IP, nh=41) / IP(src="10.0.0.1", dst="10.0.0.2") / udp() / Raw(bytes(40))),
            core(IPv6(src=MAG1_IP, dst=LMA_IP, nh=4) / IP(src="10.0.0.1", dst="10.0.0.2") / udp()),
            # Twice wrapped, and the second is no tunnel.
            up(IPv6(src=MN1_IP, dst=LMA_IP) / from_mn1()),
            # A fragment of a tunnel packet.
            core(IPv6(src=MAG1_IP, dst=LMA_IP) / IPv6ExtHdrFragment(m=1, id=9, nh=41) / from_mn1(64)),
        ],
        0: [
            # The right pair on no link of the tunnel's is the same as anywhere in the domain, but the
            # outer pair the wrong way round is not.
            cn(IPv6(src=LMA_IP, dst=MAG1_IP) / to_mn1(3)),
        ],
    }


@case("lma", "Frames that are no IPv6 packets, or bad ones.")
def malformed():
    whole = bytes(cn(to_mn1()))
    return {0: [
        whole[:13],
        whole[:14],
        whole[:53],
        whole[:-1],
        broken(whole, 14, 0x45),
        broken(whole, 19, 0xff),
        bytes(Ether(src=CN, dst=LMA_CN, type=0x8100)) + b"\0\0",
        Ether(src=CN, dst="02:00:00:00:01:02") / to_mn1(),
        Ether(src=CN, dst=LMA_CN, type=0x88cc) / Raw(bytes(60)),
        # A jumbogram.
        Ether(src=CN, dst=LMA_CN) / IPv6(src=CN_IP, dst=MN1_IP, nh=0, plen=0),
        # Addresses that stand on no wire.
        cn(IPv6(src="::1", dst=MN1_IP) / udp()),
        cn(IPv6(src="::", dst=MN1_IP) / udp()),
        cn(IPv6(src="ff02::1", dst=MN1_IP) / udp()),
        cn(IPv6(src="::ffff:10.0.0.1", dst=MN1_IP) / udp()),
        cn(IPv6(src=CN_IP, dst="::1") / udp()),
        cn(IPv6(src=CN_IP, dst="::") / udp()),
        cn(IPv6(src=CN_IP, dst="fe80::77") / udp()),
        cn(IPv6(src="fe80::c", dst=MN1_IP) / udp()),
        # Groups that nobody here is in.
        Ether(src=CN, dst="33:33:00:00:00:fb") / IPv6(src="fe80::c", dst="ff02::fb") / UDP(dport=5353) / Raw(b"mdns"),
        Ether(src=CN, dst="33:33:00:00:00:fb") / IPv6(src="::", dst="ff02::fb") / UDP(dport=5353) / Raw(b"mdns"),
        Ether(src=CN, dst="33:33:00:00:00:01") / IPv6(src=CN_IP, dst="ff02::1") / ICMPv6EchoRequest(),
        # From nobody's link-layer address: a group's and our own.
        Ether(src="03:00:00:00:00:01", dst=LMA_CN) / to_mn1(),
        Ether(src=LMA_CN, dst="33:33:ff:00:00:01") / IPv6(src="fe80::1", dst="ff02::1:ff00:1", hlim=255) / ICMPv6ND_NS(tgt="fe80::1"),
        # To one node, but in a frame to all: every router on the link would forward it.
        Ether(src=CN, dst="33:33:00:00:00:01") / to_mn1(2),
        # A chain for us that is cut off, and one that is too long.
        cn(IPv6(src=CN_IP, dst=LMA_IP, nh=60) / Raw(bytes([17, 5, 0, 0, 0, 0, 0, 0]))),
        cn(IPv6(src=CN_IP, dst=LMA_IP, nh=60) / Raw(bytes([60, 0, 1, 4, 0, 0, 0, 0] * 12))),
    ]}


@case("lma", "What is for control: mobility, neighbour discovery, errors.")
def signalling():
    bu = MIP6MH_BU(seq=1, mhtime=100, options=[])
    quoted = bytes(IPv6(src=LMA_IP, dst=MAG1_IP, nh=41) / to_mn1(20))
    target = "2001:db8:1::1"
    return {
        1: [
            core(IPv6(src=MAG1_IP, dst=LMA_IP) / bu),
            core(IPv6(src=MAG1_IP, dst=LMA_IP) / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)]) / bu),
            core(IPv6(src=MAG1_IP, dst=LMA_IP) / ICMPv6PacketTooBig(mtu=1400) / Raw(quoted)),
            broken(core(IPv6(src=MAG1_IP, dst=LMA_IP) / ICMPv6PacketTooBig(mtu=1400) / Raw(quoted)), 60, 9),
            core100(IPv6(src=MAG2_IP, dst=LMA3_IP) / bu),
        ],
        0: [
            Ether(src=CN, dst="33:33:ff:00:00:01") / IPv6(src="fe80::c", dst="ff02::1:ff00:1", hlim=255) / ICMPv6ND_NS(tgt=target),
            Ether(src=CN, dst="33:33:ff:00:00:01") / IPv6(src="::", dst="ff02::1:ff00:1", hlim=255) / ICMPv6ND_NS(tgt=target),
            cn(IPv6(src=CN_IP, dst=target, hlim=255) / ICMPv6ND_NA(tgt=CN_IP)),
            Ether(src=CN, dst="33:33:00:00:00:01") / IPv6(src="fe80::c", dst="ff02::1", hlim=255) / ICMPv6ND_RA(),
            # Through a router, so forged.
            cn(IPv6(src=CN_IP, dst=target, hlim=254) / ICMPv6ND_NA(tgt=CN_IP)),
            # Nobody to be solicited on a core link.
            Ether(src=CN, dst="33:33:00:00:00:02") / IPv6(src="fe80::c", dst="ff02::2", hlim=255) / ICMPv6ND_RS(),
        ],
    }


@case("lma", "Mobility messages that a host makes up: none comes to control under the name of a gateway.")
def forged_signalling():
    bu = MIP6MH_BU(seq=1, mhtime=100, options=[])
    return {1: [
        # Out of the tunnel of its gateway: as that gateway, as another, as we ourselves.
        up(IPv6(src=MAG1_IP, dst=LMA_IP) / bu),
        up(IPv6(src=MAG2_IP, dst=LMA_IP) / bu),
        up(IPv6(src=LMA_IP, dst=LMA_IP) / bu),
        # In a tunnel of its own making.
        up(IPv6(src=MN1_IP, dst=LMA_IP) / IPv6(src=MAG1_IP, dst=LMA_IP) / bu),
        up(IPv6(src=MAG1_IP, dst=LMA_IP) / IPv6(src=MAG1_IP, dst=LMA_IP) / bu),
        # Under its own address, which control sees.
        up(IPv6(src=MN1_IP, dst=LMA_IP) / bu),
        # On the link.
        core(IPv6(src="fe80::11", dst=LMA_IP) / bu),
        core(IPv6(src=MAG1_IP, dst="fe80::1") / bu),
        # Hidden behind headers that end here, and in pieces.
        core(IPv6(src=MAG1_IP, dst=LMA_IP) / IPv6ExtHdrRouting(type=0, segleft=0, addresses=[MN1_IP]) / bu),
        core(IPv6(src=MAG1_IP, dst=LMA_IP) / IPv6ExtHdrFragment(id=4, nh=135) / bu),
        core(IPv6(src=MAG1_IP, dst=LMA_IP) / IPv6ExtHdrFragment(m=1, id=5, nh=135) / Raw(bytes(bu) + bytes(8))),
        core(IPv6(src=MAG1_IP, dst=LMA_IP) / IPv6ExtHdrFragment(offset=3, id=5, nh=135) / Raw(bytes(16))),
    ]}


@case("lma", "What nobody here listens to is answered so that its sender knows.")
def unspoken():
    own = "2001:db8:1::1"
    return {0: [
        cn(IPv6(src=CN_IP, dst=own) / UDP(dport=9) / Raw(b"discard")),
        cn(IPv6(src=CN_IP, dst=own) / TCP(dport=9, flags="S")),
        cn(IPv6(src="fe80::c", dst="fe80::1") / UDP(dport=9) / Raw(b"discard")),
        cn(IPv6(src=CN_IP, dst=own, nh=132) / Raw(bytes(12))),
        cn(IPv6(src=CN_IP, dst=own) / IPv6ExtHdrDestOpt(nh=132, options=[PadN(optdata=b"\0" * 4)]) / Raw(bytes(12))),
        cn(IPv6(src=CN_IP, dst=own, nh=59)),
        cn(IPv6(src=CN_IP, dst=own) / IPv6ExtHdrRouting(type=0, segleft=1, addresses=[MN1_IP]) / udp()),
        cn(IPv6(src=CN_IP, dst=own) / IPv6ExtHdrFragment(m=1, id=3, nh=17) / Raw(bytes(64))),
        cn(IPv6(src=CN_IP, dst=own) / ICMPv6DestUnreach(code=4) / Raw(bytes(IPv6(src=own, dst=CN_IP) / udp()))),
    ]}


@case("lma", "A tunnel packet with an encapsulation limit enters one more tunnel, until the limit is used up.")
def encapsulation_limit():
    inner = IPv6(src="2001:db8:7::1", dst="2001:db8:7::2") / udp() / Raw(b"deep")
    wrap = lambda value: cn(IPv6(src=CN_IP, dst=MN1_IP) / limit(value) / inner)
    return {0: [
        wrap(4), wrap(1), wrap(0),
        cn(IPv6(src=CN_IP, dst=MN1_IP) / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)]) / inner),
        cn(IPv6(src=CN_IP, dst=MN1_IP) / limit(4) / inner / Raw(bytes(1300))),
        cn(IPv6(src=CN_IP, dst=MN1_IP) / limit(0) / ICMPv6DestUnreach() / Raw(bytes(48))),
    ]}


RESOLVE = '[[then]]\nresolve = { interface = "%s", address = "%s", mac = "%s" }\n'


@case("lma", "One packet waits for each unresolved neighbour and goes when it is known.",
      RESOLVE % ("cn", "fe80::99", "02:00:00:00:01:99") + "\n" + RESOLVE % ("core", "2001:db8:2::77", "02:00:00:00:02:77")
      + "\n" + RESOLVE % ("cn", "2001:db8:1::98", "02:00:00:00:01:98"))
def held():
    far = lambda dst, n: IPv6(src=CN_IP, dst=dst) / udp() / Raw(bytes(n))
    return {
        0: [cn(far("2001:db8:2::77", n)) for n in (1, 2)] + [cn(far("2001:db8:6::1", 3))],
        1: [up(IPv6(src=MN1_IP, dst="2001:db8:1::98") / udp() / Raw(bytes(4)))],
    }


@case("lma", "A neighbour that does not answer: the sender is told, in the words of its own packet.", "[[then]]\nseconds = 4\n")
def unanswered():
    return {
        0: [
            cn(IPv6(src=CN_IP, dst="2001:db8:2::77") / udp() / Raw(b"anyone?")),
            cn(IPv6(src=CN_IP, dst="2001:db8:2::78") / ICMPv6DestUnreach() / Raw(bytes(48))),
        ],
        1: [up(IPv6(src=MN1_IP, dst="2001:db8:1::88") / udp() / Raw(b"hello?"))],
    }


@case("mag", "All that an attached host sends goes into its tunnel; strangers and pretenders do not.")
def host_up():
    return {1: [
        mn1(from_mn1(0)),
        mn1(from_mn1(1412)),
        mn1(from_mn1(tc=0xb9, fl=0x54321)),
        mn1(IPv6(src=MN1_IP, dst=MN2_IP) / udp() / Raw(b"to a host on this very gateway")),
        mn1(IPv6(src=MN1_IP, dst=MAG1_IP) / udp() / Raw(b"to the gateway's core address")),
        mn1(IPv6(src=MN1_IP, dst=LMA_IP) / MIP6MH_BU()),
        mn2(IPv6(src=MN2_IP, dst=CN_IP) / udp() / Raw(b"tagged")),
        # Another host's address, on the right link and on the wrong one.
        Ether(src="02:00:00:00:aa:09", dst=ACCESS) / from_mn1(1),
        mn2(from_mn1(2)),
        Ether(src=MN1, dst=ACCESS) / Dot1Q(vlan=200) / from_mn1(3),
        mn1(IPv6(src="2001:db8:100:4::1", dst=CN_IP) / udp()),
        # Not attached.
        Ether(src="02:00:00:00:aa:09", dst=ACCESS) / IPv6(src="2001:db8:100:9::1", dst=CN_IP) / udp() / Raw(b"knock"),
        # Wrapped by the host itself, for the gateway.
        mn1(IPv6(src=LMA_IP, dst=MAG1_IP) / to_mn1(9)),
        mn1(IPv6(src=MN1_IP, dst=MAG1_IP) / to_mn1(9)),
        mn1(IPv6(src="fe80::aa:1", dst=CN_IP) / udp()),
        mn1(from_mn1(1413)),
    ]}


@case("mag", "A host that is out for more: other hosts' and the gateways' addresses, and messages to the gateway.")
def pretender():
    bu = MIP6MH_BU(seq=1, mhtime=100, options=[])
    return {1: [
        mn1(IPv6(src=LMA_IP, dst=MAG1_IP) / bu),
        mn1(IPv6(src=MAG1_IP, dst=LMA_IP) / bu),
        mn1(IPv6(src=MN2_IP, dst=MAG1_IP) / bu),
        mn1(IPv6(src="fe80::aa:1", dst=MAG1_IP) / bu),
        mn1(IPv6(src="fe80::aa:1", dst="fe80::1") / bu),
        mn1(IPv6(src=MN1_IP, dst="fe80::1") / bu),
        # Its own affair: into the tunnel.
        mn1(IPv6(src=MN1_IP, dst=MAG1_IP) / IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)]) / bu),
        mn1(IPv6(src=MN1_IP, dst=LMA_IP) / IPv6(src=MAG1_IP, dst=LMA_IP) / bu),
        # Tunnel packets to the gateway, from its own link.
        mn1(IPv6(src="fe80::aa:1", dst=MAG1_IP) / to_mn1(9)),
        mn1(IPv6(src="fe80::aa:1", dst="fe80::1") / to_mn1(9)),
        # To another host on the link, past the gateway.
        mn1(IPv6(src="fe80::aa:1", dst="fe80::aa:2") / udp()),
        mn1(IPv6(src=MN1_IP, dst="fe80::aa:2") / udp()),
        # As the gateway itself.
        Ether(src=ACCESS, dst=ACCESS) / from_mn1(4),
        Ether(src="33:33:00:00:00:01", dst=ACCESS) / IPv6(src="fe80::aa:1", dst="fe80::1") / ICMPv6EchoRequest(),
    ]}


@case("mag", "What the tunnel brings for a host goes out on its link bare.")
def host_down():
    return {0: [
        down(to_mn1(0)),
        down(to_mn1(1412)),
        down(to_mn1(tc=0x02), tc=0x03),
        down(IPv6(src=CN_IP, dst=MN2_IP) / udp() / Raw(b"tagged")),
        lma(IPv6(src=LMA_IP, dst=MAG1_IP) / limit(4) / to_mn1(7)),
        # For nobody, by the wrong anchor, from nowhere, and bare.
        down(IPv6(src=CN_IP, dst="2001:db8:100:9::1") / udp()),
        lma(IPv6(src="2001:db8:2::2", dst=MAG1_IP) / to_mn1()),
        lma(IPv6(src="2001:db8:2::66", dst=MAG1_IP) / to_mn1()),
        lma(to_mn1(3)),
    ]}


@case("mag", "Errors: a host sees the gateway's link-local address, a correspondent an address of the domain.")
def error_sources():
    return {
        0: [
            down(to_mn1(40, hlim=1)),
            down(IPv6(src=CN_IP, dst=MN2_IP) / udp() / Raw(bytes(1400))),
        ],
        1: [
            mn1(from_mn1(hlim=1)),
            mn1(from_mn1(1413)),
            mn1(IPv6(src="fe80::aa:1", dst="fe80::1") / UDP(dport=9) / Raw(b"?")),
            mn1(IPv6(src="fe80::aa:1", dst="fe80::1") / ICMPv6EchoRequest(id=3, data=b"gateway")),
            mn2(IPv6(src=MN2_IP, dst="fe80::1") / ICMPv6EchoRequest(id=4, data=b"gateway")),
        ],
    }


@case("mag", "How a host makes itself known: solicitations, listener reports, neighbour discovery.")
def attach():
    report = IPv6ExtHdrHopByHop(options=[RouterAlert(), PadN(optdata=b"")]) / ICMPv6MLReport2(
        records_number=1, records=[ICMPv6MLDMultAddrRec(dst="ff02::1:ff00:5")])
    stranger = lambda packet, dst: Ether(src="02:00:00:00:aa:09", dst=dst) / packet
    return {1: [
        stranger(IPv6(src="fe80::9", dst="ff02::2", hlim=255) / ICMPv6ND_RS(), "33:33:00:00:00:02"),
        mn1(IPv6(src="::", dst="ff02::2", hlim=255) / ICMPv6ND_RS(), "33:33:00:00:00:02"),
        stranger(IPv6(src="fe80::9", dst="ff02::16", hlim=1) / report, "33:33:00:00:00:16"),
        stranger(IPv6(src="::", dst="ff02::16", hlim=1) / report, "33:33:00:00:00:16"),
        mn1(IPv6(src=MN1_IP, dst="ff02::16", hlim=1) / report, "33:33:00:00:00:16"),
        mn2(IPv6(src="fe80::2", dst="ff02::1:ff00:1", hlim=255) / ICMPv6ND_NS(tgt="fe80::1"), "33:33:ff:00:00:01"),
        mn1(IPv6(src=MN1_IP, dst="fe80::1", hlim=255) / ICMPv6ND_NS(tgt="fe80::1")),
        stranger(IPv6(src="2001:db8:100:9::1", dst="fe80::1", hlim=255) / ICMPv6ND_NS(tgt="fe80::1"), ACCESS),
        stranger(IPv6(src="2001:db8:100:9::1", dst="fe80::1") / ICMPv6EchoRequest(), ACCESS),
        mn1(IPv6(src="fe80::aa:1", dst="ff02::2", hlim=64) / ICMPv6ND_RS(), "33:33:00:00:00:02"),
        broken(mn1(IPv6(src="fe80::aa:1", dst="ff02::2", hlim=255) / ICMPv6ND_RS(), "33:33:00:00:00:02"), 56, 1),
    ]}


@case("mag", "DHCPv6: what hosts send to relay agents, and what servers that control expects send to this one.")
def dhcp():
    relays, group = "ff02::1:2", "33:33:00:01:00:02"
    solicit = UDP(sport=546, dport=547) / Raw(bytes.fromhex("01000007" "0001000a" + "00" * 10))
    answer = UDP(sport=547, dport=547) / Raw(bytes.fromhex("0d00" + "00" * 32))
    return {
        0: [
            lma(IPv6(src=LMA_IP, dst=MAG1_IP) / answer),
            # A stranger's is the host's own stack's, and so is what the anchor sends to another port.
            lma(IPv6(src="2001:db8:2::99", dst=MAG1_IP) / answer),
            lma(IPv6(src=LMA_IP, dst=MAG1_IP) / UDP(sport=547, dport=546) / Raw(bytes(34))),
        ],
        1: [
            mn1(IPv6(src="fe80::aa:1", dst=relays, hlim=1) / solicit, group),
            mn2(IPv6(src="fe80::aa:2", dst=relays, hlim=1) / solicit, group),
            # Clients have a link-local address, and no servers among them.
            mn1(IPv6(src="::", dst=relays) / solicit, group),
            mn1(IPv6(src=MN1_IP, dst=relays) / solicit, group),
            mn1(IPv6(src="fe80::aa:1", dst=relays) / UDP(sport=547, dport=546) / Raw(bytes(34)), group),
            mn1(IPv6(src="fe80::aa:1", dst="fe80::1") / solicit),
            mn1(IPv6(src=MN1_IP, dst=MAG1_IP) / answer),
            mn1(IPv6(src=LMA_IP, dst=MAG1_IP) / answer),
        ],
    }


@case("mag", "The TAP twin of a port: what belongs to the host's own stack passes both ways untouched.")
def twin():
    ssh = IPv6(src=LMA_IP, dst=MAG1_IP) / TCP(sport=40000, dport=22, flags="S")
    return {
        0: [
            lma(ssh),
            lma(IPv6(src=LMA_IP, dst=MAG1_IP) / UDP(sport=500, dport=500) / Raw(b"ike")),
            lma(IPv6(src=LMA_IP, dst=MAG1_IP) / IPv6ExtHdrFragment(m=1, id=3, nh=17) / Raw(bytes(64))),
            lma(IPv6(src=LMA_IP, dst=MAG1_IP, nh=50) / Raw(bytes(40))),
            Ether(src=LMA_CORE, dst="ff:ff:ff:ff:ff:ff") / ARP(psrc="10.0.0.1", pdst="10.0.0.2"),
            lma(IP(src="10.0.0.1", dst="10.0.0.2") / udp() / Raw(b"IPv4")),
            Ether(src=LMA_CORE, dst="33:33:00:00:00:05") / IPv6(src="fe80::1:1", dst="ff02::5", nh=89) / Raw(bytes(30)),
            # Control's and the stack's.
            lma(IPv6(src=LMA_IP, dst=MAG1_IP, hlim=255) / ICMPv6ND_NA(tgt=LMA_IP)),
            lma(IPv6(src=LMA_IP, dst=MAG1_IP) / ICMPv6PacketTooBig() / Raw(bytes(ssh))),
            # Control's alone.
            lma(IPv6(src=LMA_IP, dst=MAG1_IP) / MIP6MH_BU()),
        ],
        1: [mn1(ARP(psrc="10.0.0.1", pdst="10.0.0.2"), "ff:ff:ff:ff:ff:ff")],
        2: [
            Ether(src=MAG1, dst=LMA_CORE) / IPv6(src=MAG1_IP, dst=LMA_IP) / TCP(sport=22, dport=40000, flags="SA"),
            Ether(src=MAG1, dst="ff:ff:ff:ff:ff:ff") / ARP(psrc="10.0.0.2", pdst="10.0.0.1"),
            b"\1\2\3",
        ],
    }


@case("maar", "A host whose prefix is anchored where it is: no tunnel.")
def anchored_here():
    mine, gone, old = "2001:db8:101:1::5", "2001:db8:101:2::5", "2001:db8:102:1::5"
    from_core = lambda packet: Ether(src=MAAR2, dst=MAAR) / packet
    u = lambda src, dst, text: IPv6(src=src, dst=dst) / udp() / Raw(text)
    tunnel = lambda packet: from_core(IPv6(src="2001:db8:2::22", dst="2001:db8:2::21") / packet)
    return {
        0: [
            from_core(u(CN_IP, mine, b"delivered")),
            from_core(u(CN_IP, gone, b"tunnelled")),
            tunnel(u(gone, CN_IP, b"from the one who left")),
            tunnel(u(CN_IP, old, b"to an old prefix")),
            tunnel(u(gone, mine, b"from there to here")),
            tunnel(u(mine, CN_IP, b"not from there")),
            tunnel(u(CN_IP, "2001:db8:109::1", b"nobody")),
        ],
        1: [
            mn1(u(mine, CN_IP, b"routed")),
            mn1(u(old, CN_IP, b"to its anchor")),
            mn1(u(mine, gone, b"to the one who left")),
            mn1(u(mine, old, b"to itself, by the anchor")),
            # It has come back.
            Ether(src="02:00:00:00:aa:07", dst=ACCESS) / u(gone, CN_IP, b"back"),
        ],
    }


@case("maar", "Mobility Headers to the address that an anchor has in a prefix which it anchors are for it, wherever the host is; in the prefix of another anchor they are not. A host's reply to a node information query goes to control.")
def anchor_address():
    iid = ":200:ff:fe00:52"
    at = lambda prefix: prefix + iid
    bu = MIP6MH_BU(seq=1, mhtime=100, options=[])
    from_core = lambda packet: Ether(src=MAAR2, dst=MAAR) / packet
    peer = "2001:db8:2::22"
    reply = lambda dst: IPv6(src="fe80::a1", dst=dst) / ICMPv6NIReplyIPv6(
        nonce=b"12345678", flags="GA", data=[(0, "2001:db8:102:1::5")])
    return {
        0: [
            from_core(IPv6(src=peer, dst=at("2001:db8:101:1")) / bu),
            from_core(IPv6(src=peer, dst=at("2001:db8:101:2")) / bu),
            from_core(IPv6(src=peer, dst=at("2001:db8:102:1")) / bu),
            from_core(IPv6(src=peer, dst=at("2001:db8:101:1")) / udp() / Raw(b"to the host")),
            from_core(IPv6(src=peer, dst="2001:db8:101:1::5") / bu),
            from_core(reply("2001:db8:2::21")),
        ],
        1: [
            mn1(IPv6(src="2001:db8:101:1::5", dst=at("2001:db8:101:1")) / bu),
            mn1(reply("fe80::1")),
        ],
    }


@case("maar", "An anchor is a router in the prefixes that it anchors: it answers echo requests to its address there, of hosts that are here or elsewhere and of others; in the prefix of another anchor the other one does.")
def anchor_echo():
    iid = ":200:ff:fe00:52"
    here, gone, old = "2001:db8:101:1", "2001:db8:101:2", "2001:db8:102:1"
    from_core = lambda packet: Ether(src=MAAR2, dst=MAAR) / packet
    tunnel = lambda packet: from_core(IPv6(src="2001:db8:2::22", dst="2001:db8:2::21") / packet)
    ask = lambda src, dst, text: IPv6(src=src, dst=dst) / ICMPv6EchoRequest(id=7, data=text)
    return {
        0: [
            from_core(ask(CN_IP, here + iid, b"of a host that is here")),
            from_core(ask(CN_IP, gone + iid, b"of one that is elsewhere")),
            # Those before and behind are of the same kind.
            from_core(ask(CN_IP, here + "::5", b"to the host")),
            from_core(ask(CN_IP, gone + iid, b"once more")),
            from_core(ask(CN_IP, old + iid, b"of another anchor")),
            tunnel(ask(gone + "::5", gone + iid, b"by the host, from elsewhere")),
            tunnel(IPv6(src=gone + "::5", dst=CN_IP) / ICMPv6EchoRequest(data=b"to somebody else")),
            tunnel(ask(CN_IP, old + iid, b"of another anchor, through the tunnel")),
            # The host's own.
            from_core(IPv6(src=CN_IP, dst=here + iid) / TCP(sport=1, dport=2)),
        ],
        1: [
            mn1(ask(here + "::5", here + iid, b"by the host")),
            mn1(ask(here + "::5", gone + iid, b"of a host that is elsewhere")),
            mn1(ask(here + "::5", old + iid, b"of another anchor")),
            mn1(ask(old + "::5", old + iid, b"from its prefix")),
            mn1(IPv6(src=here + "::5", dst=here + iid, hlim=255) / ICMPv6ND_NS(tgt=here + iid)),
        ],
    }


@case("maar", "A host sends through an address of its own to the gateway.")
def host_to_gateway():
    mine = "2001:db8:101:1::5"
    return {1: [
        mn1(IPv6(src=mine, dst="2001:db8:2::21") / ICMPv6EchoRequest(data=b"near")),
        mn1(IPv6(src=mine, dst="2001:db8:2::21") / UDP(dport=9)),
        mn1(IPv6(src=mine, dst="2001:db8:2::21") / IPv6(src=CN_IP, dst=mine) / udp()),
    ]}


@case("lma", "IPv4 packets to a home address enter the tunnel to its gateway: time to live less one, checksum right, traffic class copied, flow label by inner flow, the same for all its fragments.")
def ipv4_encap():
    return {0: [
        cn(sized_4(28)),
        cn(sized_4(1460, flags="DF")),
        cn(sized_4(100, tos=0xb9)),
        cn(sized_4(101, ttl=2)),
        cn(IP(src=CN_4, dst=MN1_4) / TCP(sport=1, dport=2, flags="S")),
        cn(IP(src=CN_4, dst=MN1_4) / TCP(sport=1, dport=3, flags="S")),
        cn(IP(src=CN_4, dst=MN1_4, flags="DF") / ICMP(id=7, seq=1) / Raw(b"x" * 56)),
        # What is carried on untouched.
        cn(IP(src=CN_4, dst=MN1_4, options=[IPOption_Router_Alert()]) / udp()),
        cn(IP(src=CN_4, dst=MN1_4, options=[IPOption_RR(routers=["0.0.0.0"] * 3)]) / udp()),
        # Ethernet's minimum, padded beyond the packet.
        bytes(cn(IP(src=CN_4, dst=MN1_4, proto=59))) + b"\xee" * 26,
        # To a gateway behind a VLAN, to one whose next hop is not known, for a host that has gone.
        cn(IP(src=CN_4, dst=MN2_4) / udp() / Raw(b"tagged")),
        cn(IP(src=CN_4, dst="198.51.100.77") / udp()),
        cn(IP(src=CN_4, dst="198.51.100.7") / udp()),
    ] + [cn(piece) for piece in fragment(IP(src=CN_4, dst=MN1_4, id=99) / udp() / Raw(bytes(2000)), 1000)]}


@case("lma", "IPv4 packets out of a host's tunnel are forwarded to the correspondent, and into another host's.")
def ipv4_decap():
    return {1: [
        up(from_mn1_4(0)),
        up(from_mn1_4(1400)),
        up(from_mn1_4(tos=0xb8), fl=0xabcde, tc=0x20),
        up(from_mn1_4(1, ttl=2)),
        core(IPv6(src=MAG1_IP, dst=LMA_IP) / limit(4) / from_mn1_4(2)),
        up(IP(src=MN1_4, dst="203.0.113.9", options=[IPOption_Router_Alert()]) / udp() / Raw(b"far")),
        core(IPv6(src=MAG1_IP, dst=LMA_IP, nh=4) / Raw(bytes(from_mn1_4(5)) + b"\xee" * 9)),
        up(IP(src=MN1_4, dst=MN2_4) / udp() / Raw(b"to another host")),
        core100(IPv6(src=MAG2_IP, dst=LMA3_IP) / IP(src=MN2_4, dst=CN_4) / udp() / Raw(b"untagged")),
    ]}


@case("lma", "Congestion marks on IPv4: all sixteen pairs of outer and inner (RFC 6040 section 4.2).")
def ipv4_ecn():
    return {1: [
        up(from_mn1_4(outer * 4 + inner, tos=inner | 0x28), tc=outer | 0x48)
        for outer in range(4) for inner in range(4)
    ]}


@case("lma", "IPv4 tunnel packets that are not what they should be: strangers, foreign sources, broken insides.")
def ipv4_tunnel_refused():
    whole = bytes(from_mn1_4())
    inside = lambda octets, nh=4: core(IPv6(src=MAG1_IP, dst=LMA_IP, nh=nh) / Raw(octets))
    return {1: [
        core(IPv6(src="2001:db8:2::66", dst=LMA_IP) / from_mn1_4()),
        up(IP(src=MN2_4, dst=CN_4) / udp()),
        up(IP(src="203.0.113.66", dst=CN_4) / udp()),
        up(IP(src="198.51.100.7", dst=CN_4) / udp()),
        up(IP(src="198.51.100.77", dst=CN_4) / udp()),
        up(IP(src=CN_4, dst=MN1_4) / udp()),
        up(IP(src="127.0.0.1", dst=CN_4) / udp()),
        up(IP(src="169.254.0.5", dst=CN_4) / udp()),
        up(IP(src=MN1_4, dst="169.254.0.1") / udp()),
        up(IP(src=MN1_4, dst="224.0.0.251") / udp()),
        up(IP(src=MN1_4, dst="255.255.255.255") / udp()),
        inside(whole[:19]),
        inside(whole[:-1]),
        inside(broken(whole, 8, 63)),
        inside(whole, nh=41),
        inside(bytes(from_mn1()), nh=4),
        up(IP(src=MN1_4, dst=CN_4, options=[IPOption_LSRR(routers=[CN_4])]) / udp()),
        # Wrapped once more, in IPv4, which is no tunnel of ours.
        up(IP(src=MN1_4, dst=LMA_4) / from_mn1_4()),
        # A fragment of a tunnel packet.
        core(IPv6(src=MAG1_IP, dst=LMA_IP) / IPv6ExtHdrFragment(m=1, id=9, nh=4) / Raw(whole[:64])),
    ]}


@case("lma", "Frames that are no IPv4 packets, bad ones, options that end here, and addresses that stand on no wire.")
def ipv4_malformed():
    whole = bytes(cn(to_mn1_4()))
    def sealed(octets):
        packet = IP(octets)
        del packet.chksum
        return cn(packet)
    raw = lambda options: sealed(bytes([0x46, 0, 0, 48, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 12, 198, 51, 100, 5]) + options + bytes(24))
    plain = lambda src=CN_4, dst=MN1_4: cn(IP(src=src, dst=dst) / udp())
    return {0: [
        whole[:33],
        whole[:-1],
        broken(whole, 14, 0x65),
        broken(whole, 14, 0x44),
        broken(whole, 17, 19),
        broken(whole, 24, 0),
        broken(whole, 33, 9),
        raw(bytes([148, 5, 0, 0])),
        raw(bytes([148, 1, 0, 0])),
        cn(IP(src=CN_4, dst=MN1_4, options=[IPOption_LSRR(routers=[LMA_4])]) / udp()),
        cn(IP(src=CN_4, dst=LMA_4, options=[IPOption_SSRR(routers=[MN1_4])]) / udp()),
        plain(src="0.0.0.0"), plain(src="0.1.2.3"), plain(src="127.0.0.1"), plain(src="224.0.0.1"),
        plain(src="240.0.0.1"), plain(src="255.255.255.255"), plain(src="169.254.3.4"),
        plain(dst="0.0.0.0"), plain(dst="127.0.0.1"), plain(dst="240.0.0.1"), plain(dst="169.254.3.4"),
        # Groups that nobody here is in, and everyone.
        Ether(src=CN, dst="01:00:5e:00:00:fb") / IP(src=CN_4, dst="224.0.0.251") / UDP(dport=5353) / Raw(b"mdns"),
        Ether(src=CN, dst="ff:ff:ff:ff:ff:ff") / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67),
        Ether(src=CN, dst="ff:ff:ff:ff:ff:ff") / IP(src="127.0.0.1", dst="255.255.255.255") / UDP(sport=68, dport=67),
        # To one node, but in a frame to all.
        Ether(src=CN, dst="ff:ff:ff:ff:ff:ff") / to_mn1_4(2),
    ], 1: [
        # No IPv4 is spoken on that link.
        core(IP(src="10.0.0.1", dst=MN1_4) / udp()),
        core(ARP(psrc="10.0.0.1", pdst=LMA_4)),
    ]}


@case("lma", "Plain IPv4 forwarding by longest prefix, and the ends that it has.")
def ipv4_route():
    far = lambda dst, **fields: IP(src="203.0.113.5", dst=dst, **fields) / udp() / Raw(b"route")
    return {0: [
        cn(far("198.18.0.1")),
        cn(far("198.18.0.1", tos=0xb8, options=[IPOption_Router_Alert()])),
        cn(far("198.19.1.1")),
        cn(far("198.19.2.1")),
        cn(far("8.8.8.8")),
        cn(IP(src=CN_4, dst="8.8.8.8") / ICMP(type=3, code=1) / Raw(bytes(28))),
        cn(IP(src=CN_4, dst="8.8.8.8") / ICMP(type=11) / Raw(bytes(28))),
        cn(IP(src=CN_4, dst="8.8.8.8") / ICMP() / Raw(b"a question")),
        cn(IP(src=CN_4, dst="8.8.8.8", frag=9) / Raw(bytes(40))),
        cn(IP(src=CN_4, dst="8.8.8.8", flags="MF") / udp() / Raw(bytes(40))),
        # A tunnel between others passes through.
        cn(IP(src=CN_4, dst="198.18.0.2") / from_mn1_4(3)),
        # Largest whole, and larger.
        cn(IP(src=CN_4, dst="198.18.0.3", flags="DF") / udp() / Raw(bytes(1472))),
        cn(IP(src=CN_4, dst="198.18.0.3", flags="DF") / udp() / Raw(bytes(1473))),
    ]}


@case("lma", "IPv4 packets larger than the next link, which may be fragmented: pieces of eight octets each, with the options that every piece has.")
def ipv4_pieces():
    large = lambda octets, **fields: cn(IP(src=CN_4, dst="198.18.0.3", id=7, **fields) / udp() / Raw(bytes(n & 0xff for n in range(octets))))
    return {0: [
        large(1473),
        large(2953, tos=0xb8, ttl=2),
        large(2800, options=[IPOption_Router_Alert(), IPOption_RR(routers=["0.0.0.0"] * 3)]),
        # Already a piece, one of those between and the last.
        large(2000, frag=100, flags="MF"),
        large(2001, frag=100),
        # One that would reach beyond the largest packet.
        large(2000, frag=8100),
        large(1473, ttl=1),
    ]}


@case("lma", "An IPv4 time to live that runs out, into a tunnel, out of it and past it; no error answers an error.")
def ipv4_hop_limit():
    return {
        0: [
            cn(to_mn1_4(40, ttl=1)),
            cn(to_mn1_4(41, ttl=0)),
            cn(sized_4(1461, ttl=1, flags="DF")),
            cn(to_mn1_4(1400, ttl=1)),
            cn(IP(src=CN_4, dst="198.18.0.1", ttl=1) / udp()),
            cn(IP(src=CN_4, dst=MN1_4, ttl=1) / ICMP(type=3, code=3) / Raw(bytes(28))),
            Ether(src=CN, dst="ff:ff:ff:ff:ff:ff") / to_mn1_4(1, ttl=1),
        ],
        1: [up(from_mn1_4(ttl=1)), up(IP(src=MN1_4, dst=MN2_4, ttl=1) / udp())],
    }


@case("lma", "IPv4 packets larger than the tunnel: with DF its MTU is told.")
def ipv4_too_big():
    return {
        0: [
            cn(sized_4(1461, flags="DF")),
            cn(IP(src=CN_4, dst=MN2_4, flags="DF") / udp() / Raw(bytes(1373))),
            cn(IP(src=CN_4, dst=MN2_4, flags="DF") / udp() / Raw(bytes(1372))),
            cn(sized_4(1500, flags="DF", options=[IPOption_Router_Alert()])),
            cn(IP(src=CN_4, dst=MN1_4, flags="DF") / ICMP(type=3, code=4) / Raw(bytes(1450))),
            # No smallest MTU but that of the tunnel.
            cn(IP(src=CN_4, dst="198.51.100.8", flags="DF") / udp() / Raw(bytes(1212))),
            cn(IP(src=CN_4, dst="198.51.100.8", flags="DF") / udp() / Raw(bytes(1213))),
        ],
        1: [up(IP(src=MN1_4, dst=MN2_4, flags="DF") / udp() / Raw(bytes(1380)))],
    }


@case("lma", "IPv4 packets larger than the tunnel that may be fragmented: the outer packet is.")
def ipv4_fragmentable():
    return {0: [cn(sized_4(1461)), cn(sized_4(1500, options=[IPOption_Router_Alert()]))]}


@case("lma", "IPv4 packets for us: echo requests near and through a tunnel, and what nobody here listens to.")
def ipv4_own():
    ping = ICMP(id=1, seq=2) / Raw(b"0123456789abcdef")
    good = cn(IP(src=CN_4, dst=LMA_4, id=77, tos=0x48) / ping)
    own = lambda payload, **fields: cn(IP(src=CN_4, dst=LMA_4, **fields) / payload)
    return {
        0: [
            good,
            own(ping, ttl=1, flags="DF"),
            own(ICMP() / Raw(b"odd")),
            own(ping, options=[IPOption_RR(routers=["0.0.0.0"])]),
            broken(good, 14 + 20 + 12, 0xff),
            own(ICMP(type=0, id=1)),
            own(ICMP(type=3, code=1) / Raw(bytes(28))),
            own(Raw(b"short"), proto=1),
            cn(IP(src=LMA_4, dst=LMA_4) / ping),
            own(UDP(dport=9) / Raw(b"discard")),
            own(TCP(dport=9, flags="S")),
            own(Raw(bytes(12)), proto=132),
            own(Raw(bytes(8)), proto=2),
            own(udp() / Raw(bytes(24)), flags="MF"),
            own(Raw(bytes(24)), frag=3),
        ],
        1: [up(IP(src=MN1_4, dst=LMA_4) / ping)],
    }


@case("lma", "One IPv4 packet waits for each unresolved neighbour and goes when it is known.",
      RESOLVE % ("cn", "192.0.2.77", "02:00:00:00:01:77") + "\n" + RESOLVE % ("cn", "192.0.2.99", "02:00:00:00:01:99"))
def ipv4_held():
    far = lambda dst, n: IP(src=MN1_4, dst=dst) / udp() / Raw(bytes(n))
    return {1: [up(far("192.0.2.77", n)) for n in (1, 2)] + [up(far("198.19.0.1", 3))]}


@case("lma", "An IPv4 neighbour that does not answer: the sender is told.", "[[then]]\nseconds = 4\n")
def ipv4_unanswered():
    return {
        0: [cn(IP(src=CN_4, dst="192.0.2.78") / ICMP(type=3, code=1) / Raw(bytes(28)))],
        1: [up(IP(src=MN1_4, dst="192.0.2.77") / udp() / Raw(b"anyone?"))],
    }


@case("lma", "ARP: what asks for us or tells a neighbour's address comes to control, the rest does not.")
def arp():
    everyone = lambda packet: Ether(src=CN, dst="ff:ff:ff:ff:ff:ff") / packet
    request = lambda target, source=CN_4: everyone(ARP(op=1, hwsrc=CN, psrc=source, pdst=target))
    whole = bytes(request(LMA_4))
    return {0: [
        whole + bytes(18),
        request("192.0.2.200"),
        request(LMA_4, "0.0.0.0"),
        request(CN_4),
        cn(ARP(op=2, hwsrc=CN, psrc=CN_4, hwdst=LMA_CN, pdst=LMA_4)),
        everyone(ARP(op=2, hwsrc=CN, psrc=CN_4, pdst=CN_4)),
        whole[:-1],
        broken(whole, 14 + 1, 6),
        broken(whole, 14 + 7, 3),
        Ether(src=CN, dst="02:00:00:00:01:02") / ARP(pdst=LMA_4),
    ]}


@case("mag", "An attached host's IPv4 packets go into its tunnel, what the tunnel brings comes out on its link.")
def ipv4_host():
    return {
        0: [
            down(to_mn1_4(0)),
            down(to_mn1_4(1432)),
            down(to_mn1_4(1, tos=0x02), tc=0x03),
            lma(IPv6(src=LMA_IP, dst=MAG1_IP) / limit(4) / to_mn1_4(7)),
            down(IP(src=CN_4, dst="198.51.100.9") / udp()),
            lma(IPv6(src="2001:db8:2::2", dst=MAG1_IP) / to_mn1_4()),
            # Bare, on a link where IPv4 is the host's own stack's.
            lma(to_mn1_4(3)),
        ],
        1: [
            mn1(from_mn1_4(0)),
            mn1(from_mn1_4(tos=0xb9)),
            mn1(IP(src=MN1_4, dst="198.51.100.1") / ICMP() / Raw(b"into the tunnel too")),
            mn1(from_mn1_4(1, ttl=1)),
            mn1(from_mn1_4(1433, flags="DF")),
            # Another host's address, and nobody's.
            Ether(src="02:00:00:00:aa:09", dst=ACCESS) / from_mn1_4(1),
            Ether(src="02:00:00:00:aa:09", dst=ACCESS) / IP(src="198.51.100.9", dst=CN_4) / udp() / Raw(b"knock"),
            mn1(ARP(op=1, hwsrc=MN1, psrc=MN1_4, pdst="198.51.100.1"), "ff:ff:ff:ff:ff:ff"),
        ],
    }


@case("mag", "A host's DHCPv4 messages come to control, by broadcast or to the gateway; others' do not.")
def dhcpv4():
    def asks(kind, src="0.0.0.0", dst="255.255.255.255", **options):
        chaddr = bytes.fromhex(MN1.replace(":", ""))
        packet = IP(src=src, dst=dst) / UDP(sport=68, dport=67) / BOOTP(chaddr=chaddr, xid=7)
        return packet / DHCP(options=[("message-type", kind), "end"])

    return {
        0: [
            # From elsewhere, and out of a tunnel.
            Ether(src=LMA_CORE, dst="ff:ff:ff:ff:ff:ff") / asks("discover"),
            down(asks("request", CN_4, MN1_4)),
        ],
        1: [
            mn1(asks("discover"), "ff:ff:ff:ff:ff:ff"),
            mn1(asks("request", MN1_4)),
            # To a server beyond, through the tunnel.
            mn1(asks("request", MN1_4, CN_4)),
            # Other broadcasts are the host's own stack's, or nobody's.
            mn1(IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=69), "ff:ff:ff:ff:ff:ff"),
        ],
    }



# The anchor that is reached over IPv4, by UDP or by GRE, as transport.toml has it.
ANCHOR_4, GATE_4, GATE_UDP = "203.0.113.1", "203.0.113.11", "203.0.113.12"
BLUE, BLUE_CN, PRIVATE = "02:00:00:00:03:01", "02:00:00:00:03:0c", "10.0.0.7"


def through(outer, *inners):
    """In the core, from a gateway to the anchor."""
    packet = outer
    for inner in inners:
        packet = packet / inner
    return core(packet)


def grek(key, proto):
    return GRE(key_present=1, key=key, proto=proto)


def blue(packet):
    """A frame from the correspondent in the other domain."""
    return Ether(src=BLUE_CN, dst=BLUE) / packet


@case("transport", "Packets to hosts behind IPv4, IPv4 and UDP, GRE over IPv4, and GRE over IPv6 with the key of their session: two hosts with one address are told apart by where the packet came in.")
def transport_encap():
    six = lambda prefix, **fields: IPv6(src=CN_IP, dst=prefix + "::5", **fields) / udp() / Raw(bytes(100))
    four = lambda dst, **fields: IP(src=CN_4, dst=dst, **fields) / udp() / Raw(bytes(100))
    return {0: [
        cn(six("2001:db8:100:1", tc=0xb9, fl=7)),
        cn(four(MN1_4, tos=0xb8)),
        cn(six("2001:db8:100:2", hlim=2)),
        cn(four(MN2_4)),
        cn(six("2001:db8:100:3")),
        cn(four(PRIVATE)),
    ], 2: [
        blue(four(PRIVATE, ttl=9)),
    ]}


@case("transport", "Out of tunnels over IPv4, in UDP or GRE, with the congestion mark of the outer header; by their keys, two hosts with one address reach each its own domain.")
def transport_decap():
    six = lambda prefix: IPv6(src=prefix + "::5", dst=CN_IP, tc=2) / udp() / Raw(bytes(40))
    four = lambda src: IP(src=src, dst=CN_4, tos=1) / udp() / Raw(bytes(40))
    outer = lambda **fields: IP(src=GATE_4, dst=ANCHOR_4, **fields)
    data = IP(src=GATE_UDP, dst=ANCHOR_4) / UDP(sport=5437, dport=5437, chksum=0)
    gre6 = lambda key: IPv6(src=MAG1_IP, dst=LMA_IP) / grek(key, 0x800)
    limited = IPv6(src=MAG1_IP, dst=LMA_IP) / limit(4) / grek(18, 0x800)
    return {1: [
        through(outer(tos=3), six("2001:db8:100:1")),
        through(outer(tos=2), four(MN1_4)),
        through(data, six("2001:db8:100:2")),
        through(data, four(MN2_4)),
        through(outer() / GRE(proto=0x86dd), six("2001:db8:100:3")),
        through(gre6(18), four(PRIVATE)),
        through(gre6(34), four(PRIVATE)),
        through(limited, four(PRIVATE)),
    ]}


@case("transport", "What is no tunnel's: strangers, another way in than the tunnel's own, wrong and missing keys, unknown GRE flags, a datagram for another port, a fragment; and inner sources of other tunnels.")
def transport_refused():
    six = IPv6(src="2001:db8:100:1::5", dst=CN_IP) / udp() / Raw(bytes(40))
    four = IP(src=PRIVATE, dst=CN_4) / udp() / Raw(bytes(40))
    outer = lambda **fields: IP(src=GATE_4, dst=ANCHOR_4, **fields)
    gre6 = lambda **fields: IPv6(src=MAG1_IP, dst=LMA_IP) / GRE(proto=0x800, **fields)
    data = lambda src, port: IP(src=src, dst=ANCHOR_4) / UDP(sport=5437, dport=port, chksum=0)
    return {1: [
        through(IP(src="203.0.113.66", dst=ANCHOR_4), six),
        through(data(GATE_4, 5437), six),
        through(data(GATE_UDP, 5437), six),
        through(data(GATE_UDP, 5438), six),
        through(data(GATE_UDP, 5437), Raw(b"\0 not a packet")),
        through(outer() / UDP(sport=5437, dport=5437, chksum=0)),
        through(outer(flags="MF"), six),
        through(outer() / GRE(proto=0x86dd, chksum_present=1), six),
        through(outer() / GRE(proto=0x86dd, seqnum_present=1), six),
        through(outer() / GRE(proto=0x88be), six),
        through(outer() / GRE(proto=0x86dd, key_present=1, key=18), six),
        through(gre6(), four),
        through(gre6(key_present=1, key=17), four),
        through(gre6(key_present=1, key=34), IP(src="10.0.0.8", dst=CN_4) / udp()),
        core(IPv6(src=MAG1_IP, dst=LMA_IP) / six),
    ]}


@case("transport", "What does not fit a tunnel over IPv4 is answered with its MTU, or cut into IPv4 fragments where it may be; signalling on its port is copied to control.")
def transport_narrow():
    return {0: [
        cn(IPv6(src=CN_IP, dst="2001:db8:100:1::5") / udp() / Raw(bytes(1433))),
        cn(IP(src=CN_4, dst=MN2_4, flags="DF") / udp() / Raw(bytes(1445))),
        cn(IP(src=CN_4, dst=MN2_4, id=5) / udp() / Raw(bytes(1472))),
        cn(IP(src=CN_4, dst=PRIVATE, id=6) / udp() / Raw(bytes(1472))),
    ], 1: [
        core(IP(src=GATE_4, dst=ANCHOR_4) / UDP(sport=5436, dport=5436) / Raw(bytes(16))),
        core(IP(src="203.0.113.99", dst=ANCHOR_4) / UDP(sport=1, dport=5436) / Raw(bytes(16))),
    ]}


def main():
    chosen = sys.argv[1:] or sorted(CASES)
    for name in chosen:
        tables, about, then, function = CASES[name]
        random.seed(name)
        directory = os.path.join(HERE, name)
        os.makedirs(directory, exist_ok=True)
        for old in os.listdir(directory):
            if old.startswith("in"):
                os.remove(os.path.join(directory, old))
        for port, frames in function().items():
            with RawPcapWriter(os.path.join(directory, f"in{port}.pcap"), linktype=1, endianness="<") as file:
                file.write_header(None)
                for frame in frames:
                    file.write_packet(bytes(frame), sec=0, usec=0)
        with open(os.path.join(directory, "case.toml"), "w") as file:
            file.write(f'about = "{about}"\ntables = "{tables}"\n')
            if then:
                file.write("\n" + then)


if __name__ == "__main__":
    main()
