#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Sockets in several machines (network namespaces) at once, for the smoke tests.

A socket stays in the namespace where it was made, so one process can hold both ends of everything that crosses the
NAT: a server is there before its client speaks, and no test needs to guess how long something takes.

As a program: net.py web PORT     a web server, on all addresses of its namespace:
                                      GET /       "ADDRESS PORT" of the client, as seen here
                                      GET /N      N bytes
                                      PUT         "ADDRESS PORT SHA256" of the client and of what it sent
              net.py bytes N      what GET /N sends
"""
import ctypes
import errno
import hashlib
import os
import select
import socket
import struct
import sys
import time

KN = os.environ.get("KN", "kn")
SLOW = float(os.environ.get("SLOW", "1"))
PATIENCE = 5 * SLOW    # for what must come
SILENCE = 0.3 * SLOW   # for what must not
IP_RECVERR, IP_MTU_DISCOVER, SO_NO_CHECK, IP_MTU = 11, 10, 11, 14
PMTU_DONT, PMTU_DO = 0, 2
WAN = "198.51.100.2"
libc = ctypes.CDLL(None, use_errno=True)


def enter(machine):
    """From here on, new sockets are this machine's."""
    with open(f"/run/netns/{KN}-{machine}") as ns:
        if libc.setns(ns.fileno(), 0x40000000):
            raise OSError(ctypes.get_errno(), f"setns to {machine}")


def udp(machine, address="0.0.0.0", port=0):
    enter(machine)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(PATIENCE)
    s.bind((address, port))
    return s


def tcp(machine, address="0.0.0.0", port=0):
    """Not connected. Its port may be shared, so that one can connect from it and listen at it."""
    enter(machine)
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(PATIENCE)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind((address, port))
    return s


def listener(machine, address, port):
    s = tcp(machine, address, port)
    s.listen(64)
    return s


def connect(machine, address, port, to):
    s = tcp(machine, address, port)
    s.connect(to)
    return s


def raw(machine, protocol, address="0.0.0.0"):
    """Receives IP header and all; sends what is put behind one."""
    enter(machine)
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
    s.settimeout(PATIENCE)
    s.bind((address, 0))
    return s


def arrives(sock, payload=None, patience=None):
    """Where the datagram came from that this socket gets (with this payload; others are read and forgotten), or None."""
    until = time.monotonic() + (PATIENCE if patience is None else patience)
    while (left := until - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            data, peer = sock.recvfrom(65536)
        except (socket.timeout, BlockingIOError):
            break
        except OSError as e:
            if e.errno not in (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.EMSGSIZE):
                raise
            continue
        if payload is None or data == payload:
            return peer
    return None


number = 0


def fresh():
    """A payload that no other datagram has."""
    global number
    number += 1
    return b"datagram %d of %d" % (number, os.getpid())


def sends(source, server, to):
    """What the server sees as the source of a datagram, or None if it does not get it."""
    payload = fresh()
    source.sendto(payload, to)
    return arrives(server, payload)


def reaches(source, target, to):
    """Does a datagram from this socket to this address get to the target?"""
    payload = fresh()
    source.sendto(payload, to)
    return arrives(target, payload) is not None


def kept_out(source, target, to):
    """Nothing arrives. Long enough a wait is not knowable; so a look, and no more."""
    payload = fresh()
    source.sendto(payload, to)
    return arrives(target, payload, SILENCE) is None


def error_of(sock):
    """(type, code, who, mtu, data): the next ICMP error about what this socket sent; needs IP_RECVERR on it. Or None."""
    poll = select.poll()
    poll.register(sock, 0)
    if not poll.poll(PATIENCE * 1000):
        return None
    data, control, _, _ = sock.recvmsg(2048, 512, socket.MSG_ERRQUEUE)
    for level, kind, value in control:
        if level == socket.IPPROTO_IP and kind == IP_RECVERR:
            _, origin, icmp_type, code, _, info, _ = struct.unpack("IBBBBII", value[:16])
            who = socket.inet_ntoa(value[20:24]) if origin == 2 else None
            return icmp_type, code, who, info, data
    return None


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data[: len(data) & ~1])) + (data[-1] << 8 if len(data) & 1 else 0)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def talk(client, server):
    """Both directions of a TCP connection work."""
    for a, b in (client, server), (server, client):
        payload = fresh()
        a.sendall(payload)
        if b.recv(len(payload), socket.MSG_WAITALL) != payload:
            return False
    return True


def check(name, good, *notes):
    print("ok" if good else "not ok", name)
    if not good:
        for line in notes:
            print("#", line)
    sys.stdout.flush()
    return good


def equal(name, got, wanted):
    return check(name, got == wanted, f"got:    {got}", f"wanted: {wanted}")


def body(size):
    """Not periodic in any power of two, so that a segment in the wrong place is noticed."""
    pattern = bytes(i * 7 & 255 for i in range(65521))
    return (pattern * (size // len(pattern) + 1))[:size]


def web(port):
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        def answer(self, data):
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def who(self):
            return "%s %d" % self.client_address

        def do_GET(self):
            size = self.path[1:]
            self.answer(body(int(size)) if size.isdigit() else f"{self.who()}\n".encode())

        def do_PUT(self):
            left, digest = int(self.headers["Content-Length"]), hashlib.sha256()
            while left and (data := self.rfile.read(min(left, 1 << 20))):
                digest.update(data)
                left -= len(data)
            self.answer(f"{self.who()} {digest.hexdigest()}\n".encode())

        def log_message(self, *_):
            pass

    ThreadingHTTPServer.request_queue_size = 64
    ThreadingHTTPServer(("", port), Handler).serve_forever()


if __name__ == "__main__":
    if sys.argv[1:2] == ["web"]:
        web(int(sys.argv[2]))
    elif sys.argv[1:2] == ["bytes"]:
        sys.stdout.buffer.write(body(int(sys.argv[2])))
    else:
        sys.exit(__doc__)
