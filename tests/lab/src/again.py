"""Sends a mobility message of a capture once more, from the interface that is named first: the last one of its type
between two addresses, as it was, or as a farewell of the host with its checksum made right again."""

import socket
import struct
import sys

interface, path, source, destination, kind, how = sys.argv[1:]
ends = b"".join(socket.inet_pton(socket.AF_INET6, end) for end in (source, destination))


def checksum(octets):
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frames(data):
    at = 24
    while at + 16 <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        yield data[at + 16:at + 16 + length]
        at += 16 + length


with open(path, "rb") as file:
    such = [frame for frame in frames(file.read())
            if frame[12:14] == b"\x86\xdd" and frame[20] == 135
            and frame[22:54] == ends and frame[56] == int(kind)]
if not such:
    sys.exit("there is no such message")
frame = bytearray(such[-1])
if how == "farewell":
    # The lifetime.
    frame[64:66] = bytes(2)
    frame[58:60] = bytes(2)
    message = frame[54:]
    pseudo = frame[22:54] + struct.pack(">II", len(message), 135)
    frame[58:60] = struct.pack(">H", checksum(pseudo + message))
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind((interface, 0))
link.send(frame)
