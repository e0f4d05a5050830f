"""Configuration as flat keys: dataclasses to and from `group.key = scalar`, strictly.

`training.batch-size` is field `batch_size` of the dataclass that stands for `training`. Scalars are Flower's: booleans,
integers, floats and strings. Absent is written as 0 or "", since they know no None; a tuple of names is written with
commas. The same keys, grouped into tables, are a TOML file.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import fields
from typing import Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Scalar = bool | int | float | str


class ConfigError(ValueError):
    """A configuration cannot be used. The message names the key at fault."""


_Terms = TypeVar("_Terms")


def require(holds: bool, key: str, rule: str) -> None:
    """Raises: ConfigError: the rule does not hold for the key."""
    if not holds:
        raise ConfigError(f"{key}: {rule}")


def spelled(name: str) -> str:
    """A field's name as it is written in a key."""
    return name.replace("_", "-")


def full_key(group: str, name: str) -> str:
    """The key of a field."""
    return f"{group}.{spelled(name)}"


_known_hints: dict[type, Mapping[str, object]] = {}


def field_hints(kind: type) -> Mapping[str, object]:
    """A dataclass's fields, in order, with their resolved types."""
    if kind not in _known_hints:  # resolved once: every digest of every request asks for them
        hints = get_type_hints(kind)
        _known_hints[kind] = types.MappingProxyType({item.name: hints[item.name] for item in fields(kind)})
    return _known_hints[kind]


def write_fields(value: object, group: str, hints: Mapping[str, object] | None = None) -> dict[str, Scalar]:
    """Every field of a dataclass as a key of `group`, absent values included, in the order of the fields."""
    known = field_hints(type(value)) if hints is None else hints
    return {full_key(group, name): write_scalar(getattr(value, name), hint) for name, hint in known.items()}


def write_scalar(value: object, hint: object) -> Scalar:
    """A field's value as a scalar."""
    if isinstance(value, tuple):
        return ",".join(value)
    if value is None:
        return 0 if int in get_args(hint) else ""
    if hint is float:
        return float(cast(float, value))
    return cast(Scalar, value)


def take(kind: type[_Terms], group: str, left: dict[str, object]) -> _Terms:
    """Removes this group's keys from `left` and makes the dataclass of them; keys left out take their defaults.

    Raises:
        ConfigError: a wrong type, or a value that the dataclass refuses.
    """
    values = take_values(field_hints(kind), group, left)
    try:
        return kind(**values)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(f"{group}: {error}") from None


def take_values(hints: Mapping[str, object], group: str, left: dict[str, object]) -> dict[str, object]:
    """Removes this group's keys from `left` and returns their values by field name.

    Raises:
        ConfigError: a wrong type.
    """
    return {
        name: _parse(full_key(group, name), left.pop(full_key(group, name)), hint)
        for name, hint in hints.items()
        if full_key(group, name) in left
    }


def refuse_unknown(left: Mapping[str, object]) -> None:
    """Raises: ConfigError: keys are left that nobody took; it names them."""
    if left:
        raise ConfigError(f"unknown keys: {', '.join(sorted(map(repr, left)))}")


def to_tables(config: Mapping[str, Scalar]) -> dict[str, dict[str, Scalar]]:
    """Flat keys as TOML's tables."""
    tables: dict[str, dict[str, Scalar]] = {}
    for key, value in config.items():
        group, name = key.split(".", 1)
        tables.setdefault(group, {})[name] = value
    return tables


def from_tables(tables: Mapping[str, object]) -> dict[str, object]:
    """TOML's tables as flat keys.

    Raises:
        ConfigError: a key stands outside a table, or a table in a table.
    """
    flat: dict[str, object] = {}
    for group, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(f"{group}: must stand in a table, such as [training]")
        for name, value in table.items():
            if isinstance(value, dict):
                raise ConfigError(f"{group}.{name}: must not be a table")
            flat[f"{group}.{name}"] = value
    return flat


def _parse(key: str, value: object, hint: object) -> object:
    options = get_args(hint) if get_origin(hint) in (types.UnionType, Union) else (hint,)
    if type(None) in options and (value == "" or (int in options and value == 0 and not isinstance(value, bool))):
        return None
    for option in options:
        if get_origin(option) is Literal and isinstance(value, str) and value in get_args(option):
            return value
        if get_origin(option) is tuple and isinstance(value, str) and value and value not in _literals(options):
            parts = tuple(part.strip() for part in value.split(","))
            if all(parts):
                return parts
        if option is float and isinstance(value, int | float) and not isinstance(value, bool):
            number = float(value)
            require(math.isfinite(number), key, "must be finite")
            return number
        if option in (bool, int, str) and type(value) is option:
            return value
    raise ConfigError(f"{key}: must be {_described(options)}")


def _literals(options: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(choice for option in options if get_origin(option) is Literal for choice in get_args(option))


def _described(options: tuple[object, ...]) -> str:
    names: dict[object, str] = {
        int: "an integer",
        float: "a number",
        str: "a string",
        bool: "true or false",
        type(None): "absent",
    }
    said = [names.get(option, "names separated by commas") for option in options if get_origin(option) is not Literal]
    return " or ".join([*said, *(repr(choice) for choice in _literals(options))])
