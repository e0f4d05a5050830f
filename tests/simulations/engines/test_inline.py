from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from server.releases import ReleaseError, read_rounds
from server.round_record import RoundRecord
from shared.flat_config import ConfigError
from shared.messages import TRAIN
from shared.round_plan import FederationPlan
from simulations.engines.inline import InlineGrid, OpenClient, default_processes, run_inline
from simulations.engines.wire import Packet, pack, unpack
from tests.federation import MARKER, FewDevices, adapter_vector, plan

_ADAPTER = Path("adapter") / "adapter_model.safetensors"


def _run(path: Path, of: FederationPlan | None = None, population: FewDevices | None = None) -> list[RoundRecord]:
    seen: list[RoundRecord] = []
    run_inline(of or plan(), population or FewDevices(), directory=path, processes=0, observe=seen.append)
    return seen


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    of = plan(rounds=2, cohort_size=2)
    records = _run(tmp_path / "a", of)
    _run(tmp_path / "b", of)
    _run(tmp_path / "c", replace(of, seed=1))

    a, b, c = ((tmp_path / name / _ADAPTER).read_bytes() for name in "abc")
    assert a == b
    assert a != c
    assert [record.replies for record in records] == [2, 2]
    assert records[0].metrics is not None
    assert records[0].bytes_up > 4 * 896


def test_training_learns_what_it_trains_on(tmp_path: Path) -> None:
    of = replace(plan(rounds=8, cohort_size=4), server_learning_rate=3.0)
    losses = [record.metrics.loss for record in _run(tmp_path, of) if record.metrics is not None]

    assert losses[-1] < losses[0] - 0.1


def test_devices_without_pairs_and_devices_that_fail_are_counted(tmp_path: Path) -> None:
    records = _run(tmp_path, plan(rounds=1, cohort_size=4), FewDevices(without_pairs=(0,), failing=(2,)))

    assert (records[0].replies, records[0].no_pairs) == (2, 1)
    assert [(failure.device, failure.reason) for failure in records[0].failures] == [(2, "failed")]


def test_the_size_of_a_reply_is_that_of_one_with_an_adapter(tmp_path: Path) -> None:
    of = plan(rounds=1, cohort_size=6, devices=6)
    records = _run(tmp_path, of, FewDevices(devices=6, without_pairs=(0, 1, 2, 3)))

    assert records[0].no_pairs == 4
    assert records[0].bytes_up > 4 * 896


def test_in_a_private_run_every_device_replies_alike(tmp_path: Path) -> None:
    records = _run(tmp_path, plan(rounds=2, cohort_size=4, private=True), FewDevices(without_pairs=(0, 1)))

    assert [(record.replies, record.no_pairs, record.metrics) for record in records] == [(4, 0, None)] * 2
    assert (tmp_path / "simulated-devices.key").stat().st_mode & 0o777 == 0o600
    assert '"loss"' not in (tmp_path / "rounds.jsonl").read_text()


@pytest.mark.parametrize("private", [False, True])
def test_a_run_cut_short_resumes_to_the_same_bytes(tmp_path: Path, private: bool) -> None:
    of = plan(rounds=4, cohort_size=3, private=private)

    class StoppedError(Exception):
        pass

    def stop(record: RoundRecord) -> None:
        if record.round_number == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        run_inline(of, FewDevices(), directory=tmp_path / "cut", processes=0, observe=stop)
    if private:
        # An uninterrupted run of the same devices: the same secret.
        (tmp_path / "whole").mkdir()
        (tmp_path / "whole" / "simulated-devices.key").write_bytes(
            (tmp_path / "cut" / "simulated-devices.key").read_bytes()
        )
        begin = (tmp_path / "cut" / "ledger.jsonl").read_bytes().splitlines(keepends=True)[0]
        (tmp_path / "whole" / "ledger.jsonl").write_bytes(begin)  # and the same run
    _run(tmp_path / "whole", of)
    again: list[RoundRecord] = []
    run_inline(of, FewDevices(), directory=tmp_path / "cut", resume=True, processes=0, observe=again.append)

    assert [record.round_number for record in again] == [3, 4]
    assert [record.round_number for record in read_rounds(tmp_path / "cut")] == [1, 2, 3, 4]
    assert (tmp_path / "cut" / _ADAPTER).read_bytes() == (tmp_path / "whole" / _ADAPTER).read_bytes()


def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    _run(tmp_path)
    before = (tmp_path / "checkpoint.safetensors").stat().st_mtime_ns
    again: list[RoundRecord] = []

    run_inline(plan(), FewDevices(), directory=tmp_path, resume=True, processes=0, observe=again.append)

    assert not again
    assert (tmp_path / "checkpoint.safetensors").stat().st_mtime_ns == before
    with pytest.raises(ReleaseError, match="holds a run already"):
        _run(tmp_path)


def test_a_plan_for_another_number_of_devices_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"federation\.devices"):
        _run(tmp_path, plan(devices=5))


def test_no_private_text_is_in_anything_that_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    sent: list[bytes] = []

    def watched(message: Message) -> Packet:
        packet = pack(message)
        sent.extend(packet.objects.values())
        return packet

    monkeypatch.setattr("simulations.engines.inline.pack", watched)
    with caplog.at_level(logging.DEBUG):
        for name, private in (("plain", False), ("private", True)):
            _run(tmp_path / name, plan(cohort_size=4, private=private), FewDevices(failing=(1,)))

    assert sum(map(len, sent)) > 16 * 4 * 896  # both directions were watched
    left = [*sent, caplog.text.encode(), "".join(capfd.readouterr()).encode()]
    left += [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert not [part for part in left if MARKER.encode() in part]
    assert MARKER in FewDevices().pairs(0)[0].chosen[0].content


def test_devices_share_no_memory_with_the_server_or_each_other() -> None:
    seen: list[RecordDict] = []

    def open_client() -> object:
        opened = OpenClient(open_device=lambda context: None)()  # type: ignore[arg-type,return-value]

        def handle(packet: Packet) -> Packet:
            seen.append(unpack(packet).content)
            return opened(packet)

        return handle

    grid = InlineGrid(open_client, devices=2)  # type: ignore[arg-type]
    content = RecordDict({"x": ConfigRecord({"y": 1})})
    replies = list(grid.send_and_receive([Message(content, node, TRAIN) for node in (2, 3)]))

    assert len({id(content), *map(id, seen)}) == 3
    assert [reply.metadata.src_node_id for reply in replies] == [2, 3]
    # What the client could not read is a code.
    assert {reply.content["reply"]["status"] for reply in replies} == {"bad-request"}


def test_a_client_that_raises_is_an_error_without_its_text() -> None:
    grid = InlineGrid(OpenClient(open_device=lambda context: None), devices=1)  # type: ignore[arg-type,return-value]

    (reply,) = grid.send_and_receive([Message(RecordDict(), 2, "query.no_such_question")])

    assert reply.has_error()
    assert not reply.error.reason


@pytest.mark.slow
def test_workers_give_the_same_adapter_and_survive_one_that_dies(tmp_path: Path) -> None:
    of = plan(rounds=2, cohort_size=4)
    _run(tmp_path / "here", of)
    run_inline(of, FewDevices(), directory=tmp_path / "workers", processes=2)
    np.testing.assert_allclose(adapter_vector(tmp_path / "workers"), adapter_vector(tmp_path / "here"), atol=1e-5)

    seen: list[RoundRecord] = []
    run_inline(of, FewDevices(dying=(1,)), directory=tmp_path / "dying", processes=2, observe=seen.append)

    assert [record.replies for record in seen] == [3, 3]
    assert {(failure.device, failure.reason) for record in seen for failure in record.failures} == {
        (1, "flower error 8")
    }


_KILLED = """
import sys
from pathlib import Path
from tests.federation import FewDevices, plan
from dataclasses import replace
from shared.language_model import ModelConfig
from simulations.engines.inline import run_inline

if __name__ == "__main__":
    of = replace(plan(rounds=60, cohort_size=4), model=ModelConfig(name=sys.argv[2], device="cpu"))
    run_inline(of, FewDevices(), directory=Path(sys.argv[1]), resume=True, processes=int(sys.argv[3]))
"""


@pytest.mark.slow
def test_a_run_that_was_killed_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    of = plan(rounds=60, cohort_size=4)
    script = tmp_path / "killed.py"
    script.write_text(_KILLED)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3]), "OMP_NUM_THREADS": "1"}

    def start(processes: int) -> subprocess.Popen[bytes]:
        arguments = [sys.executable, str(script), str(tmp_path / "run"), of.model.name, str(processes)]
        return subprocess.Popen(
            arguments, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    killed = start(0)
    deadline = time.monotonic() + 120
    while len(read_rounds(tmp_path / "run")) < 3:
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    finished = len(read_rounds(tmp_path / "run"))
    assert finished < 60

    assert start(0).wait(timeout=120) == 0
    assert len(read_rounds(tmp_path / "run")) == 60
    whole = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "whole"), of.model.name, "0"],
        env=environment, cwd=tmp_path, check=True, timeout=120, capture_output=True,
    )  # fmt: skip
    assert whole.returncode == 0
    assert (tmp_path / "run" / _ADAPTER).read_bytes() == (tmp_path / "whole" / _ADAPTER).read_bytes()


def _has_members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_ctrl_c_ends_the_workers_and_keeps_the_rounds(tmp_path: Path) -> None:
    of = plan(rounds=60, cohort_size=4)
    script = tmp_path / "killed.py"
    script.write_text(_KILLED.replace("rounds=60", "rounds=5000"))
    running = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "run"), of.model.name, "2"],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        # A shell starts what runs in its background with SIGINT ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while len(read_rounds(tmp_path / "run")) < 2:
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(running.pid, signal.SIGINT)
        assert running.wait(timeout=30) != 0
        for _ in range(100):
            if not _has_members(running.pid):
                break
            time.sleep(0.1)
        assert not _has_members(running.pid)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
    assert len(read_rounds(tmp_path / "run")) >= 2


def test_workers_are_started_only_where_they_pay() -> None:
    assert default_processes(plan(rounds=2, cohort_size=3)) == 0
    assert default_processes(replace(plan(rounds=100, cohort_size=3), model=replace(plan().model, device="cuda"))) == 0
