#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""steady.py FLOWS FILE: so many flows of UDP and, one for ten of them, connections of TCP, from h1 to s2, that never rest.

Each has one message on its way, there and back; what does not come back in time is lost. Ends when the file is there, and
prints {"sent", "lost", "moved", "broken"}: messages of UDP, those that were lost, flows that were seen from another outside endpoint than
at first, connections that ended or changed a byte.
"""
import json
import os
import select
import socket
import struct
import sys
import time

from net import SLOW, connect, enter, listener, udp

FLOWS, END = int(sys.argv[1]), sys.argv[2]
SERVER, PORT, BASE = "203.0.113.2", 4000, 20000
LATE = 5 * SLOW


class Flow:
    """One of UDP: the number of the message on its way, and when it went."""

    def __init__(self, number):
        self.socket = udp("h1", "10.0.0.11", BASE + number)
        self.socket.setblocking(False)
        self.count, self.went, self.seen, self.late = 0, 0.0, None, 0

    def send(self, now):
        self.count += 1
        self.went, self.late = now, 0
        self.socket.sendto(struct.pack("!IQ", FLOWS_BY_PORT[self.socket.getsockname()[1]], self.count), (SERVER, PORT))


class Connection:
    """One of TCP: what it sent last must come back as it is."""

    def __init__(self, listening):
        self.client = connect("h1", "10.0.0.11", 0, (SERVER, PORT))
        self.server, _ = listening.accept()
        self.count, self.buffer, self.broken = 0, b"", False
        for one in (self.client, self.server):
            one.setblocking(False)

    def send(self):
        self.count += 1
        self.client.send(struct.pack("!Q", self.count))


FLOWS_BY_PORT = {BASE + number: number for number in range(FLOWS)}
totals = {"sent": 0, "lost": 0, "moved": 0, "broken": 0}
server = udp("s2", SERVER, PORT)
server.setblocking(False)
for which in (socket.SO_RCVBUF, socket.SO_SNDBUF):
    server.setsockopt(socket.SOL_SOCKET, which, 1 << 22)
flows = [Flow(number) for number in range(FLOWS)]
listening = listener("s2", SERVER, PORT)
connections = [Connection(listening) for _ in range(FLOWS // 10)]
enter("h1")
poll = select.epoll()
poll.register(server, select.EPOLLIN)
owners = {}
for flow in flows:
    poll.register(flow.socket, select.EPOLLIN)
    owners[flow.socket.fileno()] = flow
for connection in connections:
    for end in (connection.client, connection.server):
        poll.register(end, select.EPOLLIN)
        owners[end.fileno()] = connection


def serve():
    try:
        while True:
            data, peer = server.recvfrom(64)
            flow = flows[struct.unpack("!IQ", data)[0]]
            if flow.seen is None:
                flow.seen = peer
            elif flow.seen != peer:
                totals["moved"] += 1
                flow.seen = peer
            server.sendto(data, peer)
    except BlockingIOError:
        pass


def answer(flow, now):
    try:
        while True:
            if struct.unpack("!IQ", flow.socket.recv(64))[1] == flow.count:
                totals["sent"] += 1
                flow.send(now)
    except BlockingIOError:
        pass


def stream(connection, number):
    try:
        if number == connection.server.fileno():
            data = connection.server.recv(64)
            connection.server.send(data)
        else:
            data = connection.client.recv(64)
            connection.buffer += data
            if len(connection.buffer) == 8:
                connection.broken |= struct.unpack("!Q", connection.buffer)[0] != connection.count
                connection.buffer = b""
                connection.send()
        connection.broken |= not data
    except BlockingIOError:
        return
    except OSError:
        connection.broken = True
    if connection.broken:
        for one in (connection.client, connection.server):
            poll.unregister(one)


for flow in flows:
    flow.send(time.monotonic())
for connection in connections:
    connection.send()
looked = 0.0
print("steady", flush=True)
while True:
    for number, _ in poll.poll(0.5):
        one = owners.get(number)
        if number == server.fileno():
            serve()
        elif isinstance(one, Flow):
            answer(one, time.monotonic())
        elif not one.broken:
            stream(one, number)
    now = time.monotonic()
    if now - looked < 0.2:
        continue
    looked = now
    for flow in flows:
        # Had we been asleep ourselves, it would lie in a socket, and be read in a round or two.
        flow.late += now - flow.went > LATE
        if flow.late < 5:
            continue
        print(f"{time.strftime('%H:%M:%S', time.gmtime())}: flow {flow.socket.getsockname()[1]}: message {flow.count} is lost, after {now - flow.went:.1f} s", flush=True)
        totals["sent"] += 1
        totals["lost"] += 1
        flow.send(now)
    if os.path.exists(END):
        break
totals["lost"] += sum(not flow.seen for flow in flows)
totals["broken"] = sum(connection.broken or connection.count < 2 for connection in connections)
print(json.dumps(totals), flush=True)
