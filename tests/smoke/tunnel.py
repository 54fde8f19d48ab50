#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tunnel.py MACHINE DEVICE MACHINE DEVICE - a cable without Ethernet: two tun devices in two namespaces.

What one sends, the other gets. Says "tunnel" when both are there; they go when this ends.
"""
import fcntl
import os
import select
import struct
import sys

from net import enter

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000


def device(machine, name):
    enter(machine)
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


def main():
    a, b = device(*sys.argv[1:3]), device(*sys.argv[3:5])
    other = {a: b, b: a}
    print("tunnel", flush=True)
    while True:
        for fd in select.select((a, b), (), ())[0]:
            packet = os.read(fd, 65536)
            try:
                os.write(other[fd], packet)
            except OSError:
                pass  # that end is down: lost, as on any cable


if __name__ == "__main__":
    main()
