#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Servers and clients that say how a packet looked when it arrived.

probe.py serve ADDRESS...           on each address: UDP port 9000 answers "ADDRESS PORT" of the sender; HTTP on TCP
                                    port 8080 does the same for GET /, sends N bytes for GET /N, and for PUT answers
                                    "ADDRESS PORT SHA256-OF-BODY". Says "serving" when all are bound.
probe.py udp ADDRESS PORT SERVER... from this source to each server in turn: prints the answers, one a line
probe.py refused SERVER PORT        a datagram to a closed port: exit 0 if ICMP comes back and says so
probe.py bytes N                    what GET /N sends
"""
import hashlib
import socket
import sys
import threading

PATIENCE = 20  # seconds; emulated machines are slow


def body(size):
    pattern = bytes(i * 7 & 255 for i in range(65521))
    return (pattern * (size // len(pattern) + 1))[:size]


def serve_udp(sock):
    while True:
        _, peer = sock.recvfrom(65536)
        sock.sendto(b"%s %d\n" % (peer[0].encode(), peer[1]), peer)


def answer(stream, peer):
    method, path, _ = stream.readline().decode().split()
    length = 0
    while (line := stream.readline().strip()):
        name, value = line.decode().split(":", 1)
        if name.lower() == "content-length":
            length = int(value)
        if name.lower() == "expect":
            stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            stream.flush()
    reply = f"{peer[0]} {peer[1]}".encode()
    if method == "PUT":
        reply += b" " + hashlib.sha256(stream.read(length)).hexdigest().encode()
    reply = body(int(path[1:])) if path != "/" and method == "GET" else reply + b"\n"
    stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(reply) + reply)
    stream.flush()


def serve_connection(connection, peer):
    connection.settimeout(PATIENCE)
    with connection, connection.makefile("rwb") as stream:
        answer(stream, peer)


def serve_tcp(listener):
    while True:
        threading.Thread(target=serve_connection, args=listener.accept(), daemon=True).start()


def serve(addresses):
    for address in addresses:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind((address, 9000))
        tcp = socket.create_server((address, 8080))
        threading.Thread(target=serve_udp, args=(udp,)).start()
        threading.Thread(target=serve_tcp, args=(tcp,)).start()
    print("serving", flush=True)


def ask_udp(address, port, servers):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        sock.bind((address, int(port)))
        for server in servers:
            sock.sendto(b"who am I", (server, 9000))
            reply, peer = sock.recvfrom(100)
            if peer != (server, 9000):
                sys.exit(f"asked {server}, {peer} answered")
            print(reply.decode().strip())


def ask_closed(server, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        sock.connect((server, int(port)))
        sock.send(b"anybody there")
        try:
            sock.recv(1)
        except ConnectionRefusedError:
            return
        sys.exit("no ICMP error came")


def main(words):
    if words[:1] == ["serve"] and len(words) > 1:
        serve(words[1:])
    elif words[:1] == ["udp"] and len(words) > 3:
        ask_udp(words[1], words[2], words[3:])
    elif words[:1] == ["refused"] and len(words) == 3:
        ask_closed(words[1], words[2])
    elif words[:1] == ["bytes"] and len(words) == 2:
        sys.stdout.buffer.write(body(int(words[1])))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.exit(f"probe: {error}")
