#!/usr/bin/env python3
"""Decodes mobility messages from the figures of the RFCs alone, for what tshark cannot.

Written from the figures before the encoder that it judges was there, and it shares nothing with it:
the two agree only where both read a figure alike. Standard input holds one Mobility Header a line, in hexadecimal; standard output gets one
JSON object a line:

    {"type": 5, "flags": "AP", "options": [{"type": 68, "offset": 14, ...}], "faults": []}

Offsets count from the first octet of the Mobility Header. `faults` tells what a figure forbids:
a length, an alignment, an octet of a reserved field or of padding that is not zero.
"""
import ipaddress
import json
import sys

# Flag letters from the top bit down: RFC 8885 section 4.1 and 4.2; RFC 7161 gave S.
UPDATE_FLAGS = "AHLKMRPFTBSD"
ACKNOWLEDGEMENT_FLAGS = "KRPTBSD"


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
            elif width == 1:
                found[field] = octets[0]
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


# RFC 8885 sections 4.3 to 4.8.
FIGURES = {
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


def decode(message):
    faults = []
    if len(message) < 8 or len(message) != (message[1] + 1) * 8:
        faults.append(f"{len(message)} octets do not fit the header length")
        return {"faults": faults}
    if message[0] != 59:
        faults.append(f"payload proto {message[0]}")
    if message[3]:
        faults.append("the reserved octet of the header is not zero")
    found = {"type": message[2]}

    def number(at):
        return int.from_bytes(message[at:at + 2], "big")

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
    found["faults"] = faults
    return found


def main():
    for line in sys.stdin:
        print(json.dumps(decode(bytes.fromhex(line.strip()))))


main()
