from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from client.privacy_policy import PolicyError, PrivacyPolicy
from client.running_conditions import (
    ConditionsError,
    RunningConditions,
    ThisMachine,
    _memory_of_macos,
    _metered,
    _power_of_macos,
)

NOON = datetime(2026, 5, 1, 12)
UP = "GENERAL.STATE:100 (connected)"


@dataclass
class Told:
    """A machine of which this is told."""

    power: bool | None = True
    metered: bool | None = False
    memory: float | None = 8.0
    busy: float | None = 0.1

    def on_power(self) -> bool | None:
        return self.power

    def is_metered(self) -> bool | None:
        return self.metered

    def free_memory_gb(self) -> float | None:
        return self.memory

    def load(self) -> float | None:
        return self.busy


ALL = {"on_power": True, "hours": "8-20", "unmetered": True, "free_memory_gb": 2, "idle_load": 0.5, "threads": 1}


def test_where_nothing_is_asked_for_nothing_is_in_the_way() -> None:
    nothing = Told(power=None, metered=None, memory=None, busy=None)
    assert RunningConditions.parse({}).obstacle(nothing, NOON) is None


def test_all_that_is_asked_for_must_be_there() -> None:
    conditions = RunningConditions.parse(ALL)
    assert conditions.obstacle(Told(), NOON) is None
    for changed, said in (
        (Told(power=False), "power"),
        (Told(power=None), "power"),
        (Told(metered=True), "metered"),
        (Told(metered=None), "metered"),
        (Told(memory=1.9), "2 GB"),
        (Told(memory=None), "free_memory_gb"),
        (Told(busy=0.6), "idle"),
        (Told(busy=None), "idle_load"),
    ):
        assert said in str(conditions.obstacle(changed, NOON))
    assert "8-20" in str(conditions.obstacle(Told(), NOON.replace(hour=20)))
    assert conditions.obstacle(Told(memory=0.1, busy=4.0), NOON, begins=False) is None
    assert "power" in str(conditions.obstacle(Told(power=False), NOON, begins=False))


@pytest.mark.parametrize(
    ("hours", "allowed"),
    [("22-7", {22, 23, *range(7)}), ("0-24", set(range(24))), ("9-17", set(range(9, 17))), ("23-24", {23})],
)
def test_hours_go_over_midnight(hours: str, allowed: set[int]) -> None:
    conditions = RunningConditions.parse({"hours": hours})
    assert {hour for hour in range(24) if conditions.obstacle(Told(), NOON.replace(hour=hour)) is None} == allowed


@pytest.mark.parametrize(
    "table",
    [
        {"on_powr": True}, {"on_power": 1}, {"hours": "7"}, {"hours": "7-7"}, {"hours": "24-0"}, {"hours": 7},
        {"free_memory_gb": -1}, {"free_memory_gb": True}, {"idle_load": "low"}, {"threads": 1.5}, {"threads": -1}, [],
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(table: object) -> None:
    with pytest.raises(ConditionsError):
        RunningConditions.parse(table)


def test_a_policy_holds_conditions(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('require = "none"\n[when]\nhours = "1-2"\n')
    path.chmod(0o600)
    assert PrivacyPolicy.load(path).when.hours == (1, 2)
    path.write_text('require = "none"\n[when]\nhours = "never"\n')
    with pytest.raises(PolicyError, match=r"policy.toml, \[when\]: hours"):
        PrivacyPolicy.load(path)


def supply(place: Path, name: str, **values: str) -> None:
    (place / name).mkdir(parents=True)
    for key, value in values.items():
        (place / name / key).write_text(f"{value}\n")


def test_power_is_told_as_linux_tells_it(tmp_path: Path) -> None:
    desk, laptop, mouse = (tmp_path / name for name in ("desk", "laptop", "mouse"))
    desk.mkdir()
    assert ThisMachine(supplies=desk).on_power() is True
    assert ThisMachine(supplies=tmp_path / "none").on_power() is None
    supply(laptop, "BAT0", type="Battery", status="Discharging")
    supply(laptop, "AC", type="Mains", online="0")
    assert ThisMachine(supplies=laptop).on_power() is False
    (laptop / "AC" / "online").write_text("1\n")
    assert ThisMachine(supplies=laptop).on_power() is True
    supply(mouse, "hidpp_battery_0", type="Battery", status="Discharging", scope="Device")
    assert ThisMachine(supplies=mouse).on_power() is True


@pytest.mark.parametrize(
    ("said", "metered"),
    [
        ("GENERAL.METERED:no (guessed)\nGENERAL.STATE:100 (connected)\n", False),
        (f"GENERAL.METERED:yes\n{UP}\n\nGENERAL.METERED:no\n{UP}", True),
        (f"GENERAL.METERED:yes\nGENERAL.STATE:20 (unavailable)\n\nGENERAL.METERED:no\n{UP}", False),
        ("GENERAL.METERED:unknown\nGENERAL.STATE:100 (connected)\n", None),
        ("", None),
    ],
)  # fmt: skip
def test_metered_is_told_as_network_manager_tells_it(said: str, metered: bool | None) -> None:
    assert _metered(said) is metered


def test_memory_and_load_are_those_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 8000000 kB\nMemAvailable: 3000000 kB\n")
    assert ThisMachine(memory=tmp_path / "meminfo").free_memory_gb() == pytest.approx(3.072)
    assert ThisMachine(memory=tmp_path / "none").free_memory_gb() is None
    load = ThisMachine().load()
    assert load is None or load >= 0


def test_what_cannot_be_told_is_said_with_what_to_take_out() -> None:
    unknown = Told(power=None, metered=None, memory=None, busy=None)
    for key, table in (
        ("on_power", {"on_power": True}),
        ("unmetered", {"unmetered": True}),
        ("free_memory_gb", {"free_memory_gb": 1.0}),
        ("idle_load", {"idle_load": 0.5}),
    ):
        said = str(RunningConditions.parse(table).obstacle(unknown, NOON))
        assert "cannot be told" in said
        assert key in said


def test_macos_is_understood() -> None:
    plugged = "Now drawing from 'AC Power'\n -InternalBattery-0 (id=123)\t100%; charged; 0:00 remaining\n"
    assert _power_of_macos(plugged) is True
    assert _power_of_macos(plugged.replace("AC", "Battery")) is False
    assert _power_of_macos("") is _power_of_macos(None) is None
    said = (
        "Mach Virtual Memory Statistics: (page size of 16384 bytes)\n"
        "Pages free:                               10000.\n"
        "Pages active:                            200000.\n"
        "Pages inactive:                           50000.\n"
        "Pages speculative:                         1000.\n"
        "Pages wired down:                         90000.\n"
    )
    assert _memory_of_macos(said) == pytest.approx(61000 * 16384 / 1e9)
    assert _memory_of_macos("nothing") is _memory_of_macos(None) is None
