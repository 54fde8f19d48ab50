#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""embed.py OUTPUT PATH=FILE ...: the files that the daemon serves as they are, as C for daemon/asset.h."""
import hashlib
import pathlib
import sys

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


def lines(data):
    for at in range(0, len(data), 32):
        yield "\t" + ",".join(str(byte) for byte in data[at : at + 32]) + ",\n"


def main(output, *entries):
    bodies, rows = [], []
    for number, entry in enumerate(entries):
        path, name = entry.split("=", 1)
        data = pathlib.Path(name).read_bytes()
        tag = hashlib.sha256(data).hexdigest()[:32]
        media = TYPES[".txt" if name.endswith("LICENSE") else pathlib.Path(name).suffix]
        bodies.append(f"static const unsigned char data{number}[] = {{\n{''.join(lines(data))}}};\n")
        rows.append(f'\t{{ "{path}", "{media}", "\\"{tag}\\"", data{number}, sizeof(data{number}) }},\n')
    with open(output, "w", encoding="ascii") as out:
        out.write('#include "daemon/asset.h"\n')
        out.writelines(bodies)
        out.write("const struct asset assets[] = {\n")
        out.writelines(rows)
        out.write("\t{ 0 },\n};\n")


main(*sys.argv[1:])
