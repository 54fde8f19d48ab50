#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Write the seeds of the packet fuzzer: packet_corpus.py FOLDER

Inputs of tests/fuzz/packet.c (format: packet_format.h). Each seed is a short conversation, so that mappings exist, and one
packet with one header field out of range; or a conversation of one kind. The seeds are committed in corpus/packet/; what
this prints must be what is there (tests/house/corpus.test).
"""
import os
import struct
import sys

OUT, IN, HAIRPIN, EVENT = range(4)
ETHERNET, LOCAL = 4, 8
SWEEP, RESET, ADDRESS, HAIRPIN_SWITCH = range(4)
EIF, ADF, EDF = range(3)
NETWORKS, TWO_ADDRESSES, FEW_PORTS, PARITY, MSS = 4, 8, 16, 32, 64
ICMP, TCP, UDP = 1, 6, 17
HOST, HOST2 = 0xc0a80001, 0xc0a80002
OUTSIDE, OUTSIDE2 = 0xc6336401, 0xc6336402
REMOTE, REMOTE2 = 0xcb007101, 0xcb007102
FIN, SYN, RST, ACK = 1, 2, 4, 16


def checksum(data):
    data += b'\0' * (len(data) % 2)
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return 0xffff - total


def ip(protocol, source, target, payload, options=b'', ident=1, fragment=0, ttl=64):
    words = 5 + len(options) // 4
    head = struct.pack('!BBHHHBBHII', 0x40 | words, 0, words * 4 + len(payload), ident, fragment, ttl, protocol, 0, source,
                       target) + options
    return head[:10] + struct.pack('!H', checksum(head)) + head[12:] + payload


def pseudo(protocol, source, target, length):
    return struct.pack('!IIBBH', source, target, 0, protocol, length)


def udp(source, sport, target, dport, data=b'question', check=True, **kw):
    body = struct.pack('!HHHH', sport, dport, 8 + len(data), 0) + data
    total = (checksum(pseudo(UDP, source, target, len(body)) + body) or 0xffff) if check else 0
    return ip(UDP, source, target, body[:6] + struct.pack('!H', total) + body[8:], **kw)


def tcp(source, sport, target, dport, flags, data=b'', offset=5, tcp_options=b'', **kw):
    options = tcp_options or b'\1' * (offset - 5) * 4
    offset = 5 + len(options) // 4
    body = struct.pack('!HHIIBBHHH', sport, dport, 1, 0, offset << 4, flags, 0xffff, 0, 0) + options + data
    total = checksum(pseudo(TCP, source, target, len(body)) + body)
    return ip(TCP, source, target, body[:16] + struct.pack('!H', total) + body[18:], **kw)


def icmp(source, target, kind, code, rest, data=b'', **kw):
    body = struct.pack('!BBHI', kind, code, 0, rest) + data
    return ip(ICMP, source, target, body[:2] + struct.pack('!H', checksum(body)) + body[4:], **kw)


def echo(source, target, ident, reply=False):
    return icmp(source, target, 0 if reply else 8, 0, ident << 16 | 1, b'ping ping')


def error(source, target, quoted, kind=3, code=3, rest=0, **kw):
    return icmp(source, target, kind, code, rest, quoted, **kw)


def put(packet, offset, value, size, mask=None):
    """One field set; the header checksum is left as it was."""
    was = int.from_bytes(packet[offset:offset + size], 'big')
    mask = (1 << 8 * size) - 1 if mask is None else mask
    return packet[:offset] + ((was & ~mask) | (value & mask)).to_bytes(size, 'big') + packet[offset + size:]


def record(what, packet, flags=ETHERNET, wait=0):
    """wait: 2^wait - 1 seconds pass before."""
    return struct.pack('<BH', what | flags | wait << 4, len(packet)) + packet


def event(what, argument=0, wait=0):
    return struct.pack('<BH', EVENT | wait << 4, what | argument << 4)


def seed(*records, settings=EIF | NETWORKS | PARITY):
    return bytes([settings]) + b''.join(records)


OPENING = (record(OUT, udp(HOST, 5000, REMOTE, 53)), record(OUT, tcp(HOST, 5000, REMOTE, 80, SYN)),
           record(OUT, echo(HOST, REMOTE, 5000)))

OUT_PACKETS = {
    'udp': udp(HOST, 5000, REMOTE, 53),
    'tcp': tcp(HOST, 5000, REMOTE, 80, ACK, b'data', offset=6),
    'echo': echo(HOST, REMOTE, 5000),
    'error': error(HOST, REMOTE, udp(REMOTE, 53, HOST, 5000)),
}
IN_PACKETS = {
    'udp': udp(REMOTE, 53, OUTSIDE, 5000),
    'tcp': tcp(REMOTE, 80, OUTSIDE, 5000, SYN | ACK, b'data', offset=6),
    'echo': echo(REMOTE, OUTSIDE, 5000, reply=True),
    'error': error(REMOTE, OUTSIDE, udp(OUTSIDE, 5000, REMOTE, 53)),
    'error_tcp': error(REMOTE, OUTSIDE, tcp(OUTSIDE, 5000, REMOTE, 80, SYN), kind=11, code=0),
    'error_echo': error(REMOTE, OUTSIDE, echo(OUTSIDE, REMOTE, 5000), kind=12, code=0),
}

# name, offset, bytes, mask, values: of the IP header, and of an ICMP error's quoted one
IP_FIELDS = (
    ('version', 0, 1, 0xf0, (0x00, 0x50, 0x60, 0xf0)),
    ('ihl', 0, 1, 0x0f, (0, 1, 4, 6, 15)),
    ('length', 2, 2, None, (0, 1, 19, 20, 27, 0x7fff, 0xffff)),
    ('fragment', 6, 2, None, (0x2000, 0x0001, 0x0002, 0x2001, 0x1fff, 0x3fff, 0x8000)),
    ('ttl', 8, 1, None, (0, 1, 255)),
    ('protocol', 9, 1, None, (0, 2, 41, 47, 50, 58, 255)),
    ('source', 12, 4, None, (0, 0x7f000001, 0xffffffff, 0xe0000001, OUTSIDE)),
    ('target', 16, 4, None, (0, 0x7f000001, 0xffffffff, 0xe0000001, HOST)),
)
TRANSPORT_FIELDS = {
    'udp': (('sport', 0, 2, None, (0, 1, 0xffff)), ('dport', 2, 2, None, (0, 0xffff)),
            ('length', 4, 2, None, (0, 7, 8, 17, 0xffff)), ('check', 6, 2, None, (0, 0xffff))),
    'tcp': (('sport', 0, 2, None, (0, 0xffff)), ('offset', 12, 1, 0xf0, (0x00, 0x40, 0x50, 0x70, 0x80, 0xf0)),
            ('flags', 13, 1, None, (0, 1, 4, 6, 0x29, 0xff)), ('check', 16, 2, None, (0, 0xffff))),
    'echo': (('type', 0, 1, None, (0, 3, 4, 5, 8, 11, 12, 13, 14, 15, 17, 18, 40, 255)), ('check', 2, 2, None, (0, 0xffff)),
             ('identifier', 4, 2, None, (0, 0xffff))),
}
TRANSPORT_FIELDS['error'] = TRANSPORT_FIELDS['error_tcp'] = TRANSPORT_FIELDS['error_echo'] = (
    ('type', 0, 1, None, (0, 4, 5, 8, 255)), ('code', 1, 1, None, (4, 255)))


def bent(packets, hook):
    """Each packet with each header field out of range."""
    for name, packet in packets.items():
        kind = name.split('_')[0]
        places = [('ip', 0, IP_FIELDS), (kind, 20, TRANSPORT_FIELDS[name])]
        if kind == 'error':
            quoted = {'error': 'udp', 'error_tcp': 'tcp', 'error_echo': 'echo'}[name]
            places += [('quoted-ip', 28, IP_FIELDS), ('quoted-' + quoted, 48, TRANSPORT_FIELDS[quoted])]
        for place, base, fields in places:
            for field, offset, size, mask, values in fields:
                if base + offset + size > len(packet):
                    continue
                records = [record(hook, put(packet, base + offset, v, size, mask), ETHERNET if i % 2 else 0)
                           for i, v in enumerate(values)]
                yield f'{place}-{field}', records


def cut(packet, quoted):
    """Cut at every byte: told by the length field, and not; of an error from the quote on."""
    for length in range(28 if quoted else 0, len(packet)):
        short = packet[:length]
        yield record(IN, short, 0)
        if length >= 20:
            yield record(IN, put(short, 2, length, 2), 0)
            yield record(IN, put(packet, 2, length, 2))


def seeds():
    for way, packets in (('out', OUT_PACKETS), ('in', IN_PACKETS)):
        for name in packets:
            rows = {}
            for field, records in bent({name: packets[name]}, OUT if way == 'out' else IN):
                rows.setdefault(field.rsplit('-', 1)[0], []).extend(records)
            for place, records in rows.items():
                yield f'{way}-{name}-{place}', seed(*OPENING, *records)
    for name, packet in IN_PACKETS.items():
        yield f'cut-{name}', seed(*OPENING, *cut(packet, name.startswith('error')))

    options = [record(OUT, udp(HOST, 5000, REMOTE, 53, options=b'\1' * 4 * n)) for n in range(11)]
    yield 'options-every-length', seed(*options)
    yield 'options-in-quote', seed(*OPENING, *[
        record(IN, error(REMOTE, OUTSIDE, udp(OUTSIDE, 5000, REMOTE, 53, options=b'\1' * 4 * n), options=b'\1' * 4 * (10 - n)))
        for n in range(11)])
    yield 'padding-behind', seed(*OPENING, *[record(IN, p + b'\xaa' * 20) for p in IN_PACKETS.values()])
    yield 'quote-in-padding', seed(*OPENING, *[
        record(IN, put(IN_PACKETS[n], 2, length, 2) + b'\x55' * 8) for n in ('error', 'error_tcp') for length in (28, 47, 55, 56)])

    yield 'conversation-tcp', seed(
        record(OUT, tcp(HOST, 5000, REMOTE, 80, SYN)), record(IN, tcp(REMOTE, 80, OUTSIDE, 5000, SYN | ACK)),
        record(OUT, tcp(HOST, 5000, REMOTE, 80, ACK, b'GET /')), record(IN, tcp(REMOTE, 80, OUTSIDE, 5000, FIN | ACK)),
        record(OUT, tcp(HOST, 5000, REMOTE, 80, FIN | ACK)), event(SWEEP, wait=9),
        record(OUT, tcp(HOST, 5000, REMOTE, 80, SYN)), record(IN, tcp(REMOTE, 80, OUTSIDE, 5000, RST)))
    sizes = (b'\2\4\5\xb4', b'\1\2\4\5\xb4\0\0\0', b'\3\3\7\2\4\xff\xff\0', b'\2\4\0\1', b'\2\3\5\xb4', b'\1\1\2\4', b'\10\0\2\4\5\xb4\0\0')
    for times in 1, 2, 3:
        yield f'mss-{times}', seed(
            *[record(OUT, tcp(HOST, 5000 + n, REMOTE, 80, SYN, tcp_options=o)) for n, o in enumerate(sizes)],
            *[record(IN, tcp(REMOTE, 80, OUTSIDE, 5000 + n, SYN | ACK, tcp_options=o)) for n, o in enumerate(sizes)],
            record(HAIRPIN, tcp(HOST2, 6000, OUTSIDE, 5000, SYN, tcp_options=sizes[0])), settings=EIF | NETWORKS | MSS * times)
    for filtering, name in enumerate(('eif', 'adf', 'edf')):
        yield f'filtering-{name}', seed(
            record(OUT, udp(HOST, 5000, REMOTE, 53)), record(IN, udp(REMOTE, 53, OUTSIDE, 5000)),
            record(IN, udp(REMOTE, 54, OUTSIDE, 5000)), record(IN, udp(REMOTE2, 53, OUTSIDE, 5000)),
            record(IN, udp(REMOTE, 53, OUTSIDE, 5000, check=False)), event(SWEEP, wait=8),
            record(IN, udp(REMOTE, 53, OUTSIDE, 5000)), event(SWEEP, wait=9), record(IN, udp(REMOTE, 53, OUTSIDE, 5000)),
            settings=filtering | PARITY)
    yield 'hairpin', seed(
        record(OUT, udp(HOST, 5000, REMOTE, 53)), record(HAIRPIN, udp(HOST2, 6000, OUTSIDE, 5000)),
        record(HAIRPIN, udp(HOST, 5000, OUTSIDE, 6000)), record(HAIRPIN, udp(HOST, 5000, OUTSIDE, 5000)),
        record(HAIRPIN, udp(HOST2, 6000, OUTSIDE, 5000, ttl=1)), record(HAIRPIN, echo(HOST2, OUTSIDE, 7)),
        record(HAIRPIN, error(HOST, OUTSIDE, udp(OUTSIDE, 6000, HOST, 5000))),
        record(HAIRPIN, tcp(HOST2, 6000, OUTSIDE, 22, SYN)), event(HAIRPIN_SWITCH),
        record(HAIRPIN, udp(HOST2, 6001, OUTSIDE, 5000)), record(HAIRPIN, udp(HOST2, 6001, REMOTE, 5000)))
    yield 'fragments', seed(
        record(OUT, ip(UDP, HOST, REMOTE, udp(HOST, 5000, REMOTE, 53)[20:28] + b'x' * 16, fragment=0x2000)),
        record(OUT, ip(UDP, HOST, REMOTE, b'y' * 24, fragment=0x2003)),
        record(OUT, ip(UDP, HOST, REMOTE, b'z' * 5, fragment=6)), record(OUT, ip(UDP, HOST, REMOTE, b'z', fragment=6), wait=3),
        record(OUT, ip(TCP, HOST, REMOTE, tcp(HOST, 5000, REMOTE, 80, SYN)[20:28], fragment=0x2000)),
        record(OUT, ip(TCP, HOST, REMOTE, b'w' * 16, fragment=1)), record(IN, ip(UDP, REMOTE, OUTSIDE, b'y' * 24, fragment=3)),
        record(OUT, ip(ICMP, HOST, REMOTE, echo(HOST, REMOTE, 5000)[20:36], fragment=0x2000)),
        record(OUT, ip(ICMP, HOST, REMOTE, b'y' * 24, fragment=2)))
    yield 'own', seed(
        record(OUT, udp(OUTSIDE, 5000, REMOTE, 53), LOCAL), record(OUT, udp(HOST, 5000, REMOTE, 53)),
        record(IN, udp(REMOTE, 53, OUTSIDE, 5000)), record(IN, udp(REMOTE, 1, OUTSIDE, 53)),
        record(IN, tcp(REMOTE, 1, OUTSIDE, 22, SYN)), record(OUT, tcp(OUTSIDE, 22, REMOTE, 1, SYN | ACK), LOCAL),
        record(OUT, echo(OUTSIDE, REMOTE, 9), LOCAL), record(IN, echo(REMOTE, OUTSIDE, 9, reply=True)),
        record(IN, echo(REMOTE, OUTSIDE, 9)), record(OUT, echo(OUTSIDE, REMOTE, 9, reply=True), LOCAL),
        record(OUT, error(OUTSIDE, REMOTE, udp(REMOTE, 53, HOST, 5000), kind=11, code=0), LOCAL),
        record(OUT, error(OUTSIDE, REMOTE, udp(REMOTE, 53, OUTSIDE, 99)), LOCAL), record(OUT, udp(0, 68, 0xffffffff, 67), LOCAL))
    yield 'strangers', seed(
        record(IN, udp(REMOTE, 53, HOST, 5000)), record(IN, udp(OUTSIDE, 53, OUTSIDE, 5000)), record(IN, udp(REMOTE, 1, REMOTE2, 1)),
        record(IN, udp(REMOTE, 1, 0xe0000001, 1)), record(OUT, udp(REMOTE2, 1, REMOTE, 1)), record(OUT, udp(OUTSIDE, 1, REMOTE, 1)),
        record(OUT, echo(HOST, REMOTE, 1, reply=True)), record(OUT, ip(47, HOST, REMOTE, b'gre')), record(IN, ip(50, REMOTE, OUTSIDE, b'esp')))
    yield 'ports-few', seed(*[record(OUT, udp(HOST + n, 5000 + n % 3, REMOTE, 53)) for n in range(12)], event(SWEEP, wait=9),
                            *[record(OUT, udp(HOST + n, 80, REMOTE, 53)) for n in range(4)], settings=FEW_PORTS | PARITY)
    yield 'table-full', seed(*[record(OUT, udp(HOST + n % 40, 5000 + n, REMOTE + n, 53)) for n in range(150)])
    yield 'resets', seed(
        *OPENING, event(RESET, 0), record(IN, udp(REMOTE, 53, OUTSIDE, 5000)), *OPENING, event(RESET, 1),
        record(IN, udp(REMOTE, 53, OUTSIDE, 5000)), *OPENING, event(RESET, 2), *OPENING, event(SWEEP, wait=3), *OPENING,
        settings=TWO_ADDRESSES)
    yield 'addresses', seed(
        *OPENING, event(ADDRESS, 0), *OPENING, event(ADDRESS, 1), *OPENING, event(ADDRESS, 0), *OPENING, event(SWEEP, wait=4),
        event(ADDRESS, 1), *OPENING, settings=TWO_ADDRESSES | NETWORKS)
    yield 'empty', bytes([EIF])


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    for name, data in seeds():
        with open(os.path.join(folder, name), 'wb') as out:
            out.write(data)


if __name__ == '__main__':
    main()
