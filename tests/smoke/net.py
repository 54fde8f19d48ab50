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
              net.py hooks DEVICE...    the BPF programs at these devices of this namespace, one a line: "DEVICE HOOK COUNT",
                                  the hook "tcx/ingress" (Linux 6.6 on) or "clsact/egress". bpftool of Debian 12 knows no TCX.
"""
import ctypes
import errno
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


def forge(machine):
    """Sends packets as they are, IP header and all."""
    enter(machine)
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)


def cut(source, to, payload, size, ident, flags=0):
    """The fragments of a UDP datagram between two endpoints, in order."""
    length = 8 + len(payload)
    addresses = socket.inet_aton(source[0]) + socket.inet_aton(to[0])
    head = struct.pack("!HHH", source[1], to[1], length)
    total = checksum(addresses + struct.pack("!BBH", 0, 17, length) + head + b"\0\0" + payload)
    data, pieces = head + struct.pack("!H", total or 0xFFFF) + payload, []
    for at in range(0, length, size):
        more = 0x2000 if at + size < length else 0
        pieces.append(struct.pack("!BBHHHBBH", 0x45, 0, 0, ident, flags | more | at // 8, 64, 17, 0) + addresses +
                      data[at:at + size])
    return pieces


def whole(machine, source, to, sock, order, ident):
    """Fragments of a UDP datagram, made by hand and sent in this order ("210"): does it arrive?"""
    payload, wire = fresh().ljust(1200 * len(set(order)) - 50, b"."), forge(machine)
    pieces = cut(source, to, payload, 1200, ident)
    for i in order:
        wire.sendto(pieces[int(i)], (to[0], 0))
    wire.close()
    return arrives(sock, payload) is not None


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


def web_answer(stream, peer):
    """One request; without http.server, which takes long to start on emulated machines."""
    import hashlib

    method, path, _ = stream.readline().decode().split()
    size, left, digest = path[1:], 0, hashlib.sha256()
    while (line := stream.readline().strip().lower()):
        if line.startswith(b"content-length:"):
            left = int(line.split(b":")[1])
        if line.startswith(b"expect:"):
            stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            stream.flush()
    # Who closes first keeps the port for a minute (TIME-WAIT). Without a length the client cannot: it may use its port again.
    data, length = f"{peer[0]} {peer[1]}\n".encode(), ""
    if size.isdigit():
        data = body(int(size))
        length = f"Content-Length: {len(data)}\r\n"
    if method == "PUT":
        while left and (piece := stream.read(min(left, 1 << 20))):
            digest.update(piece)
            left -= len(piece)
        data = f"{peer[0]} {peer[1]} {digest.hexdigest()}\n".encode()
    stream.write(f"HTTP/1.1 200 OK\r\nConnection: close\r\n{length}\r\n".encode() + data)
    stream.flush()


def web_serve(connection, peer):
    connection.settimeout(10 * PATIENCE)
    with connection, connection.makefile("rwb") as stream:
        web_answer(stream, peer)


def web(port):
    import threading

    gate = socket.create_server(("", port), backlog=64)
    while True:
        threading.Thread(target=web_serve, args=gate.accept(), daemon=True).start()


def tcx_count(ifindex, kind):
    """How many programs a TCX hook has: bpf(BPF_PROG_QUERY). 0 also on kernels without TCX."""
    ids = (ctypes.c_uint32 * 64)()
    query = ctypes.create_string_buffer(struct.pack("=IIIIQII", ifindex, kind, 0, 0, ctypes.addressof(ids), 64, 0) + bytes(64))
    if libc.syscall(ctypes.c_long(321), ctypes.c_long(16), query, ctypes.c_long(len(query))):
        return 0
    return struct.unpack_from("=I", query, 24)[0]


def clsact_count(device, name):
    import subprocess

    filters = subprocess.run(["tc", "filter", "show", "dev", device, name], capture_output=True, text=True).stdout
    return sum(" bpf " in line and " handle " in line for line in filters.splitlines())


def hooks(devices):
    for device in devices:
        for kind, name in (46, "ingress"), (47, "egress"):
            for hook, count in ("tcx", tcx_count(socket.if_nametoindex(device), kind)), ("clsact", clsact_count(device, name)):
                if count:
                    print(device, f"{hook}/{name}", count)


if __name__ == "__main__":
    if sys.argv[1:2] == ["web"]:
        web(int(sys.argv[2]))
    elif sys.argv[1:2] == ["hooks"]:
        hooks(sys.argv[2:])
    elif sys.argv[1:2] == ["bytes"]:
        sys.stdout.buffer.write(body(int(sys.argv[2])))
    else:
        sys.exit(__doc__)
