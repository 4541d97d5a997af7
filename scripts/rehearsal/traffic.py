"""What stands at both cables: on the core link a mobile access gateway with hosts, on the other link a
router with the rest of the world behind it.

Everything is put together and taken apart here, octet by octet, without the project's own encoders. Every
packet that comes out of the gateway is compared with what must come out, and each that went in must come out
once.
"""

import select
import socket
import struct
import time

from rehearsal.machine import Failed

LMA = "2001:db8:c::1"
MAG = "2001:db8:c::11"
ROUTER = "2001:db8:100::10"
CORRESPONDENT = "2001:db8:f::1"
MAG_MAC = "02:00:00:00:00:11"
ROUTER_MAC = "02:00:00:00:00:10"

IPV6, ICMPV6, UDP, TUNNEL, OPTIONS, MOBILITY, NONE = 0x86DD, 58, 17, 41, 60, 135, 59
SOLICITATION, ADVERTISEMENT = 135, 136
HOP_LIMIT = 64
# Octets of an Ethernet and of an IPv6 header.
ETHERNET, HEADER = 14, 40
# Packets under way at most, so that no queue of the emulated cards runs over.
WINDOW = 192
# Seconds without any packet after which those under way count as lost.
SILENCE = 5.0
# Lengths of the packets inside.
LENGTHS = (64, 128, 512, 1400)


def packed(address):
    return socket.inet_pton(socket.AF_INET6, address)


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def checksum(source, destination, protocol, payload):
    """The Internet checksum over payload and IPv6 pseudo header."""
    text = source + destination + struct.pack("!IxxxB", len(payload), protocol) + payload
    text += bytes(len(text) % 2)
    total = sum(struct.unpack(f"!{len(text) // 2}H", text))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv6(source, destination, protocol, payload, hop_limit=HOP_LIMIT):
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, hop_limit) + source + destination + payload


def option(so_far, kind, value, modulus, rest):
    """Appends a mobility option, padded to where it may stand."""
    missing = (rest - len(so_far)) % modulus
    padding = b"" if not missing else b"\0" if missing == 1 else struct.pack("!BB", 1, missing - 2) + bytes(missing - 2)
    return so_far + padding + struct.pack("!BB", kind, len(value)) + value


def binding_update(identifier, sequence, lifetime, prefix):
    """A Proxy Binding Update (RFC 5213 section 8.1); an unspecified prefix asks for one."""
    now = time.time()
    stamp = (int(now) << 16) | int((now % 1) * 65536)
    body = struct.pack("!BBBBHHHH", NONE, 0, 5, 0, 0, sequence, 0x8200, lifetime // 4)
    body = option(body, 8, b"\1" + identifier.encode(), 1, 0)
    body = option(body, 22, struct.pack("!BB", 0, 0 if prefix == "::" else 64) + packed(prefix), 8, 4)
    body = option(body, 23, struct.pack("!BB", 0, 1), 1, 0)
    body = option(body, 24, struct.pack("!BB", 0, 4), 1, 0)
    body = option(body, 27, struct.pack("!Q", stamp), 8, 2)
    missing = -len(body) % 8
    body += b"" if not missing else b"\0" if missing == 1 else struct.pack("!BB", 1, missing - 2) + bytes(missing - 2)
    body = body[:1] + bytes([len(body) // 8 - 1]) + body[2:]
    total = checksum(packed(MAG), packed(LMA), MOBILITY, body)
    return body[:4] + struct.pack("!H", total) + body[6:]


def acknowledged(body):
    """(sequence, status, prefix) of a Binding Acknowledgement; None if it is none."""
    if len(body) < 12 or body[2] != 6:
        return None
    prefix, place = "::", 12
    while place < len(body):
        if body[place] == 0:
            place += 1
            continue
        length = body[place + 1]
        if body[place] == 22:
            prefix = socket.inet_ntop(socket.AF_INET6, body[place + 4 : place + 20])
        place += 2 + length
    return struct.unpack("!H", body[8:10])[0], body[6], prefix


class Cable:
    """One end of a cable to the gateway, and the node that stands there."""

    def __init__(self, end, address, link_layer, gateway):
        self.end = end
        self.address = packed(address)
        self.mac = mac(link_layer)
        self.header = mac(gateway) + self.mac + struct.pack("!H", IPV6)

    def send(self, packet):
        """Sends a packet to the gateway; whether the cable took it."""
        try:
            self.end.send(self.header + packet)
        except BlockingIOError:
            return False
        return True

    def receive(self):
        """The next IPv6 packet for this node, or None. Solicitations for its address are answered."""
        while True:
            try:
                frame = self.end.recv(2048)
            except BlockingIOError:
                return None
            if len(frame) < ETHERNET + HEADER or frame[12:14] != b"\x86\xdd":
                continue
            packet = frame[ETHERNET:]
            length = HEADER + struct.unpack("!H", packet[4:6])[0]
            if packet[6] == ICMPV6 and packet[HEADER] == SOLICITATION:
                self.advertise(packet, frame[6:12])
            elif frame[:6] == self.mac:
                return packet[:length]

    def advertise(self, packet, asker):
        """Answers a Neighbor Solicitation for our address (RFC 4861 section 7.2.4)."""
        source = packet[8:24]
        if packet[HEADER + 8 : HEADER + 24] != self.address or source == bytes(16):
            return
        body = struct.pack("!BBHI", ADVERTISEMENT, 0, 0, 0x60000000) + self.address + b"\2\1" + self.mac
        total = checksum(self.address, source, ICMPV6, body)
        body = body[:2] + struct.pack("!H", total) + body[4:]
        answer = ipv6(self.address, source, ICMPV6, body, 255)
        self.end.send(asker + self.mac + struct.pack("!H", IPV6) + answer)


class Domain:
    """The world around the gateway."""

    def __init__(self, cables, macs):
        self.core = Cable(cables[0], MAG, MAG_MAC, macs[0])
        self.outer = Cable(cables[1], ROUTER, ROUTER_MAC, macs[1])
        self.sequence = 0

    def idle(self, seconds):
        """Waits for a frame."""
        select.select([self.core.end, self.outer.end], [], [], seconds)

    def register(self, identifier, lifetime=600, prefix="::", limit=60.0):
        """Registers a host, or with lifetime 0 takes leave for it; its prefix."""
        self.sequence += 1
        end, again = time.monotonic() + limit, 0.0
        while time.monotonic() < end:
            if time.monotonic() >= again:
                body = binding_update(identifier, self.sequence, lifetime, prefix)
                self.core.send(ipv6(packed(MAG), packed(LMA), MOBILITY, body))
                again = time.monotonic() + 1.0
            self.idle(0.05)
            self.outer.receive()
            while packet := self.core.receive():
                answer = acknowledged(packet[HEADER:]) if packet[6] == MOBILITY else None
                if answer and answer[0] == self.sequence:
                    if answer[1]:
                        raise Failed(f"{identifier} was refused with status {answer[1]}")
                    return answer[2]
        raise Failed(f"no acknowledgement for {identifier} within {limit:.0f} s")

    def exchange(self, name, packets, make, enter, leave, strip):
        """Sends packets into one cable and checks what comes out of the other; the figures of it."""
        started = heard = time.monotonic()
        sent = received = strange = 0
        first_strange = ""
        seen = bytearray(packets)
        stalled = False
        while received < packets:
            while sent < packets and sent - received < WINDOW and enter.send(make(sent)):
                sent += 1
            got = 0
            while packet := leave.receive():
                answer = acknowledged(packet[HEADER:]) if packet[6] == MOBILITY else None
                if answer and answer[0] <= self.sequence:
                    # An update that was sent more than once has as many answers, and they may be late.
                    continue
                inner = strip(packet)
                number = struct.unpack("!I", inner[48:52])[0] if inner and len(inner) >= 56 else packets
                if number >= sent or seen[number] or not same(inner, inside(make(number))):
                    strange += 1
                    first_strange = first_strange or f"{len(packet)} octets, {packet[:96].hex()}"
                    continue
                seen[number] = 1
                received += 1
                got += 1
            enter.receive()
            now = time.monotonic()
            if got:
                heard = now
            elif now - heard > SILENCE:
                if stalled or sent == packets:
                    break
                # The window is full of packets that were lost: the rest would never be sent.
                stalled = True
                heard = now
            else:
                self.idle(0.01)
        seconds = time.monotonic() - started
        return {
            "name": name,
            "sent": sent,
            "received": received,
            "lost": sent - received,
            "strange": strange,
            "first_strange": first_strange,
            "seconds": round(seconds, 2),
            "packets_per_second": round(received / seconds),
        }

    def down(self, prefixes, packets):
        """From a correspondent to the hosts: plain in, in a tunnel to their gateway out."""
        templates = bodies(packed(CORRESPONDENT), [host(prefix) for prefix in prefixes], packets)
        return self.exchange("to the hosts", packets, templates, self.outer, self.core, untunnelled)

    def up(self, prefixes, packets):
        """From the hosts to a correspondent: in a tunnel from their gateway in, plain out."""
        make = bodies(None, [host(prefix) for prefix in prefixes], packets)
        tunnel = lambda number: ipv6(packed(MAG), packed(LMA), TUNNEL, make(number))
        return self.exchange("from the hosts", packets, tunnel, self.core, self.outer, lambda packet: packet)


def host(prefix):
    return packed(prefix)[:8] + b"\0\0\0\0\0\0\0\1"


def bodies(source, hosts, packets):
    """Makes packet number n: UDP to or from one of the hosts, its number and that number's complement in
    the first octets, so that the checksum is the same for all."""
    other = packed(CORRESPONDENT)
    kinds = []
    for address in hosts:
        for length in LENGTHS:
            ends = (source, address) if source else (address, other)
            payload = bytes(range(256)) * 6
            udp = struct.pack("!HHHHII", 4000, 5000, length - HEADER, 0, 0, 0xFFFFFFFF)
            udp += payload[: length - HEADER - len(udp)]
            total = checksum(*ends, UDP, udp) or 0xFFFF
            udp = udp[:6] + struct.pack("!H", total) + udp[8:]
            whole = ipv6(*ends, UDP, udp)
            kinds.append((whole[:48], whole[56:]))

    def make(number):
        head, rest = kinds[number % len(kinds)]
        return head + struct.pack("!II", number, number ^ 0xFFFFFFFF) + rest

    return make


def untunnelled(packet):
    """What is in a tunnel packet from the LMA to the MAG; None if it is none."""
    if packet[8:40] != packed(LMA) + packed(MAG):
        return None
    place, protocol = HEADER, packet[6]
    while protocol == OPTIONS:
        protocol, place = packet[place], place + 8 * (packet[place + 1] + 1)
    return packet[place:] if protocol == TUNNEL else None


def inside(packet):
    """The packet that a host or correspondent sent, without the tunnel that it went in by."""
    return packet[HEADER:] if packet[6] == TUNNEL else packet


def same(came, went):
    """Whether what came out is what went in, forwarded once."""
    return came[:7] == went[:7] and came[7] == went[7] - 1 and came[8:] == went[8:]
