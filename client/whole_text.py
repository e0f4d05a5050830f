"""Text that is text: half of a surrogate pair is none, and no file in UTF-8 can hold it."""

from __future__ import annotations

import re

_HALF_SURROGATE = re.compile("[\ud800-\udfff]")


def whole_text(text: str) -> str:
    """The text with U+FFFD for every half of a surrogate pair, as exports, pages and bytes that are no UTF-8 have."""
    return text if text.isascii() else _HALF_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
