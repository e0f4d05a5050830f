"""Looks for a text in bytes, however it may have been written there."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence

import numpy as np

_NUMBERS = ("<u2", ">u2", "<u4", ">u4", "<u8", ">u8", "<f4", "<f8")


def encodings_of(marker: str, token_ids: Sequence[int]) -> Mapping[str, bytes]:
    """Name → the bytes to look for: the text in several encodings, and its token ids as numbers.

    Args:
        marker: the text, at least six letters, so that base64 of it holds bytes that its neighbours do not change.
        token_ids: of the marker as it stands in a sentence, at least three: fewer occur by chance.

    Raises:
        ValueError: too short to be found.
    """
    if len(marker) < 6 or len(token_ids) < 3:
        raise ValueError("a marker needs six letters and three tokens")
    plain = marker.encode()
    ids = np.array(token_ids)
    found = {
        "utf-8": plain,
        "utf-8, upper case": marker.upper().encode(),
        "utf-8, backwards": plain[::-1],
        "utf-16-le": marker.encode("utf-16-le"),
        "utf-16-be": marker.encode("utf-16-be"),
        "utf-32-le": marker.encode("utf-32-le"),
        "hex": plain.hex().encode(),
        "HEX": plain.hex().upper().encode(),
        "token ids, JSON": json.dumps(list(token_ids))[1:-1].encode(),
        "token ids, commas": ",".join(map(str, token_ids)).encode(),
        "token ids, spaces": " ".join(map(str, token_ids)).encode(),
        "token ids, varints": b"".join(map(_varint, token_ids)),
    }
    for before in range(3):
        # Of base64 only the letters that do not depend on what stands before and behind.
        written = base64.b64encode(b"\0" * before + plain)
        begin = -(-8 * before // 6)
        whole = 8 * (before + len(plain)) // 6
        found[f"base64, {before} before"] = written[begin:whole]
        found[f"base64url, {before} before"] = written[begin:whole].replace(b"+", b"-").replace(b"/", b"_")
    for kind in _NUMBERS:
        found[f"token ids, {kind}"] = ids.astype(kind).tobytes()
    return found


def found_in(data: bytes, encodings: Mapping[str, bytes]) -> Sequence[str]:
    """The names of the encodings that occur."""
    return tuple(name for name, wanted in encodings.items() if wanted in data)


def _varint(number: int) -> bytes:
    out = bytearray()
    while True:
        out.append((number & 0x7F) | (0x80 if number > 0x7F else 0))
        number >>= 7
        if not number:
            return bytes(out)
