"""An organiser's list, signed on one machine and read on another."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from client.cli import app as device_app
from server.cli import app
from server.enrolment import read_device_list, read_roster
from shared.secagg.enrolment import EnrolmentError
from tests.secagg import public


def _roster(path: Path, listed: str, version: int = 1) -> str:
    (path / "devices.txt").write_text(listed)
    CliRunner().invoke(app, ["key", str(path / "organiser.key")])
    made = CliRunner().invoke(
        app,
        ["organiser", "roster", str(path / "devices.txt"), "--key", str(path / "organiser.key"),
         "--federation", "clinic", "--version", str(version), "--out", str(path / "roster.json")],
    )  # fmt: skip
    return " ".join(made.output.split())


def test_devices_are_enrolled_by_what_they_show_of_themselves(tmp_path: Path) -> None:
    keys = [CliRunner().invoke(device_app, ["identity", str(tmp_path / name)]).stdout.strip() for name in "ab"]
    again = CliRunner().invoke(device_app, ["identity", str(tmp_path / "a")]).stdout.strip()
    said = _roster(tmp_path, f"# number identity\n\n7 {keys[0]}\n3 {keys[1]}\n", version=2)
    roster = read_roster(tmp_path / "roster.json")

    assert again == keys[0]
    assert "2 devices enrolled, version 2, by organiser" in said
    assert {number: entry.member.identity for number, entry in roster.entries.items()} == {7: keys[0], 3: keys[1]}
    assert roster.name.organiser == CliRunner().invoke(app, ["key", str(tmp_path / "organiser.key")]).stdout.strip()


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ("1 2 3", "line 1: must be a device's number"),
        (f"1 {public(1)}\none {public(2)}", "line 2: must be"),
        ("-1 a", "line 1: must be"),
        (f"1 {public(1)}\n1 {public(2)}", "listed twice"),
        ("1 abcd", "64 hex digits"),
    ],
)
def test_a_list_with_a_mistake_is_not_signed(tmp_path: Path, listed: str, said: str) -> None:
    assert said in _roster(tmp_path, listed)
    assert not (tmp_path / "roster.json").exists()


def test_a_roster_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnrolmentError, match="nowhere"):
        read_roster(tmp_path / "nowhere")
    for content in (b"{}", b"\xff"):
        (tmp_path / "roster.json").write_bytes(content)
        with pytest.raises(EnrolmentError, match=r"roster\.json: is not a roster"):
            read_roster(tmp_path / "roster.json")
    (tmp_path / "empty.txt").write_text("")
    assert read_device_list(tmp_path / "empty.txt") == []
