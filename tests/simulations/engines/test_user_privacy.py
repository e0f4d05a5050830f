"""Federations that protect users, end to end: real devices' files, real ledgers, devices that vanish or decline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Context, Message, RecordDict
from flwr.serverapp.exception import PrivacyBudgetExhausted

from client.device import InstalledDevice, device_number
from client.personal_training import PersonalChange
from client.privacy_ledger import PrivacyLedger
from client.spending import spent
from server.ledger import LEDGER_FILE, read_state
from server.releases import COHORT_KEY_FILE, ReleaseError, RunDirectory, read_rounds
from server.rounds import TooFewRepliesError, run_rounds
from shared.adapter import attach_adapter
from shared.language_model import load_language_model
from shared.messages import TrainRequest
from shared.plan_guarantees import plan_guarantees
from shared.plan_terms import UserPrivacyTerms
from shared.preference_files import write_preference_lines
from shared.preference_lines import PreferenceLine
from shared.privacy.mechanisms import UserMechanism
from shared.round_plan import FederationPlan
from simulations.engines.devices import open_population
from simulations.engines.inline import InlineGrid, OpenClient, run_inline
from simulations.engines.wire import Packet, pack
from simulations.run.ledger_check import check_device_ledger, check_run_ledger
from tests.federation import MARKER, FewDevices, adapter_vector, plan

_TERMS = UserPrivacyTerms(noise_multiplier=2.0, participations=1)
_POLICY = """
delta = 1e-6
require = "user"
minimum_cohort = {cohort}
[user]
max_epsilon_per_run = 8.0
max_epsilon_in_total = 8.0
trust_the_server_to_add_noise = true
"""


def _plan(**changes: object) -> FederationPlan:
    private = replace(plan(rounds=3, cohort_size=2, devices=6), user_privacy=_TERMS, sampling="schedule")
    return replace(private, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class _Installed:
    """Opens devices as a SuperNode would: pairs, policy, state and ledger are files."""

    root: Path
    strict: tuple[int, ...] = ()

    def __call__(self, context: Context) -> InstalledDevice:
        number = device_number(context)
        home = self.root / str(number)
        if not home.exists():
            home.mkdir(parents=True)
            pairs = [PreferenceLine(pair=pair) for pair in FewDevices(devices=6).pairs(number)]
            write_preference_lines(home / "pairs.jsonl", pairs)
            policy = home / "policy.toml"
            policy.write_text(_POLICY.format(cohort=3 if number in self.strict else 1))
            policy.chmod(0o600)
        return InstalledDevice(
            pairs_file=home / "pairs.jsonl", state_directory=home / "state", policy_file=home / "policy.toml"
        )

    def ledger(self, number: int) -> PrivacyLedger:
        home = self.root / str(number)
        return PrivacyLedger(directory=home / "state-ledger", anchor_directory=home / "state")


class _Recording(InlineGrid):
    """Keeps what every device said."""

    def __init__(self, open_client: OpenClient, *, devices: int) -> None:
        super().__init__(open_client, devices=devices)
        self.replies: list[Message] = []

    def pull_messages(self, message_ids: object) -> list[Message]:
        found = list(super().pull_messages(message_ids))  # type: ignore[arg-type]
        self.replies += found
        return found


def _federate(of: FederationPlan, devices: _Installed, directory: Path, *, resume: bool = False) -> _Recording:
    grid = _Recording(OpenClient(open_device=devices), devices=of.devices)
    adapted = attach_adapter(load_language_model(of.model), of.adapter)
    run = RunDirectory(directory, plan=of, spec=adapted.spec)
    run_rounds(plan=of, adapted=adapted, grid=grid, directory=run, resume=resume)
    return grid


def test_an_adapter_of_ones_own_is_in_no_byte_that_leaves_and_the_shared_one_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of, devices = _plan(), _Installed(root=tmp_path / "devices")
    spec = attach_adapter(load_language_model(of.model), of.adapter).spec
    own = np.random.default_rng(0).normal(size=spec.dimension).astype(np.float32)
    change = PersonalChange(vector=own, weight=1.0, losses={0.0: 2.0, 1.0: 1.0}, trained=4, held_out=2)
    sent = bytearray()

    def watched(message: Message) -> Packet:
        packet = pack(message)
        sent.extend(b"".join(packet.objects.values()))
        return packet

    monkeypatch.setattr("simulations.engines.inline.pack", watched)
    opened = [
        devices(Context(run_id=1, node_id=2, node_config={"partition-id": number}, state=RecordDict(), run_config={}))
        for number in range(6)
    ]
    for device in opened:
        device.gate()  # begins a new device's ledger and keys, as its first request would
        device.adapters().keep_personal(spec.digest(), change)
    _federate(of, devices, tmp_path / "run")

    numbers = {own[place : place + 2].tobytes() for place in range(own.size - 1)}
    assert len(sent) > 6 * 4 * spec.dimension
    assert not any(bytes(sent[place : place + 8]) in numbers for place in range(len(sent) - 7))
    rounds = []
    for device in opened:
        shared = device.adapters().shared()
        assert shared is not None
        assert shared.spec_digest == spec.digest()
        rounds.append(shared.round_number)
        kept = device.adapters().personal(spec.digest())
        assert kept is not None
        np.testing.assert_array_equal(kept.vector, own)
    assert sorted(rounds) == [1, 1, 2, 2, 3, 3]


def test_a_private_federation_of_installed_devices(tmp_path: Path) -> None:
    devices = _Installed(root=tmp_path / "devices", strict=(4,))
    grid = _federate(_plan(), devices, tmp_path / "run")

    records = read_rounds(tmp_path / "run")
    failures = [failure for record in records for failure in record.failures]
    # The strict one declined, and the server learns no more than that.
    assert [(failure.device, failure.reason) for failure in failures] == [(4, "declined")]
    assert all(record.metrics is None and record.noise_std > 0 for record in records)
    # No number about a device but its clipped update leaves it.
    for reply in grid.replies:
        declined = reply.content["reply"]["status"] == "declined"
        assert set(reply.content) == ({"reply"} if declined else {"reply", "update"})
        assert set(reply.content["reply"]) == {"schema", "status", "request"}
        assert MARKER not in repr(reply.content)
    # Both sides count the same participation, and agree on what it came to.
    found = check_run_ledger(tmp_path / "run" / LEDGER_FILE)
    assert (found.devices, found.requests, found.releases) == (6, 3, 3)
    assert all(check.agrees for check in found.checks)
    assert len(found.checks) == 2
    at_run = found.guarantees[0]
    for number in range(6):
        charges = devices.ledger(number).charges()
        if number == 4:
            assert charges == ()
            assert "smaller than the policy's 3" in devices.ledger(number).refusals()[0][2]
            continue
        assert spent(charges, delta=at_run.delta).user == pytest.approx(at_run.epsilon_server)
    count, user, _ = check_device_ledger(tmp_path / "devices" / "0" / "state-ledger" / "ledger.jsonl", delta=1e-5)
    assert count == 1
    assert user == pytest.approx(at_run.epsilon_server)
    assert not list((tmp_path / "run").glob("*.key"))


def test_devices_with_nothing_to_say_count_as_zero_in_the_sum(tmp_path: Path) -> None:
    """The released step of a cohort is the sum of what each half of it would release, with the same noise."""
    faint = replace(_TERMS, noise_multiplier=0.01)
    of = _plan(user_privacy=faint, rounds=1, cohort_size=6)

    def step(population: FewDevices, name: str) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        run_inline(of, population, directory=tmp_path / name, processes=0)
        return adapter_vector(tmp_path / name)

    everyone = step(FewDevices(devices=6), "all")
    without = [step(FewDevices(devices=6, without_pairs=gone), str(gone)) for gone in ((0, 1, 2), (3, 4, 5))]

    # Linear, since nothing is divided by how many had something to say.
    assert np.linalg.norm(everyone - (without[0] + without[1])) < 0.2 * np.linalg.norm(everyone)
    records = [read_rounds(directory)[0] for directory in (tmp_path / "all", tmp_path / "(0, 1, 2)")]
    assert records[0].noise_std == records[1].noise_std


def test_a_device_with_nothing_to_say_says_zero_and_looks_like_any_other(tmp_path: Path) -> None:
    of = _plan(rounds=1, cohort_size=6)
    run_inline(of, FewDevices(devices=6, without_pairs=(0, 1), failing=(2,)), directory=tmp_path, processes=0)

    (record,) = read_rounds(tmp_path)
    assert (record.no_pairs, record.failures, record.replies) == (0, (), 6)


def test_the_schedule_asks_everyone_once_and_then_stops(tmp_path: Path) -> None:
    of = _plan(attempts=2, minimum_replies=2)
    dying = FewDevices(devices=6)
    asked: list[int] = []

    class _Silent(InlineGrid):
        def push_messages(self, messages: object) -> list[str]:
            kept = list(messages)  # type: ignore[call-overload]
            trains = [one for one in kept if one.metadata.message_type == "train"]
            asked.extend(TrainRequest.from_record(one.content).round_number for one in trains)
            return [""] * len(kept)  # nothing is taken: every device is offline

    adapted = attach_adapter(load_language_model(of.model), of.adapter)
    run = RunDirectory(tmp_path, plan=of, spec=adapted.spec)
    grid = _Silent(OpenClient(open_device=open_population(dying, of, directory=tmp_path)), devices=6)
    with pytest.raises(TooFewRepliesError):
        run_rounds(plan=of, adapted=adapted, grid=grid, directory=run)
    # The same two requests again after a resume, which stand already: a third would be a third cohort.
    with pytest.raises(TooFewRepliesError):
        run_rounds(plan=of, adapted=adapted, grid=grid, directory=run, resume=True)
    more = replace(of, attempts=9)
    assert len(asked) == 8
    assert read_state(tmp_path / LEDGER_FILE).asked == ((1, 1), (1, 2))  # type: ignore[union-attr]
    with pytest.raises(ReleaseError, match="another plan"):
        run_rounds(
            plan=more, adapted=adapted, grid=grid, directory=RunDirectory(tmp_path, plan=more, spec=adapted.spec)
        )
    spent_up = tmp_path / "more"
    with pytest.raises(PrivacyBudgetExhausted, match="may take part 1 times"):
        run_rounds(
            plan=more, adapted=adapted, grid=grid, directory=RunDirectory(spent_up, plan=more, spec=adapted.spec)
        )
    assert len(read_state(spent_up / LEDGER_FILE).asked) == 4  # type: ignore[union-attr]  # the last was never sent


class _StoppedError(Exception):
    pass


@pytest.mark.parametrize("mechanism", ["gaussian", "banded-gaussian"])
def test_a_run_cut_short_goes_on_and_composes(tmp_path: Path, mechanism: UserMechanism) -> None:
    terms = replace(_TERMS, mechanism=mechanism, separation=3 if mechanism != "gaussian" else 1)
    of = _plan(user_privacy=terms)

    def stop(record: object) -> None:
        if len(read_rounds(tmp_path)) == 2:
            raise _StoppedError

    with pytest.raises(_StoppedError):
        run_inline(of, FewDevices(devices=6), directory=tmp_path, processes=0, observe=stop)
    before = read_state(tmp_path / LEDGER_FILE)
    run_inline(of, FewDevices(devices=6), directory=tmp_path, processes=0, resume=True)

    after = read_state(tmp_path / LEDGER_FILE)
    assert before is not None
    assert after is not None
    assert (before.run, before.devices, before.released) == (after.run, after.devices, (1, 2))
    assert after.asked == ((1, 1), (2, 1), (3, 1))
    given = plan_guarantees(of, devices=6, requests=3, releases=3).user
    assert given is not None
    assert check_run_ledger(tmp_path / LEDGER_FILE).guarantees[0] == given
    assert {file.name for file in tmp_path.iterdir() if file.stat().st_mode & 0o077 == 0} <= {
        "ledger.jsonl", "simulated-devices.key",
    }  # fmt: skip


def test_a_private_run_without_its_ledger_asks_nobody(tmp_path: Path) -> None:
    run_inline(_plan(), FewDevices(devices=6), directory=tmp_path, processes=0)
    (tmp_path / LEDGER_FILE).unlink()

    with pytest.raises(ReleaseError, match="ledger of the private run"):
        run_inline(_plan(), FewDevices(devices=6), directory=tmp_path, processes=0, resume=True)


def test_a_ledger_that_was_set_back_asks_nobody_again(tmp_path: Path) -> None:
    early: list[bytes] = []

    def look(_record: object) -> None:
        early.append((tmp_path / LEDGER_FILE).read_bytes())

    run_inline(_plan(), FewDevices(devices=6), directory=tmp_path, processes=0, observe=look)
    (tmp_path / LEDGER_FILE).write_bytes(early[0])

    with pytest.raises(ReleaseError, match="was set back"):
        run_inline(_plan(), FewDevices(devices=6), directory=tmp_path, processes=0, resume=True)


def test_poisson_rounds_are_released_whoever_answers(tmp_path: Path) -> None:
    terms = replace(_TERMS, participations=4)
    of = _plan(user_privacy=terms, sampling="poisson", cohort_size=1, rounds=4)
    keys: list[bytes] = []

    def look(_record: object) -> None:
        keys.append((tmp_path / COHORT_KEY_FILE).read_bytes())

    run_inline(of, FewDevices(devices=6), directory=tmp_path, processes=0, observe=look)

    records = read_rounds(tmp_path)
    assert len(records) == 4
    assert len(set(keys)) == 1
    assert not (tmp_path / COHORT_KEY_FILE).exists()
    assert "numbers" in (tmp_path / LEDGER_FILE).read_text()
    given = check_run_ledger(tmp_path / LEDGER_FILE).guarantees[0]
    assert given.epsilon_model_observer < given.epsilon_server
    assert "Poisson" in given.amplification
