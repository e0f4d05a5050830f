"""What a device's user allows: a TOML file that only its owner can write. Without one, nothing leaves.

    delta = 1e-6                          # the device's own delta, at which it works out every epsilon itself
    require = "user"                      # what a run must protect: user, pair, either, or none
    servers = ["<64 hex digits>", ...]    # public keys of servers that may ask; empty allows any
    minimum_cohort = 50

    [user]
    max_epsilon_per_run = 4.0
    max_epsilon_in_total = 8.0
    minimum_noise_multiplier = 0.5
    mechanisms = ["skellam", "gaussian", "banded-gaussian"]
    trust_the_server_to_add_noise = true  # central noise: cohort and noise are promises of the server

    [pair]
    max_epsilon_per_run = 8.0
    max_epsilon_in_total = 16.0
    minimum_noise_multiplier = 0.5

    [secure]                              # without it no secure aggregation is taken part in
    organiser = "<64 hex digits>"         # who enrols the devices of a cohort; or "first-use": whoever was first to
    corrupt_devices = 1                   # enrolled for the server, for all one knows: a cohort must bear them all
    required = false                      # whether plans that show updates to the server are declined

    [when]                                # when this device may work for others: `client.running_conditions`

The device checks the plan that a server proposes against this and against its ledger, with its own accountant. What is
weaker is declined: the user sees why, the server sees "declined" and nothing else.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal, get_args

from client.guarded_file import GuardedFileError, read_guarded
from client.known_peers import FIRST_USE
from client.running_conditions import ConditionsError, RunningConditions
from shared.privacy.mechanisms import CENTRAL, DISTRIBUTED, UserMechanism

Required = Literal["user", "pair", "either", "none"]
MAX_POLICY_BYTES = 64 * 2**10
_PUBLIC_KEY = re.compile(r"[0-9a-f]{64}")
_MECHANISMS: tuple[UserMechanism, ...] = (*DISTRIBUTED, *CENTRAL)


class PolicyError(ValueError):
    """A policy file cannot be used. Names the file and the key, and quotes no value."""


@dataclass(frozen=True, kw_only=True)
class UnitLimits:
    """Limits of one unit.

    Attributes:
        max_epsilon_per_run: of a run's plan, if this device takes part as often as it may.
        max_epsilon_in_total: of everything this device has ever answered, and the next answer.
        minimum_noise_multiplier: z that a plan must not be below.
    """

    max_epsilon_per_run: float
    max_epsilon_in_total: float
    minimum_noise_multiplier: float = 0.0


@dataclass(frozen=True, kw_only=True)
class UserLimits(UnitLimits):
    """Attributes:
    mechanisms: that may protect a user.
    trust_the_server_to_add_noise: whether central noise, which nobody here can check, counts at all.
    """

    mechanisms: tuple[UserMechanism, ...] = _MECHANISMS
    trust_the_server_to_add_noise: bool = False


@dataclass(frozen=True, kw_only=True)
class SecureLimits:
    """With whom, and how, this device aggregates securely.

    Attributes:
        organiser: public key of who enrols cohorts, hex; or "first-use".
        corrupt_devices: in the whole roster, that may work for the server. It picks cohorts, and may put all its own
            into one: every cohort must bear as many.
        required: whether an update may only leave under masks.
    """

    organiser: str
    corrupt_devices: int = 1
    required: bool = False


@dataclass(frozen=True, kw_only=True)
class PrivacyPolicy:
    """See the module."""

    delta: float = 1e-6
    require: Required = "user"
    servers: tuple[str, ...] = ()
    minimum_cohort: int = 1
    user: UserLimits | None = None
    pair: UnitLimits | None = None
    secure: SecureLimits | None = None
    when: RunningConditions = field(default_factory=RunningConditions)

    @classmethod
    def load(cls, path: Path) -> PrivacyPolicy:
        """Raises: PolicyError: missing, writable by others, or any of it not understood."""
        try:
            table = tomllib.loads(read_guarded(path, limit=MAX_POLICY_BYTES))
        except GuardedFileError as error:
            raise PolicyError(str(error)) from None
        except (tomllib.TOMLDecodeError, RecursionError):
            raise PolicyError(f"{path}: is not TOML") from None
        return cls.parse(table, path)

    @classmethod
    def parse(cls, table: Mapping[str, object], path: Path) -> PrivacyPolicy:
        """The policy of a TOML table; `path` is for its errors. Raises: PolicyError."""
        _refuse_unknown(table, {item.name for item in fields(cls)}, str(path))
        delta = _number(table, "delta", str(path), default=cls.delta)
        if not 0 < delta < 1:
            raise PolicyError(f"{path}, delta: must be between 0 and 1")
        require = table.get("require", cls.require)
        if require not in get_args(Required):
            raise PolicyError(f"{path}, require: must be one of {', '.join(get_args(Required))}")
        servers = _strings(table, "servers", str(path), default=())
        if not all(_PUBLIC_KEY.fullmatch(server) for server in servers):
            raise PolicyError(f"{path}, servers: must be public keys of 64 hex digits (`tacit-server key` shows one)")
        cohort = table.get("minimum_cohort", cls.minimum_cohort)
        if type(cohort) is not int or cohort < 1:
            raise PolicyError(f"{path}, minimum_cohort: must be an integer of at least 1")
        policy = cls(
            delta=delta,
            require=require,  # type: ignore[arg-type]  # checked above
            servers=servers,
            minimum_cohort=cohort,
            user=_user(table.get("user"), f"{path}, [user]"),
            pair=_pair(table.get("pair"), f"{path}, [pair]"),
            secure=_secure(table.get("secure"), f"{path}, [secure]"),
            when=_when(table.get("when", {}), f"{path}, [when]"),
        )
        for unit in ("user", "pair"):
            if policy.require == unit and getattr(policy, unit) is None:
                raise PolicyError(
                    f"{path}: requires that one {unit} is protected and has no [{unit}] that says how far"
                )
        if policy.require == "either" and policy.user is None and policy.pair is None:
            raise PolicyError(f"{path}: needs [user] or [pair] that says how far")
        return policy


def _user(table: object, where: str) -> UserLimits | None:
    if table is None:
        return None
    said = _table(table, UserLimits, where)
    mechanisms = _strings(said, "mechanisms", where, default=_MECHANISMS)
    if not mechanisms or any(mechanism not in _MECHANISMS for mechanism in mechanisms):
        raise PolicyError(f"{where}, mechanisms: must be some of {', '.join(_MECHANISMS)}")
    return UserLimits(
        **_limits(said, where),
        mechanisms=mechanisms,  # type: ignore[arg-type]  # checked above
        trust_the_server_to_add_noise=_switch(said, "trust_the_server_to_add_noise", where),
    )


def _pair(table: object, where: str) -> UnitLimits | None:
    return None if table is None else UnitLimits(**_limits(_table(table, UnitLimits, where), where))


def _secure(table: object, where: str) -> SecureLimits | None:
    if table is None:
        return None
    said = _table(table, SecureLimits, where)
    organiser = said.get("organiser")
    if not isinstance(organiser, str) or not (organiser == FIRST_USE or _PUBLIC_KEY.fullmatch(organiser)):
        raise PolicyError(f"{where}, organiser: must be a public key of 64 hex digits, or {FIRST_USE!r}")
    corrupt = said.get("corrupt_devices", SecureLimits.corrupt_devices)
    if type(corrupt) is not int or corrupt < 0:
        raise PolicyError(f"{where}, corrupt_devices: must be an integer of at least 0")
    return SecureLimits(organiser=organiser, corrupt_devices=corrupt, required=_switch(said, "required", where))


def _when(table: object, where: str) -> RunningConditions:
    try:
        return RunningConditions.parse(table)
    except ConditionsError as error:
        raise PolicyError(f"{where}: {error}") from None


def _limits(table: Mapping[str, object], where: str) -> dict[str, float]:
    found = {
        "max_epsilon_per_run": _number(table, "max_epsilon_per_run", where),
        "max_epsilon_in_total": _number(table, "max_epsilon_in_total", where),
        "minimum_noise_multiplier": _number(table, "minimum_noise_multiplier", where, default=0.0),
    }
    for key, value in found.items():
        if value < 0:
            raise PolicyError(f"{where}, {key}: must not be negative")
    return found


def _table(value: object, kind: type, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise PolicyError(f"{where}: must be a table")
    _refuse_unknown(value, {item.name for item in fields(kind)}, where)
    return value


def _refuse_unknown(table: Mapping[str, object], known: set[str], where: str) -> None:
    unknown = set(table) - known
    if unknown:
        raise PolicyError(f"{where}: {len(unknown)} unknown keys; there are {', '.join(sorted(known))}")


def _number(table: Mapping[str, object], key: str, where: str, *, default: float | None = None) -> float:
    value = table.get(key, default)
    if value is None:
        raise PolicyError(f"{where}, {key}: is missing")
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            number = float(value)
    if not math.isfinite(number):
        raise PolicyError(f"{where}, {key}: must be a finite number")
    return number


def _switch(table: Mapping[str, object], key: str, where: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise PolicyError(f"{where}, {key}: must be true or false")
    return value


def _strings(table: Mapping[str, object], key: str, where: str, *, default: tuple[str, ...]) -> tuple[str, ...]:
    value = table.get(key, list(default))
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise PolicyError(f"{where}, {key}: must be a list of strings")
    return tuple(value)
