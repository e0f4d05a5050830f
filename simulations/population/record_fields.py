"""Checks of a record's values wherever they are nested. Each refuses by the line's own error, naming the field.

`shared.preference_lines.JsonLine` checks what stands at the top of a line; public datasets nest deeper. `key` is how an
error names the value: "label.steps[3].completions".
"""

from __future__ import annotations

import math
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from shared.preference_lines import JsonLine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def flag(line: JsonLine, key: str, value: object) -> bool:
    """A boolean."""
    if not isinstance(value, bool):
        line.refuse(key, "must be true or false")
    return value


def integer(line: JsonLine, key: str, value: object) -> int:
    """An integer; a boolean is none."""
    if not isinstance(value, int) or isinstance(value, bool):
        line.refuse(key, "must be an integer")
    return value


def number(line: JsonLine, key: str, value: object, *, minimum: float, maximum: float) -> float:
    """A finite number between two bounds, both allowed."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        line.refuse(key, "must be a number")
    if not minimum <= value <= maximum:
        line.refuse(key, f"must be from {minimum:g} to {maximum:g}")
    return float(value)


def string(line: JsonLine, key: str, value: object) -> str:
    """A string, possibly blank."""
    if not isinstance(value, str):
        line.refuse(key, "must be a string")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        line.refuse(key, "holds half of a surrogate pair, which is not text")
    return value


def optional_string(line: JsonLine, key: str, value: object) -> str:
    """A string, or an empty one for null."""
    if value is None:
        return ""
    if not isinstance(value, str):
        line.refuse(key, "must be a string or null")
    return string(line, key, value)


def record(
    line: JsonLine, key: str, value: object, *, required: Collection[str], optional: Collection[str] = ()
) -> dict[str, object]:
    """An object with these keys and no others. Unknown keys are not quoted: deep in a record they may be data."""
    if not isinstance(value, dict):
        line.refuse(key, "must be an object")
    for name in sorted(required):
        if name not in value:
            line.refuse(f"{key}.{name}", "missing")
    if any(name not in required and name not in optional for name in value):
        line.refuse(key, f"may hold {', '.join(sorted({*required, *optional}))} and nothing else")
    return value


def items(line: JsonLine, key: str, value: object) -> list[object]:
    """A list."""
    if not isinstance(value, list):
        line.refuse(key, "must be a list")
    return value


def moment(line: JsonLine, key: str, value: object) -> datetime:
    """A time, aware of its zone: ISO 8601 (UTC where it names none), milliseconds since 1970, or a datetime."""
    found: datetime | None = None
    if isinstance(value, datetime):
        found = value
    elif isinstance(value, int) and not isinstance(value, bool):
        with suppress(OverflowError):
            found = _EPOCH + timedelta(milliseconds=value)
    elif isinstance(value, str):
        with suppress(ValueError):
            found = datetime.fromisoformat(value)
    if found is None:
        line.refuse(key, "must be a time: ISO 8601, or milliseconds since 1970")
    return found if found.utcoffset() is not None else found.replace(tzinfo=UTC)
