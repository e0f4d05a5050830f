"""Secure aggregation over Flower's messages: the real apps in one process, and a grid that loses or changes replies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.common.constant import SUPERLINK_NODE_ID

from server.adapter_step import AdapterStep
from server.app import build_server_app
from server.cohorts import RandomCohorts
from server.ledger import LEDGER_FILE, read_state
from server.releases import read_rounds
from server.roster import Roster
from server.rounds import TooFewRepliesError
from server.secure_sum import Enrolment
from server.strategies.adapter_averaging import AdapterAveraging
from shared.adapter import attach_adapter
from shared.flat_config import ConfigError
from shared.language_model import load_language_model
from shared.messages import TrainRequest, to_array_record
from shared.plan_terms import SecureAggregationTerms, UserPrivacyTerms
from shared.round_plan import FederationPlan
from shared.run_output import RunOutput
from shared.secagg.enrolment import EnrolmentError, enrol
from shared.secagg.session_terms import Member
from shared.secagg_messages import SECURE_STAGE, StageReply, StageRequest
from shared.signing_key import SigningKey
from simulations.engines.devices import SimulatedEnrolment, open_population
from simulations.engines.inline import InlineGrid, OpenClient
from simulations.engines.wire import pack
from tests.federation import MARKER, FewDevices, adapter_vector, plan
from tests.secagg import public

Change = Callable[[str, int, bytes], bytes]
SECURE = SecureAggregationTerms(stage_timeout=0.2)


class _Grid(InlineGrid):
    """Loses what devices say at some stages ("train" is the first), and changes what they say at others."""

    def __init__(
        self, open_client: OpenClient, *, devices: int, vanish: Mapping[str, set[int]], change: Change | None
    ) -> None:
        super().__init__(open_client, devices=devices)
        self.vanish, self.change = vanish, change
        self.wire: list[bytes] = []
        self.updates: list[bytes] = []

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        pushed = list(messages)
        identities = list(super().push_messages(pushed))
        for message, identity in zip(pushed, identities, strict=True):
            stage, device = "train", message.metadata.dst_node_id - 2
            if message.metadata.message_type == SECURE_STAGE:
                stage = StageRequest.from_record(message.content).stage
            self.wire += [part for one in (message, self._replies[identity]) for part in pack(one).objects.values()]
            if "update" in self._replies[identity].content:
                self.updates.append(self._replies[identity].content.array_records["update"]["vector"].data)
            if device in self.vanish.get(stage, ()):
                del self._replies[identity]
            elif self.change is not None and stage != "train":
                said = StageReply.from_record(self._replies[identity].content)
                changed = replace(said, body=self.change(stage, device, said.body))
                self._replies[identity].content = changed.to_record()
        return identities


def _run(
    of: FederationPlan,
    directory: Path,
    *,
    vanish: Mapping[str, set[int]] | None = None,
    change: Change | None = None,
    enrolment: Enrolment | None = None,
    resume: bool = False,
) -> _Grid:
    devices = open_population(FewDevices(devices=of.devices), of, directory=directory)
    grid = _Grid(OpenClient(open_device=devices), devices=of.devices, vanish=vanish or {}, change=change)
    context = Context(
        run_id=1,
        node_id=SUPERLINK_NODE_ID,
        node_config={},
        state=RecordDict(),
        run_config=of.to_run_config() | RunOutput(directory=str(directory), resume=resume).to_run_config(),
    )
    build_server_app(enrolment=enrolment or SimulatedEnrolment(devices))(grid, context)
    return grid


def _grid(of: FederationPlan, directory: Path) -> InlineGrid:
    devices = open_population(FewDevices(devices=of.devices), of, directory=directory)
    return InlineGrid(OpenClient(open_device=devices), devices=of.devices)


def _plan(devices: int = 6, *, secure: SecureAggregationTerms | None = SECURE, **changes: object) -> FederationPlan:
    of = plan(rounds=1, cohort_size=devices, devices=devices, round_timeout=0.5)
    return replace(of, secure_aggregation=secure, **changes)  # type: ignore[arg-type]


def _same(one: Path, other: Path) -> None:
    np.testing.assert_allclose(adapter_vector(one), adapter_vector(other), atol=1e-5)


@pytest.mark.parametrize("stage", ["train", "share", "mask"])
def test_the_mean_is_that_of_the_devices_whose_updates_came(tmp_path: Path, stage: str) -> None:
    _run(_plan(secure=None), tmp_path / "plain", vanish={"train": {1, 4}})
    _run(_plan(), tmp_path / "secure", vanish={stage: {1, 4}})

    _same(tmp_path / "plain", tmp_path / "secure")
    (record,) = read_rounds(tmp_path / "secure")
    reason = "timeout" if stage == "train" else f"{stage}: timeout"
    assert record.replies == 4
    assert [(one.device, one.reason) for one in record.failures] == [(1, reason), (4, reason)]
    assert record.metrics is None


@pytest.mark.parametrize("stage", ["confirm", "reveal"])
def test_devices_that_vanish_after_their_update_came_are_in_the_mean(tmp_path: Path, stage: str) -> None:
    _run(_plan(secure=None), tmp_path / "plain")
    _run(_plan(), tmp_path / "secure", vanish={stage: {1, 4}})

    _same(tmp_path / "plain", tmp_path / "secure")
    assert read_rounds(tmp_path / "secure")[0].replies == 6


@pytest.mark.parametrize(
    ("stage", "name"), [("share", "shares"), ("mask", "masked vectors"), ("confirm", "confirm"), ("reveal", "unmask")]
)
def test_too_few_at_any_stage_release_nothing_and_the_ledger_has_the_charge(
    tmp_path: Path, stage: str, name: str
) -> None:
    with pytest.raises(TooFewRepliesError, match=name):
        _run(_plan(), tmp_path, vanish={stage: {1, 3, 4}})

    state = read_state(tmp_path / LEDGER_FILE)
    assert state is not None
    assert (state.asked, state.released) == (((1, 1),), ())
    assert not read_rounds(tmp_path)


class _CutError(RuntimeError):
    """A server that was killed."""


def _cut(stage: str, _device: int, said: bytes) -> bytes:
    if stage == "confirm":
        raise _CutError
    return said


def test_a_round_that_was_cut_short_is_asked_as_another_attempt(tmp_path: Path) -> None:
    """Its devices have answered stages that they will not answer in other words, and new ones may have vanished."""
    of = replace(_plan(), attempts=2)
    _run(replace(of, secure_aggregation=None), tmp_path / "plain", vanish={"train": {1}})
    with pytest.raises(_CutError):
        _run(of, tmp_path / "secure", change=_cut)
    _run(of, tmp_path / "secure", vanish={"mask": {1}}, resume=True)

    _same(tmp_path / "plain", tmp_path / "secure")
    state = read_state(tmp_path / "secure" / LEDGER_FILE)
    assert state is not None
    assert (state.asked, state.released) == (((1, 1), (1, 2)), (1,))


def test_a_round_whose_attempts_are_used_up_says_so_and_asks_nobody(tmp_path: Path) -> None:
    with pytest.raises(_CutError):
        _run(_plan(), tmp_path, change=_cut)

    with pytest.raises(TooFewRepliesError, match=r"asked 1 times.*start a new run"):
        _run(_plan(), tmp_path, resume=True)
    state = read_state(tmp_path / LEDGER_FILE)
    assert state is not None
    assert state.asked == ((1, 1),)


def test_a_device_that_has_gone_is_one_that_vanished_and_parts_stay_as_planned(tmp_path: Path) -> None:
    """What the devices check is the plan's own number, whoever answered the last roll call."""
    of = _plan()
    adapted = attach_adapter(load_language_model(of.model), of.adapter)
    roster = enrol(
        SigningKey.generate(),
        [Member(number=number, identity=public(number)) for number in range(6)],
        federation="clinic",
        version=1,
    )
    averaging = AdapterAveraging(
        plan=of,
        spec=adapted.spec,
        roster=Roster(devices=(0, 1, 3, 4, 5), nodes={number: number + 2 for number in (0, 1, 3, 4, 5)}),
        run="0" * 32,
        cohorts=RandomCohorts(of, range(6)),
        step=AdapterStep(of, adapted.spec),
        enrolment=roster,
    )
    grid = _grid(of, tmp_path)
    asked = ConfigRecord({"attempt": 1, "place": 0})
    messages = list(averaging.configure_train(1, to_array_record(adapted.read()), asked, grid))

    assert [message.metadata.dst_node_id - 2 for message in messages] == [0, 1, 3, 4, 5]
    for message in messages:
        cohort = TrainRequest.from_record(message.content).cohort
        assert cohort is not None
        assert [member.number for member in cohort.members] == list(range(6))


def test_an_answer_longer_than_it_can_be_counts_as_none(tmp_path: Path) -> None:
    _run(_plan(secure=None), tmp_path / "plain")
    _run(
        _plan(),
        tmp_path / "secure",
        change=lambda at, device, said: bytes(10**6) if (at, device) == ("confirm", 2) else said,
    )

    _same(tmp_path / "plain", tmp_path / "secure")


def test_a_part_that_is_lost_leaves_the_other_parts_sum(tmp_path: Path) -> None:
    terms = replace(SECURE, dropout=0.0, corrupt=0.0, part_size=3)
    _run(_plan(secure=None), tmp_path / "plain", vanish={"train": {0, 1, 2}})
    _run(_plan(secure=terms), tmp_path / "secure", vanish={"mask": {1}})

    _same(tmp_path / "plain", tmp_path / "secure")
    (record,) = read_rounds(tmp_path / "secure")
    assert record.replies == 3
    assert [one.device for one in record.failures] == [0, 1, 2]
    assert all("part was lost" in one.reason and "masked vectors" in one.reason for one in record.failures)


def test_a_device_that_reveals_rubbish_costs_its_part_and_the_stage_is_named(tmp_path: Path) -> None:
    terms = replace(SECURE, dropout=0.0, corrupt=0.0, part_size=3)

    def forge(stage: str, device: int, said: bytes) -> bytes:
        return said[:-1] + bytes([said[-1] ^ 1]) if (stage, device) == ("reveal", 4) else said

    _run(_plan(secure=terms), tmp_path, change=forge)
    (record,) = read_rounds(tmp_path)
    assert record.replies == 3
    assert {one.device for one in record.failures} == {3, 4, 5}
    assert all("unmasking" in one.reason for one in record.failures)


@pytest.mark.parametrize("stage", ["share", "mask"])
def test_a_device_that_sends_garbage_is_one_that_vanished(tmp_path: Path, stage: str) -> None:
    _run(_plan(secure=None), tmp_path / "plain", vanish={"train": {2}})
    _run(
        _plan(),
        tmp_path / "secure",
        change=lambda at, device, said: b"garbage" if (at, device) == (stage, 2) else said,
    )

    _same(tmp_path / "plain", tmp_path / "secure")


def test_the_noise_of_parts_adds_up_as_it_is_said_to(tmp_path: Path) -> None:
    terms = replace(SECURE, dropout=0.0, corrupt=0.0, part_size=3)
    user = UserPrivacyTerms(mechanism="skellam", noise_multiplier=3.0, participations=1)
    of = _plan(secure=terms, user_privacy=user, sampling="schedule", server_schedule="constant")
    _run(replace(of, user_privacy=None, sampling="random"), tmp_path / "bare")
    _run(of, tmp_path / "noised")

    (record,) = read_rounds(tmp_path / "noised")
    noise = (adapter_vector(tmp_path / "noised") - adapter_vector(tmp_path / "bare")) / of.server_step(1)
    # Two parts of three: each has z C at least, and exactly that where nobody vanished and nobody may.
    assert record.noise_std == pytest.approx(3.0 * 2**0.5 / 6, rel=0.05)
    assert noise.std() == pytest.approx(record.noise_std, rel=0.1)


def test_nothing_of_a_device_but_sums_is_on_the_wire(tmp_path: Path) -> None:
    """No pair, and no update, which the same device sends as it is where aggregation is plain."""
    plain, secure = (_run(_plan(secure=terms), tmp_path / str(terms is None)) for terms in (None, SECURE))

    assert len(plain.updates) == 6
    assert not secure.updates
    for update in plain.updates:
        assert [part for part in plain.wire if update in part]
        assert not [part for part in secure.wire if update in part]
    assert not [part for part in secure.wire if MARKER.encode() in part]


def test_a_run_without_a_roster_does_not_begin(tmp_path: Path) -> None:
    of = _plan()
    grid = _grid(of, tmp_path)
    context = Context(
        run_id=1,
        node_id=SUPERLINK_NODE_ID,
        node_config={},
        state=RecordDict(),
        run_config=of.to_run_config() | RunOutput(directory=str(tmp_path)).to_run_config(),
    )
    with pytest.raises(ConfigError, match="roster"):
        build_server_app()(grid, context)


def test_a_cohort_with_a_device_that_is_not_enrolled_is_not_asked(tmp_path: Path) -> None:
    members = [Member(number=number, identity=public(number)) for number in range(5)]
    roster = enrol(SigningKey.generate(), members, federation="clinic", version=1)

    with pytest.raises(EnrolmentError, match="device 5"):
        _run(_plan(), tmp_path, enrolment=roster)


def test_devices_under_other_identities_than_the_rosters_take_no_part(tmp_path: Path) -> None:
    members = [Member(number=number, identity=public(number)) for number in range(6)]
    roster = enrol(SigningKey.generate(), members, federation="clinic", version=1)

    with pytest.raises(TooFewRepliesError, match="declined"):
        _run(_plan(), tmp_path, enrolment=roster)
