#!/usr/bin/env python3
"""animate.py OUT.png FPS FRAME.png…: joins PNG files of one size and format into an animated PNG. Standard library only."""
import struct
import sys
import zlib


def chunks(path):
    with open(path, "rb") as file:
        if file.read(8) != b"\x89PNG\r\n\x1a\n":
            raise SystemExit(f"{path}: not a PNG file")
        while head := file.read(8):
            length, kind = struct.unpack(">I4s", head)
            yield kind, file.read(length)
            file.read(4)  # CRC


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def animate(out, fps, frames):
    header = None
    sequence = 0
    body = bytearray()
    for number, frame in enumerate(frames):
        parts = list(chunks(frame))
        ihdr = parts[0][1]
        if header is None:
            header = ihdr
            body += chunk(b"IHDR", ihdr) + chunk(b"acTL", struct.pack(">II", len(frames), 0))
            for kind, data in parts[1:]:
                if kind in (b"sRGB", b"gAMA", b"cHRM"):
                    body += chunk(kind, data)
        elif ihdr != header:
            raise SystemExit(f"{frame}: size or format differs from {frames[0]}")
        width, height = struct.unpack(">II", ihdr[:8])
        body += chunk(b"fcTL", struct.pack(">IIIIIHHBB", sequence, width, height, 0, 0, 1, fps, 0, 0))
        sequence += 1
        data = b"".join(data for kind, data in parts if kind == b"IDAT")
        if number == 0:  # the picture that a viewer without animation shows
            body += chunk(b"IDAT", data)
        else:
            body += chunk(b"fdAT", struct.pack(">I", sequence) + data)
            sequence += 1
    with open(out, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + bytes(body) + chunk(b"IEND", b""))


if __name__ == "__main__":
    if len(sys.argv) < 4:
        raise SystemExit(__doc__)
    animate(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
