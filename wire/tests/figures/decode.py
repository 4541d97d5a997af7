#!/usr/bin/env python3
"""Decodes mobility messages from the figures of the RFCs alone, for what tshark cannot.

Written from the figures before the encoder that it judges was there, and it shares nothing with it:
the two agree only where both read a figure alike. Standard input holds one Mobility Header a line, in hexadecimal,
and behind it, if its sums are to be checked, the addresses that it was sent from and to; standard output gets one
JSON object a line:

    {"type": 5, "flags": "AP", "options": [{"type": 68, "offset": 14, ...}], "faults": []}

    decode.py --key 256:HEX     a key by its SPI, HMAC-SHA1's, or with `:sha256` behind it HMAC-SHA256's. Each
                                authentication option whose key is known is `authentic` or not
    decode.py --capture FILE    the messages of a capture in place of standard input, each with the `time`, the `from`
                                and the `to` of its packet

Offsets count from the first octet of the Mobility Header. `faults` tells what a figure forbids:
a length, an alignment, an octet of a reserved field or of padding that is not zero.
"""
import argparse
import hashlib
import hmac
import ipaddress
import json
import struct
import sys

# Flag letters from the top bit down: RFC 8885 section 4.1 and 4.2; RFC 7161 gave S.
UPDATE_FLAGS = "AHLKMRPFTBSD"
ACKNOWLEDGEMENT_FLAGS = "KRPTBSD"


# Of a revocation (RFC 5846 section 5.1) and of a heartbeat (RFC 5847 section 3.3).
REVOCATION_FLAGS = "PVG"
HEARTBEAT_FLAGS = "UR"


def v6(octets):
    return str(ipaddress.IPv6Address(bytes(octets)))


class Figure:
    """One option: its fields in order, its whole length, and where it may start."""

    def __init__(self, name, fields, length=None, least=0, modulus=1, phase=0):
        self.name, self.fields, self.length, self.least = name, fields, length, least
        self.modulus, self.phase = modulus, phase

    def read(self, data, offset, faults):
        found = {"name": self.name}
        if self.length is not None and len(data) != self.length:
            faults.append(f"{self.name}: length {len(data)}, the figure has {self.length}")
            return {"name": self.name, "octets": data.hex()}
        if len(data) < self.least:
            faults.append(f"{self.name}: length {len(data)} is below {self.least}")
            return {"name": self.name, "octets": data.hex()}
        if offset % self.modulus != self.phase:
            faults.append(
                f"{self.name}: at {offset}, not on {self.modulus}n+{self.phase}")
        rest = data
        for field, width in self.fields:
            octets, rest = (rest, b"") if width is None else (rest[:width], rest[width:])
            if field == "reserved":
                if any(octets):
                    faults.append(f"{self.name}: a reserved field is not zero")
            elif width == 16:
                found[field] = v6(octets)
            elif field.startswith("ipv4"):
                found[field] = str(ipaddress.IPv4Address(bytes(octets)))
            elif field == "identifier":
                found[field] = octets.decode("utf-8", "backslashreplace")
            elif width in (1, 4):
                found[field] = int.from_bytes(octets, "big")
            else:
                found[field] = octets.hex()
        for field in ("anchored_prefix", "local_prefix", "home_network_prefix"):
            if field in found:
                self.check_prefix(found, field, faults)
        return found

    def check_prefix(self, found, field, faults):
        length = found["prefix_length"]
        if length > 128:
            faults.append(f"{self.name}: prefix length {length}")
        elif int(ipaddress.IPv6Address(found[field])) & ((1 << (128 - length)) - 1):
            faults.append(f"{self.name}: bits past the prefix length")


FIGURES = {
    # RFC 6275 section 6.2.5, RFC 4283 section 3, RFC 4285 sections 5 and 6.
    3: Figure("alternate care-of address", [("care_of", 16)], length=16, modulus=8, phase=6),
    8: Figure("mobile node identifier", [("subtype", 1), ("identifier", None)], least=2),
    9: Figure("authentication", [("subtype", 1), ("spi", 4), ("data", None)],
              least=5, modulus=4, phase=1),
    10: Figure("replay protection", [("timestamp", 8)], length=8, modulus=8, phase=2),
    # RFC 5213 sections 8.3 to 8.8, RFC 5847 section 3.4.
    22: Figure("home network prefix",
               [("reserved", 1), ("prefix_length", 1), ("home_network_prefix", 16)],
               length=18, modulus=8, phase=4),
    23: Figure("handoff indicator", [("reserved", 1), ("handoff", 1)], length=2),
    24: Figure("access technology type", [("reserved", 1), ("technology", 1)], length=2),
    25: Figure("mobile node link-layer identifier", [("reserved", 2), ("link_layer", None)],
               least=2),
    26: Figure("link-local address", [("link_local", 16)], length=16, modulus=8, phase=6),
    27: Figure("timestamp", [("timestamp", 8)], length=8, modulus=8, phase=2),
    28: Figure("restart counter", [("restarts", 4)], length=4, modulus=4, phase=2),
    # RFC 5844 sections 3.3.1 to 3.3.4.
    36: Figure("IPv4 home address request",
               [("prefix_bits", 1), ("reserved", 1), ("ipv4", 4)], length=6, modulus=4),
    37: Figure("IPv4 home address reply",
               [("status", 1), ("prefix_bits", 1), ("ipv4", 4)], length=6, modulus=4),
    38: Figure("IPv4 default-router address", [("reserved", 2), ("ipv4_router", 4)],
               length=6, modulus=4),
    39: Figure("IPv4 DHCP support mode", [("reserved", 1), ("mode", 1)], length=2),
    # RFC 8885 sections 4.3 to 4.8.
    65: Figure("anchored prefix",
               [("reserved", 1), ("prefix_length", 1), ("anchored_prefix", 16)],
               length=18, modulus=8, phase=4),
    66: Figure("local prefix",
               [("reserved", 1), ("prefix_length", 1), ("local_prefix", 16)],
               length=18, modulus=8, phase=4),
    67: Figure("previous MAAR",
               [("reserved", 1), ("prefix_length", 1), ("previous_maar", 16),
                ("home_network_prefix", 16)],
               length=34, modulus=8, phase=4),
    68: Figure("serving MAAR", [("serving_maar", 16)], length=16, modulus=8, phase=6),
    69: Figure("DLIF link-local address", [("dlif_link_local", 16)],
               length=16, modulus=8, phase=6),
    70: Figure("DLIF link-layer address", [("reserved", 2), ("dlif_link_layer", None)],
               least=2),
}


def experimental(data, faults):
    """Option 18 (RFC 5096) and what the draft profile puts into it, by the first octet."""
    found = {"name": "experimental"}
    if data[:1] == b"\x02" and len(data) == 1:
        found["content"] = "binding cache confirmation"
    elif data[:1] == b"\x03" and len(data) == 18:
        found["content"] = "assigned home address"
        found["prefix_length"] = data[1]
        found["home_address"] = v6(data[2:])
        if data[1] > 128:
            faults.append(f"assigned home address: prefix length {data[1]}")
    else:
        found["octets"] = data.hex()
    return found


def options(message, offset, faults):
    found = []
    while offset < len(message):
        kind = message[offset]
        if kind == 0:
            offset += 1
            continue
        if offset + 1 >= len(message):
            faults.append(f"option {kind} has no length")
            break
        length = message[offset + 1]
        data = message[offset + 2:offset + 2 + length]
        if len(data) != length:
            faults.append(f"option {kind} runs past the end")
            break
        if kind == 1:
            if any(data):
                faults.append("padding is not zero")
        else:
            if kind in FIGURES:
                option = FIGURES[kind].read(data, offset, faults)
            elif kind == 18:
                option = experimental(data, faults)
            else:
                option = {"octets": data.hex()}
            found.append({"type": kind, "offset": offset, "length": length, **option})
        offset += 2 + length
    return found


def letters(value, bits, names, faults):
    rest = value
    text = ""
    for place, letter in enumerate(names):
        bit = 1 << (bits - 1 - place)
        if value & bit:
            text += letter
            rest &= ~bit
    if rest:
        faults.append(f"reserved flag bits {rest:#x}")
    return text


def octets_sum(data):
    """The sum of RFC 1071 over all of it: 0xffff when the checksum in it is right."""
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def care_of(kind, content, source, destination):
    """The care-of address that a message between two gateways is about: the one where updates come from.
    That of a heartbeat, which is about no host, is its sender."""
    from_anchor = kind in (0, 6, 7) or kind == 16 and content == 1
    return destination if from_anchor else source


def authentic(message, option, address, keys):
    """RFC 4285 sections 5.1 and 5.2: whether the data are what the key makes of the message."""
    if option["spi"] not in keys:
        return None
    key, hash_function = keys[option["spi"]]
    # Up to and including the SPI, the checksum as zero; no home address, for a gateway has none.
    covered = message[:4] + bytes(2) + message[6:option["offset"] + 7]
    covered = ipaddress.IPv6Address(address).packed + bytes(16) + covered
    if option["subtype"] == 2:
        covered = hashlib.sha1(covered).digest()
    made = hmac.new(key, covered, hash_function).digest()
    # Section 5.1 keeps 96 bits. Section 5.2 cuts nothing off.
    kept = {(1, "sha1"): 12, (2, "sha1"): 20}.get((option["subtype"], hash_function), 16)
    return option["data"] == made[:kept].hex()


def authentication(message, found, address, keys, faults):
    """What RFC 4285 section 5 says of where these options stand, and each one's data."""
    places = [place for place, option in enumerate(found["options"]) if option["type"] == 9]
    subtypes = [found["options"][place].get("subtype") for place in places]
    if subtypes not in ([], [1], [2], [1, 2]):
        faults.append(f"authentication: subtypes {subtypes}")
    if 2 in subtypes and found["type"] != 5:
        faults.append("authentication: MN-AAA in a message that is no update")
    if places and places[-1] != len(found["options"]) - 1:
        faults.append("authentication: not the last option")
    for place in places:
        option = found["options"][place]
        if address is not None and "spi" in option:
            option["authentic"] = authentic(message, option, address, keys)


def decode(message, source=None, destination=None, keys=None):
    faults = []
    if len(message) < 8 or len(message) != (message[1] + 1) * 8:
        faults.append(f"{len(message)} octets do not fit the header length")
        return {"faults": faults}
    if message[0] != 59:
        faults.append(f"payload proto {message[0]}")
    if message[3]:
        faults.append("the reserved octet of the header is not zero")
    if source is not None:
        ends = [ipaddress.IPv6Address(end).packed for end in (source, destination)]
        pseudo = b"".join(ends) + struct.pack(">II", len(message), 135)
        if octets_sum(pseudo + message) != 0xFFFF:
            faults.append("the checksum is wrong")
    found = {"type": message[2]}

    def number(at, octets=2):
        return int.from_bytes(message[at:at + octets], "big")

    if message[2] == 5:
        found["sequence"] = number(6)
        found["flags"] = letters(number(8), 16, UPDATE_FLAGS, faults)
        found["lifetime"] = number(10)
        found["options"] = options(message, 12, faults)
    elif message[2] == 6:
        found["status"] = message[6]
        found["flags"] = letters(message[7], 8, ACKNOWLEDGEMENT_FLAGS, faults)
        found["sequence"] = number(8)
        found["lifetime"] = number(10)
        found["options"] = options(message, 12, faults)
    elif message[2] == 13:
        if message[6]:
            faults.append("heartbeat: a reserved field is not zero")
        found["flags"] = letters(message[7], 2, HEARTBEAT_FLAGS, faults)
        found["sequence"] = number(8, 4)
        found["options"] = options(message, 12, faults)
    elif message[2] == 16:
        found["revocation"] = message[6]
        found[{1: "trigger", 2: "status"}.get(message[6], "octet")] = message[7]
        found["sequence"] = number(8)
        found["flags"] = letters(number(10), 16, REVOCATION_FLAGS, faults)
        found["options"] = options(message, 12, faults)
    if "options" in found:
        address = source and care_of(message[2], message[6], source, destination)
        authentication(message, found, address, keys or {}, faults)
    found["faults"] = faults
    return found


def captured(path):
    """The Mobility Headers of a capture, as tcpdump writes it: those that stand right behind an IPv6 header,
    in frames of Ethernet."""
    with open(path, "rb") as file:
        data = file.read()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    at = 24
    while at + 16 <= len(data):
        seconds, fraction, length = struct.unpack_from(order + "III", data, at)
        frame = data[at + 16:at + 16 + length]
        at += 16 + length
        if frame[12:14] != b"\x86\xdd" or frame[20:21] != b"\x87":
            continue
        end = 54 + int.from_bytes(frame[18:20], "big")
        yield seconds + fraction / 1e6, v6(frame[22:38]), v6(frame[38:54]), frame[54:end]


def key(text):
    spi, secret, *rest = text.split(":")
    return int(spi), (bytes.fromhex(secret), rest[0] if rest else "sha1")


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--key", type=key, action="append", default=[])
    words.add_argument("--capture")
    words = words.parse_args()
    keys = dict(words.key)
    if words.capture:
        for time, source, destination, message in captured(words.capture):
            found = decode(message, source, destination, keys)
            print(json.dumps({"time": time, "from": source, "to": destination, **found}))
        return
    for line in sys.stdin:
        message, *ends = line.split()
        print(json.dumps(decode(bytes.fromhex(message), *ends, keys=keys)))


main()
