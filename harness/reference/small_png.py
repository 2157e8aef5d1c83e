"""A chart's PNG with a palette instead of four bytes a pixel: a third of the size, and nothing to be seen.

A repository keeps every version of its pictures for ever. Charts have few colours, and antialiasing only mixes those;
so colours are rounded to sixteen levels a channel and the most frequent 256 of them are kept.

Leaves out: everything but what our drawer writes (8 bits, red, green, blue and alpha, not interlaced).
Source: PNG specification (Third Edition), sections 9 (filters) and 11 (chunks).
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, Final

import numpy as np

_MAGIC: Final = b"\x89PNG\r\n\x1a\n"
_CHANNELS: Final = 4
_LEVEL: Final = 17  # 255 / 15: sixteen levels that include black and white
_COLOURS_MOST: Final = 256

Pixels = np.ndarray[Any, np.dtype[Any]]


def small(png: bytes) -> bytes:
    """The same picture on white with a palette. Raises ValueError for a PNG of another kind."""
    pixels = decode(png)
    colours, index = _palette(pixels)
    height, width = index.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), index], axis=1)  # filter 0 suits palettes best
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    body = zlib.compress(rows.tobytes(), 9)
    parts = [(b"IHDR", header), (b"PLTE", colours.tobytes()), (b"IDAT", body), (b"IEND", b"")]
    return _MAGIC + b"".join(_chunk(kind, data) for kind, data in parts)


def decode(png: bytes) -> Pixels:
    """The pixels of an RGBA picture laid on white: uint8, height x width x 3."""
    if png[:8] != _MAGIC or png[24:29] != bytes((8, 6, 0, 0, 0)):
        raise ValueError("not a PNG with 8 bits of red, green, blue and alpha")
    width, height = struct.unpack(">II", png[16:24])
    packed, at = b"", 8
    while at < len(png):
        length = struct.unpack(">I", png[at : at + 4])[0]
        if png[at + 4 : at + 8] == b"IDAT":
            packed += png[at + 8 : at + 8 + length]
        at += length + 12
    stride = width * _CHANNELS + 1
    raw = zlib.decompress(packed)
    lines = np.zeros((height + 1, stride - 1), np.uint8)
    for y in range(height):
        line = raw[y * stride : (y + 1) * stride]
        lines[y + 1] = _unfiltered(line[0], line[1:], lines[y])
    rgba = lines[1:].reshape(height, width, _CHANNELS).astype(np.uint16)
    alpha = rgba[..., 3:]
    return ((rgba[..., :3] * alpha + 255 * (255 - alpha)) // 255).astype(np.uint8)


def _unfiltered(kind: int, line: bytes, above: Pixels) -> Pixels:
    """One line of pixels; sums are modulo 256, as in the specification."""
    found = np.frombuffer(line, np.uint8)
    if kind == 0:
        return found
    if kind == 1:
        summed: Pixels = np.cumsum(found.reshape(-1, _CHANNELS), axis=0, dtype=np.uint64).astype(np.uint8).ravel()
        return summed
    if kind == 2:
        return found + above
    out, over = bytearray(len(line) + _CHANNELS), bytes(_CHANNELS) + above.tobytes()
    for i, byte in enumerate(line, _CHANNELS):
        left, up, corner = out[i - _CHANNELS], over[i], over[i - _CHANNELS]
        guess = (left + up) // 2 if kind == 3 else _paeth(left, up, corner)
        out[i] = (byte + guess) & 255
    return np.frombuffer(bytes(out[_CHANNELS:]), np.uint8)


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda value: abs(guess - value))


def _palette(pixels: Pixels) -> tuple[Pixels, Pixels]:
    """Colours (uint8, n x 3) and the index of each pixel's (uint8, height x width)."""
    rounded = ((pixels.astype(np.uint16) + _LEVEL // 2) // _LEVEL).astype(np.int64)
    codes = rounded[..., 0] * 256 + rounded[..., 1] * 16 + rounded[..., 2]
    known, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    kept = known[np.argsort(-counts, kind="stable")[:_COLOURS_MOST]]
    levels = np.stack([kept // 256, kept // 16 % 16, kept % 16], axis=1)
    wanted = np.stack([known // 256, known // 16 % 16, known % 16], axis=1)
    nearest = np.argmin(((wanted[:, None, :] - levels[None, :, :]) ** 2).sum(axis=2), axis=1)
    return (levels * _LEVEL).astype(np.uint8), nearest[inverse].reshape(codes.shape).astype(np.uint8)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
