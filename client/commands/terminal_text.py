"""Text that others wrote, made safe to print: a reply must not be able to drive the terminal that shows it."""

from __future__ import annotations

import unicodedata


def plain_line(text: str) -> str:
    """One line without control characters, escape sequences' beginnings and marks that turn text around.

    Tabs become spaces. What is left out is shown as U+FFFD.
    """
    return "".join(_shown(character) for character in text)


def plain_text(text: str) -> str:
    """`plain_line` of every line; line ends stay."""
    return "\n".join(plain_line(line) for line in text.replace("\r\n", "\n").split("\n"))


# Bidirectional controls: what is printed after them would stand before it.
_TURNS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _shown(character: str) -> str:
    if character == "\t":
        return "    "
    if character in _TURNS or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
        return "\N{REPLACEMENT CHARACTER}"
    return character
