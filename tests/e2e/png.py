"""Reads the PNGs that the tests look at: 8 or 16 bits, RGB, not interlaced. Writes those that they train on."""
import struct
import zlib

import numpy as np


def read(path):
    """(H, W, 3) of uint8 or uint16."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed = 8, b""
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            assert (colour, interlaced) == (2, 0)
        if kind == b"IDAT":
            packed += body
        at += 12 + length
    step = 3 * bits // 8
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + width * step)
    above = np.zeros(width * step, np.int64)
    result = []
    for row in rows:
        line = row[1:].astype(np.int64)
        if row[0] == 2:
            line = (line + above) & 255
        elif row[0] != 0:
            for i in range(len(line)):
                left = line[i - step] if i >= step else 0
                corner = above[i - step] if i >= step else 0
                if row[0] == 1:
                    guess = left
                elif row[0] == 3:
                    guess = (left + above[i]) // 2
                else:
                    p = left + above[i] - corner
                    guess = min((abs(p - left), 0, left), (abs(p - above[i]), 1, above[i]), (abs(p - corner), 2, corner))[2]
                line[i] = (line[i] + guess) & 255
        result.append(line.astype(np.uint8))
        above = line
    image = np.stack(result)
    if bits == 16:
        image = image.reshape(height, width * 3, 2).astype(np.uint16)
        image = image[..., 0] * 256 + image[..., 1]
    return image.reshape(height, width, 3)


def write(path, pixels):
    """(H, W, 3) of uint8."""
    height, width, _ = pixels.shape

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows.tobytes())) + chunk(b"IEND", b""))
