"""Fields of a record from elsewhere, of which nothing is known: a value of the wrong kind is as good as none."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime

from client.importers.imported import Record

_MILLISECONDS_FROM = 1e11  # as seconds, in the year 5138; as milliseconds, in 1973
_EARLIEST, _LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def mapping(value: object) -> Record | None:
    """An object, or None. JSON's keys are strings."""
    return value if isinstance(value, dict) else None


def items(value: object) -> list[object] | None:
    """A list, or None."""
    return value if isinstance(value, list) else None


def text(value: object) -> str:
    """A string; of another kind, the empty one."""
    return value if isinstance(value, str) else ""


def number(value: object) -> float | None:
    """A finite number, or None."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def moment(value: object, *, naive_is_utc: bool = False) -> datetime | None:
    """A time that is aware of its zone, or None.

    Args:
        value: seconds or milliseconds since 1970 in UTC, told apart by size; ISO 8601; or a datetime.
        naive_is_utc: whether a time that names no zone is in UTC; else it is none.
    """
    found: datetime | None = None
    try:
        if isinstance(value, datetime):
            found = value
        elif isinstance(value, str):
            found = datetime.fromisoformat(value)
        elif (seconds := number(value)) is not None:
            found = datetime.fromtimestamp(seconds / 1000 if seconds > _MILLISECONDS_FROM else seconds, UTC)
        if found is not None and found.utcoffset() is None:
            found = found.replace(tzinfo=UTC) if naive_is_utc else None
        return found if found is not None and _EARLIEST < found < _LATEST else None
    except (ValueError, OverflowError, OSError):
        return None


def earliest(values: Iterable[object], *, naive_is_utc: bool = False) -> datetime | None:
    """The first of some times, or None."""
    found = (moment(value, naive_is_utc=naive_is_utc) for value in values)
    return min((time for time in found if time is not None), default=None)


def spoken(content: object) -> str | None:
    """The text of `content` as chat APIs have it: a string, or a list of parts of which some are text; else None."""
    if isinstance(content, str):
        return content
    parts = items(content)
    if parts is None:
        return None
    blocks = [part if isinstance(part, str) else _block_text(mapping(part) or {}) for part in parts]
    return "\n".join(block for block in blocks if block.strip())


def _block_text(block: Record) -> str:
    return text(block.get("text")) if block.get("type") in ("text", "input_text", "output_text") else ""
