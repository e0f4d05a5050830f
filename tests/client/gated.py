"""A device's gate over real files, and requests that it may or may not answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from client.answered import AnsweredRounds
from client.participation import Participation
from client.privacy_ledger import PrivacyLedger
from client.privacy_policy import PrivacyPolicy, UserLimits
from shared.messages import TrainReply, TrainRequest
from shared.plan_terms import UserPrivacyTerms
from shared.round_plan import FederationPlan

TERMS = UserPrivacyTerms(noise_multiplier=2.0, participations=2, separation=2)
PLAN = FederationPlan(user_privacy=TERMS, sampling="schedule", rounds=8, cohort_size=60, devices=400)
USER = UserLimits(max_epsilon_per_run=8.0, max_epsilon_in_total=8.0, trust_the_server_to_add_noise=True)
POLICY = PrivacyPolicy(delta=1e-6, minimum_cohort=50, user=USER)


def request_of(of: FederationPlan = PLAN, **changes: object) -> TrainRequest:
    values: dict[str, object] = {
        "run": "1" * 32, "device": 0, "round_number": 1, "attempt": 1,
        "plan": of, "spec_digest": "a", "base_fingerprint": "b",
        "training_seed": 0, "vector": np.zeros(4, dtype=np.float32),
    }  # fmt: skip
    return TrainRequest(**(values | changes))  # type: ignore[arg-type]


def reply_to(request: TrainRequest, value: float = 1.0) -> TrainReply:
    return TrainReply(status="trained", request_digest=request.digest(), vector=np.full(4, value, dtype=np.float32))


def gate_of(path: Path, policy: PrivacyPolicy | None = POLICY) -> Participation:
    state = path / "state"
    ledger = PrivacyLedger(directory=path / "state-ledger", anchor_directory=state)
    if not state.exists():
        state.mkdir()
        ledger.begin()
    return Participation(
        policy=policy,
        ledger=ledger,
        answered=AnsweredRounds(state / "answered", device_key=bytes(32)),
    )


def answer(gate: Participation, request: TrainRequest, value: float = 1.0) -> TrainReply:
    said = gate.admit(request)
    if said is not None:
        return said
    reply = reply_to(request, value)
    gate.keep(request, reply)
    return reply


def ledger_of(path: Path) -> PrivacyLedger:
    return PrivacyLedger(directory=path / "state-ledger", anchor_directory=path / "state")
