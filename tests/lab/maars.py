#!/usr/bin/env python3
"""Plays MAARs against a central mobility database, and judges what it says.

    maars.py CMD HOST STEP...

HOST is a number. Every MAAR is an address of this machine, `2001:db8:ff::2N`, with the pool
`2001:db8:aN::/48`, of which it gives host H the prefix `2001:db8:aN:H::/64`. A step is `N`, the host comes to MAAR N; `N!`, it refreshes there; `N-`, MAAR N de-registers it; `xN`, MAAR N
falls silent; `wMS`, so many milliseconds pass. Each message goes to standard output as a line of JSON.

Messages are built and read by the figures of RFC 6275 section 6.1, RFC 5213 section 8, RFC 5846
section 5 and RFC 8885 section 4 alone; nothing of it comes from the gateway's own code.
"""
import ipaddress
import json
import select
import socket
import struct
import sys
import time

MH = 135
HEARTBEAT = 13
QUIET = 0.4


def maar(number):
    return f"2001:db8:ff::2{number}"


def prefix(number, host):
    return f"2001:db8:a{number}:{host}::"


def name(host):
    return f"mn{host}@example.net"


def option(octets, kind, data, align=None):
    """Appends an option, padded so that it begins at `x` modulo `n` of the message."""
    if align:
        n, x = align
        pad = (x - len(octets)) % n
        octets += b"\0" if pad == 1 else bytes([1, pad - 2]) + bytes(pad - 2) if pad else b""
    return octets + bytes([kind, len(data)]) + data


def message(kind, data, options):
    octets = struct.pack("!BBBBH", 59, 0, kind, 0, 0) + data
    for each in options:
        octets = option(octets, *each)
    pad = -len(octets) % 8
    octets += b"\0" if pad == 1 else bytes([1, pad - 2]) + bytes(pad - 2) if pad else b""
    # The kernel fills in the checksum of a raw socket of this protocol.
    return octets[:1] + bytes([len(octets) // 8 - 1]) + octets[2:]


def home_network_prefix(address):
    data = bytes([0, 64]) + ipaddress.IPv6Address(address).packed
    return (22, data, (8, 4))


def timestamp():
    now = time.time()
    data = struct.pack("!Q", int(now) << 16 | int((now % 1) * 65536))
    return (27, data, (8, 2))


def update(host, number, sequence, handoff, lifetime):
    data = struct.pack("!HHH", sequence, 0x8210, lifetime // 4)
    return message(5, data, [
        (8, b"\x01" + name(host).encode()),
        home_network_prefix(prefix(number, host)),
        (23, bytes([0, handoff])),
        (24, bytes([0, 3])),
        timestamp(),
    ])


def acknowledgement(read, number, host):
    data = struct.pack("!BBHH", 0, 0x22, read["sequence"], read["lifetime"] // 4)
    own = [] if read["lifetime"] == 0 else [home_network_prefix(prefix(number, host))]
    serving = [
        (68, ipaddress.IPv6Address(address).packed, (8, 6)) for address in read["serving"]
    ]
    return message(6, data, [(8, b"\x01" + read["host"].encode()), *own, *serving])


def revocation_acknowledgement(read):
    return message(16, struct.pack("!BBHH", 2, 0, read["sequence"], 0x8000), [])


def address(octets):
    return str(ipaddress.IPv6Address(octets))


def read(octets):
    """Takes a message apart. Raises on anything that is not as its figure has it."""
    length = 8 * (octets[1] + 1)
    assert octets[0] == 59 and length == len(octets), "header"
    found = {"prefixes": [], "previous": [], "serving": [], "anchored": []}
    if octets[2] == 5:
        sequence, flags, lifetime = struct.unpack("!HHH", octets[6:12])
        assert flags & 0x0210 == 0x0210, "P and D"
        found |= {"message": "PBU", "sequence": sequence, "lifetime": lifetime * 4}
    elif octets[2] == 6:
        status, flags, sequence, lifetime = struct.unpack("!BBHH", octets[6:12])
        assert flags & 0x22 == 0x22, "P and D"
        found |= {"message": "PBA", "status": status, "sequence": sequence}
        found["lifetime"] = lifetime * 4
    elif octets[2] == 16 and octets[6] == 1:
        trigger, sequence, flags = struct.unpack("!BHH", octets[7:12])
        assert flags == 0x8000, "P alone"
        found |= {"message": "BRI", "trigger": trigger, "sequence": sequence}
    elif octets[2] == 16:
        status, sequence, flags = struct.unpack("!BHH", octets[7:12])
        found |= {"message": "BRA", "status": status, "sequence": sequence}
    else:
        return found | {"message": octets[2]}
    at = 12
    while at < length:
        kind = octets[at]
        if kind == 0:
            at += 1
            continue
        data = octets[at + 2:at + 2 + octets[at + 1]]
        assert len(data) == octets[at + 1], "an option past the end"
        if kind == 8:
            assert data[0] == 1
            found["host"] = data[1:].decode()
        elif kind in (22, 65):
            assert len(data) == 18 and at % 8 == 4, "prefix"
            list_of = found["prefixes" if kind == 22 else "anchored"]
            list_of.append(f"{address(data[2:])}/{data[1]}")
        elif kind == 67:
            assert len(data) == 34 and at % 8 == 4, "Previous MAAR"
            found["previous"].append([address(data[2:18]), f"{address(data[18:])}/{data[1]}"])
        elif kind == 68:
            assert len(data) == 16 and at % 8 == 6, "Serving MAAR"
            found["serving"].append(address(data))
        at += 2 + len(data)
    return found


class Domain:
    def __init__(self, cmd, host):
        self.cmd, self.host = cmd, host
        self.silent = set()
        self.sequence = int(time.time() * 1000) % 60000
        self.sockets = {}
        for number in (1, 2, 3):
            raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, MH)
            raw.bind((maar(number), 0))
            self.sockets[raw] = number

    def send(self, number, octets):
        raw = next(raw for raw, it in self.sockets.items() if it == number)
        raw.sendto(octets, (self.cmd, 0))
        self.tell(f"maar{number}", "cmd", read(octets))

    def tell(self, sender, receiver, found):
        print(json.dumps({"from": sender, "to": receiver} | found), flush=True)

    def listen(self, seconds):
        """Hears what comes, and answers what MAARs are told, until it has been quiet for so long."""
        while True:
            ready, _, _ = select.select(list(self.sockets), [], [], seconds)
            if not ready:
                return
            for raw in ready:
                octets, _ = raw.recvfrom(4096)
                if octets[2] == HEARTBEAT:
                    # Whether it is there, or has restarted, is no part of the figures.
                    continue
                number, found = self.sockets[raw], read(octets)
                self.tell("cmd", f"maar{number}", found)
                if found["message"] == "PBU" and number not in self.silent:
                    self.send(number, acknowledgement(found, number, self.host))
                if found["message"] == "BRI" and number not in self.silent:
                    self.send(number, revocation_acknowledgement(found))

    def step(self, step):
        self.sequence += 1
        if step[0] == "x":
            self.silent.add(int(step[1]))
        elif step[0] == "w":
            self.listen(int(step[1:]) / 1000)
        else:
            number = int(step[0])
            handoff, lifetime = {"": (4, 300), "!": (5, 300), "-": (4, 0)}[step[1:]]
            octets = update(self.host, number, self.sequence, handoff, lifetime)
            self.send(number, octets)
            self.listen(QUIET)


def main():
    domain = Domain(sys.argv[1], sys.argv[2])
    for step in sys.argv[3:]:
        domain.step(step)


main()
