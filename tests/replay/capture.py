# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""capture.py IN OUT: a capture for `keepnat replay`, and what must come of it, worked out here from the words of each packet.

The configuration is that of replay.test: inside 10.0.0.0/24, outside 198.51.100.1, port 8080 to 10.0.0.50:80. Ports are kept.
"""
import socket
import struct
import sys

ETHERNET = bytes.fromhex("020000000001020000000002")
OUT = "198.51.100.1"
REMOTE = "203.0.113.9"


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(protocol, source, target, payload, ident, flags=0x4000):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), ident, flags, 64, protocol, 0,
                       socket.inet_aton(source), socket.inet_aton(target))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def pseudo(protocol, source, target, payload):
    return socket.inet_aton(source) + socket.inet_aton(target) + struct.pack("!BBH", 0, protocol, len(payload)) + payload


def udp(source, target, data=b"hello", ident=1):
    body = struct.pack("!HHHH", source[1], target[1], 8 + len(data), 0) + data
    check = checksum(pseudo(17, source[0], target[0], body)) or 0xffff
    return ipv4(17, source[0], target[0], body[:6] + struct.pack("!H", check) + body[8:], ident)


def tcp(source, target, flags, sequence=100, ident=2):
    body = struct.pack("!HHIIBBHHH", source[1], target[1], sequence, 0, 0x50, flags, 4096, 0, 0)
    check = checksum(pseudo(6, source[0], target[0], body))
    return ipv4(6, source[0], target[0], body[:16] + struct.pack("!H", check) + body[18:], ident)


def ping(kind, source, target, identifier, ident=3):
    body = struct.pack("!BBHHH", kind, 0, 0, identifier, 1) + b"ping"
    return ipv4(1, source, target, body[:2] + struct.pack("!H", checksum(body)) + body[4:], ident)


def frame(packet, kind=0x0800):
    return ETHERNET + struct.pack("!H", kind) + packet


def write(path, records):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, 262144, 1))
        for seconds, nanoseconds, data, whole in records:
            file.write(struct.pack("<IIII", seconds, nanoseconds, len(data), whole) + data)


def main():
    inside, remote = ("10.0.0.5", 40000), (REMOTE, 53)
    outside = (OUT, 40000)
    steps = [  # (seconds, what is captured, what must come of it or None)
        (0, udp(inside, remote), udp(outside, remote)),
        (1, udp(remote, outside, b"answer"), udp(remote, inside, b"answer")),
        (2, udp(("203.0.113.77", 7), (OUT, 40001)), None),
        (3, tcp(("10.0.0.5", 40002), (REMOTE, 80), 2), tcp((OUT, 40002), (REMOTE, 80), 2)),
        (3, tcp((REMOTE, 80), (OUT, 40002), 0x12), tcp((REMOTE, 80), ("10.0.0.5", 40002), 0x12)),
        (4, tcp((REMOTE, 5555), (OUT, 8080), 2), tcp((REMOTE, 5555), ("10.0.0.50", 80), 2)),
        (4, tcp(("10.0.0.50", 80), (REMOTE, 5555), 0x12), tcp((OUT, 8080), (REMOTE, 5555), 0x12)),
        (5, ping(8, "10.0.0.5", REMOTE, 77), ping(8, OUT, REMOTE, 77)),
        (5, ping(0, REMOTE, OUT, 77), ping(0, REMOTE, "10.0.0.5", 77)),
        # Six minutes later the mapping of UDP has ended (300 s), and nobody hears this.
        (366, udp(remote, outside, b"late"), None),
        # It begins again; its port rested for it alone.
        (367, udp(inside, remote, b"again"), udp(outside, remote, b"again")),
    ]
    before, after = [], []
    for seconds, packet, result in steps:
        at = (1700000000 + seconds, 123456789)
        before.append((*at, frame(packet), len(frame(packet))))
        if result:
            after.append((*at, frame(result), len(frame(result))))
    # ARP stays as it is; of a long packet only the headers were captured.
    arp = frame(b"\0" * 28, 0x0806)
    end = (1700000400, 5)
    before.append((*end, arp, len(arp)))
    after.append((*end, arp, len(arp)))
    long, longer = (frame(udp(source, remote, b"x" * 1000)) for source in (inside, outside))
    before.append((*end, long[:60], len(long)))
    after.append((*end, longer[:60], len(longer)))
    write(sys.argv[1], before)
    write(sys.argv[2], after)


main()
