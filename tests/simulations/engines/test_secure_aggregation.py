"""Secure federations end to end: installed devices with policies, ledgers and identities; and every engine alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Context

from client.device import DeclinedError, InstalledDevice, device_number
from client.known_peers import PEERS_FILE
from client.privacy_ledger import Charge, PrivacyLedger
from client.spending import spent
from server.ledger import LEDGER_FILE
from server.releases import ReleaseError, RunDirectory, read_rounds
from server.rounds import TooFewRepliesError, run_rounds
from shared.adapter import attach_adapter
from shared.language_model import load_language_model
from shared.messages import TrainRequest
from shared.plan_guarantees import plan_guarantees, planned_guarantees
from shared.plan_terms import SecureAggregationTerms, UserPrivacyTerms
from shared.preference_files import write_preference_lines
from shared.preference_lines import PreferenceLine
from shared.privacy.mechanisms import DISTRIBUTED, DistributedMechanism
from shared.round_plan import FederationPlan
from shared.secagg.enrolment import Roster, enrol
from shared.secagg.session_terms import Member
from shared.server_identity import ServerKey
from shared.signing_key import SigningKey
from simulations.engines.deployed import run_deployed
from simulations.engines.devices import STATE_DIRECTORY
from simulations.engines.inline import InlineGrid, OpenClient, run_inline
from simulations.engines.ray import run_ray
from simulations.run.ledger_check import check_run_ledger
from tests.federation import MARKER, FewDevices, adapter_vector, plan

_ORGANISER = SigningKey.from_bytes(bytes([7]) * 32)
_SECURE = SecureAggregationTerms(stage_timeout=20.0)
_PARTS = replace(_SECURE, dropout=0.0, corrupt=0.0, part_size=3)
_POLICY = """
delta = 1e-6
require = "user"
minimum_cohort = {cohort}
[user]
max_epsilon_per_run = 8.0
max_epsilon_in_total = 8.0
[secure]
organiser = "{organiser}"
corrupt_devices = {corrupt}
required = true
"""


def _private(mechanism: DistributedMechanism = "skellam", **changes: object) -> FederationPlan:
    terms = UserPrivacyTerms(mechanism=mechanism, noise_multiplier=2.0, participations=2)
    of = plan(rounds=2, cohort_size=6, devices=6)
    private = replace(of, user_privacy=terms, sampling="schedule", secure_aggregation=_SECURE)
    return replace(private, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class _Installed:
    """Opens devices as a SuperNode would, anew for every message."""

    root: Path
    organiser: str = _ORGANISER.public
    cohort: int = 6
    corrupt: int = 1

    def __call__(self, context: Context) -> InstalledDevice:
        return self.device(device_number(context))

    def device(self, number: int) -> InstalledDevice:
        home = self.root / str(number)
        if not home.exists():
            home.mkdir(parents=True)
            pairs = [PreferenceLine(pair=pair) for pair in FewDevices(devices=6).pairs(number)]
            write_preference_lines(home / "pairs.jsonl", pairs)
            policy = home / "policy.toml"
            policy.write_text(_POLICY.format(cohort=self.cohort, organiser=self.organiser, corrupt=self.corrupt))
            policy.chmod(0o600)
        return InstalledDevice(
            pairs_file=home / "pairs.jsonl", state_directory=home / "state", policy_file=home / "policy.toml"
        )

    def roster(self, version: int = 1) -> Roster:
        members = [Member(number=number, identity=self.device(number).identity().public) for number in range(6)]
        return enrol(_ORGANISER, members, federation="clinic", version=version)

    def ledger(self, number: int) -> PrivacyLedger:
        home = self.root / str(number)
        return PrivacyLedger(directory=home / "state-ledger", anchor_directory=home / "state")


def _federate(
    of: FederationPlan, devices: _Installed, directory: Path, *, roster: Roster | None = None, resume: bool = False
) -> None:
    adapted = attach_adapter(load_language_model(of.model), of.adapter)
    run_rounds(
        plan=of,
        adapted=adapted,
        grid=InlineGrid(OpenClient(open_device=devices), devices=of.devices),
        directory=RunDirectory(directory, plan=of, spec=adapted.spec),
        enrolment=roster or devices.roster(),
        signing_key=ServerKey.from_bytes(bytes([3]) * 32),
        resume=resume,
    )


@pytest.mark.parametrize("mechanism", DISTRIBUTED)
def test_installed_devices_that_trust_no_server_take_part_and_both_sides_count_the_same(
    tmp_path: Path, mechanism: DistributedMechanism
) -> None:
    devices = _Installed(root=tmp_path / "devices")
    _federate(_private(mechanism), devices, tmp_path / "run")

    records = read_rounds(tmp_path / "run")
    assert [(record.replies, record.failures) for record in records] == [(6, ()), (6, ())]
    found = check_run_ledger(tmp_path / "run" / LEDGER_FILE)
    (guarantee,) = found.guarantees
    assert len(found.checks) == 2
    assert all(check.agrees for check in found.checks)
    assert not guarantee.server_is_trusted
    assert guarantee.promises == ()
    for number in range(6):
        charges = devices.ledger(number).charges()
        assert spent(charges, delta=guarantee.delta).user == pytest.approx(guarantee.epsilon_server)
        assert (tmp_path / "devices" / str(number) / "state" / PEERS_FILE).is_file()
    # Sessions lie with the ledger, where no backup should look, and hold no pair.
    kept = list(tmp_path.rglob("*.session"))
    assert {file.parent.name for file in kept} == {"sessions"}
    assert {file.parent.parent.name for file in kept} == {"state-ledger"}
    assert not [file for file in kept if MARKER.encode() in file.read_bytes()]


@pytest.mark.parametrize(
    ("devices", "changes", "reason"),
    [
        ({"organiser": SigningKey.from_bytes(bytes([8]) * 32).public}, {}, "another organiser"),
        ({"cohort": 7}, {}, "smaller than the policy's 7"),
        ({"cohort": 4, "corrupt": 0}, {"secure_aggregation": _PARTS}, "cohorts of 3 are smaller than the policy's 4"),
        ({"corrupt": 2}, {}, "bears 1 devices that work for the server, and the policy expects 2"),
        (
            {},
            {
                "secure_aggregation": None,
                "user_privacy": UserPrivacyTerms(noise_multiplier=2.0, participations=2),
            },
            "requires masks",
        ),
    ],
)
def test_a_policy_that_asks_for_more_declines(
    tmp_path: Path, devices: dict[str, object], changes: dict[str, object], reason: str
) -> None:
    installed = _Installed(root=tmp_path / "devices", **devices)  # type: ignore[arg-type]
    with pytest.raises(TooFewRepliesError, match="declined"):
        _federate(replace(_private(), **changes), installed, tmp_path / "run")  # type: ignore[arg-type]

    assert reason in installed.ledger(0).refusals()[-1][2]
    assert installed.ledger(0).charges() == ()


def test_a_cohort_smaller_than_the_plan_has_is_declined_whatever_its_threshold(tmp_path: Path) -> None:
    """A server that wants one device's update asks it together with one of its own."""
    devices = _Installed(root=tmp_path / "devices", cohort=1)
    of, roster = _private(), devices.roster()
    adapted = attach_adapter(load_language_model(of.model), of.adapter)
    for members in ((0, 1), (0, 1, 2, 3, 4)):
        request = TrainRequest(
            run="1" * 32, device=0, round_number=1, attempt=1, plan=of, spec_digest=adapted.spec.digest(),
            base_fingerprint=adapted.spec.base_fingerprint, training_seed=0, vector=adapted.read(),
            cohort=roster.cohort(members, part=0),
        )  # fmt: skip
        with pytest.raises(DeclinedError, match=f"a part of {len(members)} devices is not one that the plan has"):
            devices.device(0).gate().check(request)
    assert devices.ledger(0).charges() == ()


def test_what_is_stated_is_what_devices_enforce_and_not_the_servers_schedule() -> None:
    """The server may ask one device in every round, whatever its schedule says: only the device's own cap counts."""
    terms = UserPrivacyTerms(mechanism="skellam", noise_multiplier=2.0, participations=5)
    of = replace(_private(), user_privacy=terms, rounds=5, cohort_size=10, devices=100)
    devices_own = spent([_charge(of, number) for number in range(1, 6)], delta=of.delta).user

    stated = planned_guarantees(of).user
    assert stated is not None
    assert stated.epsilon_server == pytest.approx(devices_own)
    assert "at most 5 times" in stated.sentence()
    for releases in (0, 1):  # and it may have unmasked a sum that it says it never released
        so_far = plan_guarantees(of, devices=100, requests=1, releases=releases).user
        assert so_far is not None
        assert so_far.epsilon_server == pytest.approx(devices_own)


def _charge(of: FederationPlan, number: int) -> Charge:
    return Charge(
        run="1" * 32,
        round_number=number,
        attempt=1,
        request="",
        plan_digest=of.digest(),
        plan=of,
        server="",
        reply=None,
    )


def test_noise_that_cannot_be_drawn_or_summed_is_said_before_anyone_is_asked(tmp_path: Path) -> None:
    devices = _Installed(root=tmp_path / "devices")
    for noise_multiplier in (1e6, 1e-7):
        loud = UserPrivacyTerms(mechanism="skellam", participations=2, noise_multiplier=noise_multiplier)
        with pytest.raises(ReleaseError, match="cannot be drawn"):
            _federate(_private(user_privacy=loud), devices, tmp_path / "run")
    assert not (tmp_path / "devices" / "0" / "state-ledger").exists()  # nobody was asked anything


def test_a_roster_that_is_set_back_between_runs_is_declined(tmp_path: Path) -> None:
    devices = _Installed(root=tmp_path / "devices")
    _federate(_private(rounds=1), devices, tmp_path / "one", roster=devices.roster(version=2))

    with pytest.raises(TooFewRepliesError, match="declined"):
        _federate(_private(rounds=1), devices, tmp_path / "two", roster=devices.roster(version=1))
    assert "version 1, and version 2 was seen" in devices.ledger(0).refusals()[-1][2]


def test_a_device_without_the_secure_part_of_a_policy_declines(tmp_path: Path) -> None:
    devices = _Installed(root=tmp_path / "devices")
    for number in range(6):
        devices.device(number)
        policy = tmp_path / "devices" / str(number) / "policy.toml"
        policy.write_text(policy.read_text().partition("[secure]")[0])
    with pytest.raises(TooFewRepliesError, match="declined"):
        _federate(_private(), devices, tmp_path / "run")
    assert "who enrols the cohorts" in devices.ledger(0).refusals()[-1][2]


def test_a_run_cut_short_goes_on_with_new_sessions(tmp_path: Path) -> None:
    of, population = _private(user_privacy=None, sampling="random"), FewDevices(devices=6)
    run_inline(of, population, directory=tmp_path / "whole", processes=0)

    class _CutError(RuntimeError):
        pass

    def cut(_record: object) -> None:
        raise _CutError

    with pytest.raises(_CutError):
        run_inline(of, population, directory=tmp_path / "cut", processes=0, observe=cut)
    run_inline(of, population, directory=tmp_path / "cut", processes=0, resume=True)
    np.testing.assert_allclose(adapter_vector(tmp_path / "cut"), adapter_vector(tmp_path / "whole"), atol=1e-4)
    assert not list((tmp_path / "cut" / STATE_DIRECTORY).rglob("*.session"))


def test_workers_that_share_devices_sum_as_one_process_does(tmp_path: Path) -> None:
    of, population = _private(user_privacy=None, sampling="random"), FewDevices(devices=6)
    for processes in (0, 2):
        run_inline(of, population, directory=tmp_path / str(processes), processes=processes)

    np.testing.assert_allclose(adapter_vector(tmp_path / "0"), adapter_vector(tmp_path / "2"), atol=1e-4)
    assert all(record.replies == 6 for record in read_rounds(tmp_path / "2"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_rays_actors_sum_as_one_process_does(tmp_path: Path) -> None:
    # Ray takes long to start where others work.
    of, population = _private(user_privacy=None, sampling="random", round_timeout=300.0), FewDevices(devices=6)
    run_inline(of, population, directory=tmp_path / "inline", processes=0)
    run_ray(of, population, directory=tmp_path / "ray", processes=2)

    np.testing.assert_allclose(adapter_vector(tmp_path / "ray"), adapter_vector(tmp_path / "inline"), atol=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(1200)  # each of its fifteen messages has a process of its own load PyTorch
def test_supernodes_sum_under_masks_with_a_process_for_every_message(tmp_path: Path) -> None:
    terms = replace(_SECURE, stage_timeout=600.0, dropout=0.0, corrupt=0.0)
    of = replace(_private(secure_aggregation=terms, rounds=1), cohort_size=3, devices=3, round_timeout=600.0)
    run_deployed(of, FewDevices(devices=3), directory=tmp_path / "run", timeout=1100.0)

    (record,) = read_rounds(tmp_path / "run")
    assert (record.replies, record.failures) == (3, ())
    assert record.noise_std == pytest.approx(2.0 * 3**-0.5 * 3**0.5 / 3, rel=0.02)
    assert check_run_ledger(tmp_path / "run" / LEDGER_FILE).checks[0].agrees
