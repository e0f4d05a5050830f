"""Flower's records, read strictly: what `shared.messages` and `shared.secagg_messages` rest on."""

from __future__ import annotations

from collections.abc import Mapping

from flwr.app import ArrayRecord, ConfigRecord, RecordDict

SCHEMA_VERSION = 3


class MessageError(ValueError):
    """A message is not what it must be. The text names the part at fault and never quotes it."""


def check_names(where: str, found: Mapping[str, object], expected: set[str]) -> None:
    """Raises: MessageError: names are missing, or there are others."""
    unknown, missing = set(found) - expected, expected - set(found)
    if unknown or missing:
        # Unknown names are a peer's words: counted, not quoted.
        raise MessageError(f"{where}: {len(unknown)} unknown parts, missing: {', '.join(sorted(missing)) or 'none'}")


def config(record: RecordDict, name: str) -> ConfigRecord:
    """A config record of a message. Raises: MessageError."""
    part = record.get(name)
    if not isinstance(part, ConfigRecord):
        raise MessageError(f"{name}: must be a config record")
    return part


def array_record(record: RecordDict, name: str) -> ArrayRecord:
    """An array record of a message. Raises: MessageError."""
    part = record.get(name)
    if not isinstance(part, ArrayRecord):
        raise MessageError(f"{name}: must be an array record")
    return part


def scalars_of(record: RecordDict, name: str, expected: Mapping[str, type]) -> dict[str, object]:
    """The values of a config record of this schema, each of exactly the type expected. Raises: MessageError."""
    part = config(record, name)
    check_names(name, part, {"schema", *expected})
    if part["schema"] != SCHEMA_VERSION:
        raise MessageError(f"{name}.schema: this side speaks version {SCHEMA_VERSION}")
    for key, kind in expected.items():
        if type(part[key]) is not kind:
            raise MessageError(f"{name}.{key}: wrong type")
    return {key: part[key] for key in expected}
