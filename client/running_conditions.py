"""When a device may work for others: `[when]` of the policy file. Its owner comes first.

    [when]
    on_power = true            # not on battery
    hours = "22-7"             # of the local clock; from the first to before the second
    unmetered = true           # not over a connection that is paid for by the byte
    free_memory_gb = 2.0       # that must be free before it begins
    idle_load = 0.5            # the machine's load for each core, above which it begins nothing
    threads = 1                # that training may use; 0 leaves it to PyTorch

Outside of it a device begins nothing, and finishes what it began.

What cannot be told (no battery that is known, no NetworkManager to ask) counts as not allowed where it is asked for,
but for a machine that has no battery at all: that is on power. Why it waits then names what to take out.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Protocol

from client.clean_environment import clean_environment

_HOURS = re.compile(r"([01]?\d|2[0-3])-([01]?\d|2[0-4])")
_GIGABYTE = 1e9
_ASK_SECONDS = 5.0
_METERED_SECONDS = 30.0


class ConditionsError(ValueError):
    """`[when]` is not understood. Names the key."""


class Machine(Protocol):
    """What can be told of the machine; None where it cannot."""

    def on_power(self) -> bool | None: ...

    def is_metered(self) -> bool | None: ...

    def free_memory_gb(self) -> float | None: ...

    def load(self) -> float | None: ...


@dataclass(frozen=True, kw_only=True)
class RunningConditions:
    """See the module.

    Attributes:
        hours: (first, end), 0 to 24; over midnight where the first is the later; None is always.
    """

    on_power: bool = False
    hours: tuple[int, int] | None = None
    unmetered: bool = False
    free_memory_gb: float = 0.0
    idle_load: float | None = None
    threads: int = 0

    @classmethod
    def parse(cls, table: object) -> RunningConditions:
        """Of the TOML table. Raises: ConditionsError."""
        if not isinstance(table, dict):
            raise ConditionsError("must be a table")
        known = {item.name for item in fields(cls)}
        if unknown := set(table) - known:
            raise ConditionsError(f"{len(unknown)} unknown keys; there are {', '.join(sorted(known))}")
        threads = table.get("threads", 0)
        if type(threads) is not int or not 0 <= threads <= 1024:
            raise ConditionsError("threads: must be an integer from 0 to 1024")
        idle = table.get("idle_load")
        return cls(
            on_power=_switch(table, "on_power"),
            hours=_hours(table.get("hours")),
            unmetered=_switch(table, "unmetered"),
            free_memory_gb=_amount(table, "free_memory_gb", 0.0),
            idle_load=None if idle is None else _amount(table, "idle_load", 0.0),
            threads=threads,
        )

    def obstacle(self, machine: Machine, now: datetime, *, begins: bool = True) -> str | None:
        """Why this is not the time; None where it is.

        Args:
            now: by the local clock.
            begins: whether something is to begin; free memory and load, which are then its own doing, count for nothing
                else.
        """
        if self.hours is not None and not _within(now.hour, self.hours):
            return f"it waits for the hours {self.hours[0]}-{self.hours[1]}"
        if self.on_power and (powered := machine.on_power()) is not True:
            return "it waits for power" if powered is False else _untold("whether it is on power", "on_power")
        if self.unmetered and (metered := machine.is_metered()) is not False:
            return (
                "it waits for a connection that is known not to be metered"
                if metered
                else _untold("whether the connection is metered", "unmetered")
            )
        if not begins:
            return None
        free = machine.free_memory_gb()
        if self.free_memory_gb and (free is None or free < self.free_memory_gb):
            if free is None:
                return _untold("how much memory is free", "free_memory_gb")
            return f"it waits for {self.free_memory_gb:g} GB of free memory"
        load = machine.load()
        if self.idle_load is not None and (load is None or load > self.idle_load):
            if load is None:
                return _untold("whether the machine is idle", "idle_load")
            return "it waits until the machine is idle"
        return None


class ThisMachine:
    """Linux; of macOS power, memory and load."""

    def __init__(self, supplies: Path = Path("/sys/class/power_supply"), memory: Path = Path("/proc/meminfo")) -> None:
        self._supplies, self._memory = supplies, memory
        self._metered: tuple[float, bool | None] | None = None

    def on_power(self) -> bool | None:
        """Whether a mains adapter is online, or there is no battery."""
        if sys.platform == "darwin":
            return _power_of_macos(_answer("pmset", "-g", "batt"))
        try:
            supplies = {place: _text(place / "type") for place in sorted(self._supplies.iterdir())}
        except OSError:
            return None
        mains = [_text(place / "online") for place, kind in supplies.items() if kind in ("Mains", "USB")]
        batteries = [
            _text(place / "status")
            for place, kind in supplies.items()
            if kind == "Battery" and _text(place / "scope") != "Device"  # of a mouse, say
        ]
        return "1" in mains or (not batteries or all(status != "Discharging" for status in batteries))

    def is_metered(self) -> bool | None:
        """What NetworkManager says of the connection in use; asked twice a minute at most."""
        now = time.monotonic()
        if self._metered is None or now - self._metered[0] > _METERED_SECONDS:
            self._metered = now, self._ask_network_manager()
        return self._metered[1]

    def _ask_network_manager(self) -> bool | None:
        said = _answer("nmcli", "--terse", "--fields", "GENERAL.METERED,GENERAL.STATE", "device", "show")
        return None if said is None else _metered(said)

    def free_memory_gb(self) -> float | None:
        """What can be taken without swapping."""
        if sys.platform == "darwin":
            return _memory_of_macos(_answer("vm_stat"))
        try:
            lines = self._memory.read_text(encoding="ascii").splitlines()
        except OSError:
            return None
        found = [int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
        return found[0] * 1024 / _GIGABYTE if found else None

    def load(self) -> float | None:
        """Of the last minute, for each core."""
        return os.getloadavg()[0] / (os.cpu_count() or 1) if hasattr(os, "getloadavg") else None


def _untold(what: str, key: str) -> str:
    return f"it cannot be told here {what}: this device does nothing for others until {key} is taken out of [when]"


def _answer(program: str, *arguments: str) -> str | None:
    """What a program of the system says; None where there is none, or it fails."""
    command = shutil.which(program)
    if command is None:
        return None
    try:
        return subprocess.run(  # noqa: S603
            [command, *arguments],
            capture_output=True, text=True, timeout=_ASK_SECONDS, check=True,
            env={**clean_environment(), "LC_ALL": "C"},
        ).stdout  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _power_of_macos(said: str | None) -> bool | None:
    """`pmset -g batt`: Now drawing from 'AC Power'."""
    found = re.search(r"drawing from '(\w+) Power'", said or "")
    return None if found is None else found[1] != "Battery"


def _memory_of_macos(said: str | None) -> float | None:
    """`vm_stat`: what is free or can be given up, in gigabytes."""
    size = re.search(r"page size of (\d+) bytes", said or "")
    pages = re.findall(r"^Pages (?:free|inactive|speculative):\s+(\d+)\.$", said or "", re.MULTILINE)
    return int(size[1]) * sum(map(int, pages)) / _GIGABYTE if size is not None and pages else None


def _metered(said: str) -> bool | None:
    """Of the devices that are connected: whether any is metered; None where that is not known of one."""
    found: list[str] = []
    for block in said.split("\n\n"):
        values = dict(line.partition(":")[::2] for line in block.splitlines())
        if "(connected)" in values.get("GENERAL.STATE", ""):
            found.append(values.get("GENERAL.METERED", "unknown"))
    if any(one.startswith("yes") for one in found):
        return True
    return False if found and all(one.startswith("no") for one in found) else None


def _within(hour: int, hours: tuple[int, int]) -> bool:
    first, end = hours
    return first <= hour < end if first < end else hour >= first or hour < end


def _hours(value: object) -> tuple[int, int] | None:
    if value is None:
        return None
    found = _HOURS.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found[1]) == int(found[2]):
        raise ConditionsError('hours: must be FIRST-END, as in "22-7"')
    return int(found[1]), int(found[2])


def _switch(table: Mapping[str, object], key: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise ConditionsError(f"{key}: must be true or false")
    return value


def _amount(table: Mapping[str, object], key: str, default: float) -> float:
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ConditionsError(f"{key}: must be a number of at least 0")
    return float(value)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
