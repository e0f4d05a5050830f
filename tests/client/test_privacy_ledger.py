"""The device's ledger when it is lost, set back, full or killed: nothing leaves that is not on it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from dp_accounting import get_epsilon_gaussian
from typer.testing import CliRunner

from client.cli import app
from client.device import DeclinedError, InstalledDevice
from client.privacy_ledger import ANCHOR_FILE, LEDGER_FILE, LedgerError
from shared.privacy.guarantee import format_epsilon
from tests.client.gated import PLAN, answer, gate_of, ledger_of, reply_to, request_of


@pytest.mark.parametrize("loss", ["gone", "set back", "forged", "anchor damaged"])
def test_a_device_that_was_set_back_joins_nothing(tmp_path: Path, loss: str) -> None:
    file = tmp_path / "state-ledger" / LEDGER_FILE
    answer(gate_of(tmp_path), request_of())
    before = file.read_bytes()
    answer(gate_of(tmp_path), request_of(round_number=3))
    if loss == "gone":
        file.unlink()
    elif loss == "set back":
        file.write_bytes(before)
    elif loss == "forged":
        other = tmp_path / "other"
        other.mkdir()
        for number in (1, 3):
            answer(gate_of(other), request_of(run="9" * 32, round_number=number))
        file.write_bytes((other / "state-ledger" / LEDGER_FILE).read_bytes())
    else:
        (tmp_path / "state" / ANCHOR_FILE).write_text("{}")

    with pytest.raises(DeclinedError, match=r"set back|whole"):
        gate_of(tmp_path).admit(request_of(run="3" * 32))
    with pytest.raises(LedgerError):
        ledger_of(tmp_path).charges()


def test_a_backup_from_before_the_first_answer_joins_nothing(tmp_path: Path) -> None:
    gate_of(tmp_path)
    anchor = tmp_path / "state" / ANCHOR_FILE
    early = anchor.read_bytes()
    answer(gate_of(tmp_path), request_of())
    (tmp_path / "state-ledger" / LEDGER_FILE).unlink()
    anchor.write_bytes(early)
    with pytest.raises(DeclinedError, match="gone or was set back"):
        gate_of(tmp_path).admit(request_of(run="2" * 32))
    anchor.unlink()  # nor without the anchor: a device that has a key began with a ledger
    with pytest.raises(DeclinedError, match="is gone"):
        gate_of(tmp_path).admit(request_of(run="2" * 32))


def test_an_anchor_left_behind_by_a_kill_is_no_loss(tmp_path: Path) -> None:
    answer(gate_of(tmp_path), request_of())
    anchor = (tmp_path / "state" / ANCHOR_FILE).read_bytes()
    answer(gate_of(tmp_path), request_of(round_number=3))
    (tmp_path / "state" / ANCHOR_FILE).write_bytes(anchor)

    assert len(ledger_of(tmp_path).charges()) == 2


def test_a_full_disk_answers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = gate_of(tmp_path)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(DeclinedError):
            gate.admit(request_of())
    assert gate.admit(request_of()) is None
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(DeclinedError):
            gate.keep(request_of(), reply_to(request_of()))
    assert len(ledger_of(tmp_path).charges()) == 1


def _device(path: Path) -> InstalledDevice:
    policy = path / "policy.toml"
    policy.write_text(
        "[user]\nmax_epsilon_per_run = 8\nmax_epsilon_in_total = 8\ntrust_the_server_to_add_noise = true\n"
    )
    policy.chmod(0o600)
    return InstalledDevice(pairs_file=path / "pairs", state_directory=path / "state", policy_file=policy)


def test_a_new_device_begins_its_ledger_before_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the two it is still a new device; the other way round it would have lost a ledger."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("client.device.create_once", killed)
        with pytest.raises(KeyboardInterrupt):
            _device(tmp_path).gate()
    assert _device(tmp_path).gate().admit(request_of()) is None
    assert len(ledger_of(tmp_path).charges()) == 1


def test_a_device_with_a_key_and_no_ledger_has_lost_it(tmp_path: Path) -> None:
    _device(tmp_path).gate()
    shutil.rmtree(tmp_path / "state-ledger")
    (tmp_path / "state" / ANCHOR_FILE).unlink()

    with pytest.raises(DeclinedError, match="is gone"):
        _device(tmp_path).gate().admit(request_of())


def test_the_user_sees_what_was_told_and_what_was_declined(tmp_path: Path) -> None:
    for gate, request in (
        (_device(tmp_path).gate(), request_of()),
        (_device(tmp_path).gate(), request_of(replace(PLAN, user_privacy=None), run="2" * 32)),
    ):
        with suppress(DeclinedError):
            gate.admit(request)

    said = CliRunner().invoke(app, ["privacy", str(tmp_path / "state")])

    assert said.exit_code == 0
    text = " ".join(said.output.split())
    assert "1 answers charged" in text
    once = format_epsilon(get_epsilon_gaussian(2.0, 1e-6))
    assert f"per user: ε = {once} at δ = 1.0e-6" in text
    assert "per pair: ε = 0.00" in text
    assert "declined, run 22222222, round 1: the plan does not protect one user" in text
    lost = CliRunner().invoke(app, ["privacy", str(tmp_path / "elsewhere")])
    assert lost.exit_code == 1
    assert "is no device's state directory" in lost.output


_LIVES = """
import sys
from pathlib import Path
from tests.client.gated import PLAN, POLICY, USER, answer, gate_of, request_of
from dataclasses import replace
root, sent = Path(sys.argv[1]), Path(sys.argv[2])
policy = replace(POLICY, user=replace(USER, max_epsilon_in_total=1e6))
with sent.open("a") as out:
    for number in range(int(sys.argv[3]), 10_000):
        request = request_of(run=f"{number:032x}")
        reply = answer(gate_of(root, policy), request, value=number)
        out.write(f"{number}\\n")  # what has left
        out.flush()
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_anywhere_no_release_is_unrecorded(tmp_path: Path) -> None:
    """A process that answers as fast as it can is killed at random points; all that left it is on the ledger."""
    sent = tmp_path / "sent"
    sent.touch()
    rng = random.Random(0)
    for _ in range(6):
        begin = len(sent.read_text().splitlines())
        process = subprocess.Popen([sys.executable, "-c", _LIVES, str(tmp_path), str(sent), str(begin)])
        until = time.monotonic() + 60
        while len(sent.read_text().splitlines()) <= begin and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.wait()
        left = {int(line) for line in sent.read_text().split("\n")[:-1]}
        charged = {int(charge.run, 16) for charge in ledger_of(tmp_path).charges()}
        assert left <= charged
        assert len(charged - left) <= 6
    assert len(left) > 6
