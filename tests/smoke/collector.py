#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""collector.py ipfix|syslog udp|tcp PORT FILE - a collector of logs, written by the RFCs alone: each record becomes an object of JSON, a line
each, in FILE. What is not as the RFC has it becomes {"wrong": why}. Ends when it is told to."""
import ipaddress
import json
import re
import socket
import struct
import sys

# IANA's information elements, those that are looked for here.
ELEMENTS = {
    4: "protocolIdentifier", 7: "sourceTransportPort", 8: "sourceIPv4Address", 11: "destinationTransportPort", 12: "destinationIPv4Address", 144: "exportingProcessId", 166: "notSentFlowTotalCount",
    225: "postNATSourceIPv4Address", 226: "postNATDestinationIPv4Address", 228: "postNAPTDestinationTransportPort", 227: "postNAPTSourceTransportPort", 230: "natEvent", 283: "natPoolId", 323: "observationTimeMilliseconds",
    361: "portRangeStart", 362: "portRangeEnd", 363: "portRangeStepSize", 364: "portRangeNumPorts", 463: "natInstanceID",
    466: "natQuotaExceededEvent", 467: "natThresholdEvent", 471: "maxSessionEntries", 472: "maxBIBEntries", 473: "maxEntriesPerUser", 474: "maxSubscribers",
    476: "addressPoolHighThreshold", 477: "addressPoolLowThreshold", 478: "addressPortMappingHighThreshold", 481: "globalAddressMappingHighThreshold",
}
SYSLOG = re.compile(r"<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) - (.*)\Z")


class Wrong(Exception):
    pass


class Ipfix:
    """One exporter's messages (RFC 7011)."""

    def __init__(self):
        self.templates = {}
        self.expected = None

    def template(self, data, options):
        at = 0
        while len(data) - at >= 4:
            number, count = struct.unpack_from(">HH", data, at)
            at += 4
            if number < 256:
                raise Wrong(f"template {number}")
            if options:
                scope, = struct.unpack_from(">H", data, at)
                at += 2
                if not 0 < scope <= count:
                    raise Wrong(f"{scope} fields of scope")
            fields = [struct.unpack_from(">HH", data, at + 4 * i) for i in range(count)]
            at += 4 * count
            self.templates[number] = fields
        if any(data[at:]):
            raise Wrong("bytes behind the last template")

    def records(self, number, data):
        if number not in self.templates:
            raise Wrong(f"no template {number}")
        fields = self.templates[number]
        size = sum(length for _, length in fields)
        for at in range(0, len(data) - size + 1, size):
            record, place = {"template": number}, at
            for element, length in fields:
                value = int.from_bytes(data[place:place + length], "big")
                name = ELEMENTS.get(element, str(element))
                record[name] = str(ipaddress.IPv4Address(value)) if name.endswith("IPv4Address") else value
                place += length
            yield record
        if any(data[len(data) - len(data) % size:]):
            raise Wrong("bytes behind the last record")

    def message(self, data):
        version, length, when, sequence, domain = struct.unpack_from(">HHIII", data)
        if version != 10 or length != len(data):
            raise Wrong(f"version {version}, length {length} of {len(data)}")
        if self.expected is not None and sequence != self.expected:
            yield {"missing": (sequence - self.expected) % 2**32}
        self.expected = sequence
        at = 16
        while at < length:
            number, size = struct.unpack_from(">HH", data, at)
            if size < 4 or at + size > length:
                raise Wrong(f"set of {size} bytes")
            body = data[at + 4:at + size]
            at += size
            if number in (2, 3):
                self.template(body, number == 3)
                yield {"templates": len(self.templates)}
                continue
            for record in self.records(number, body):
                self.expected = (self.expected + 1) % 2**32
                yield {**record, "domain": domain, "exported": when}

    @staticmethod
    def cut(data):
        """The first whole message of a stream, and the rest."""
        length = int.from_bytes(data[2:4], "big") if len(data) >= 4 else 0
        return (data[:length], data[length:]) if 16 <= length <= len(data) else (None, data)


class Syslog:
    """One sender's messages (RFC 5424); in a stream with their lengths (RFC 6587)."""

    @staticmethod
    def message(data):
        parts = SYSLOG.match(data.decode("ascii"))
        if not parts:
            raise Wrong(f"no message of syslog: {data}")
        names = "priority", "time", "host", "program", "process", "event"
        yield {**dict(zip(names, parts.groups())), **dict(word.split("=", 1) for word in parts[7].split(" "))}

    @staticmethod
    def cut(data):
        length, blank, rest = data.partition(b" ")
        if not blank or len(rest) < int(length):
            return None, data
        return rest[:int(length)], rest[int(length):]


KINDS = {"ipfix": Ipfix, "syslog": Syslog}


def write(file, exporter, message):
    try:
        for record in exporter.message(message):
            file.write(json.dumps(record) + "\n")
    except (Wrong, ValueError, struct.error) as error:
        file.write(json.dumps({"wrong": str(error)}) + "\n")
    file.flush()


def stream(file, exporter, client):
    data = b""
    while received := client.recv(65536):
        data += received
        message, data = exporter.cut(data)
        while message:
            write(file, exporter, message)
            message, data = exporter.cut(data)


def main():
    kind, transport, port, path = sys.argv[1:]
    server = socket.socket(type=socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", int(port)))
    exporter = KINDS[kind]()
    with open(path, "a", encoding="ascii") as file:
        if transport == "udp":
            while True:
                write(file, exporter, server.recv(65536))
        server.listen()
        while True:
            client, _ = server.accept()
            stream(file, KINDS[kind](), client)


main()
