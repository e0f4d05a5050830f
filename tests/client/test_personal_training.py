"""What stays personal: trained on top of the shared adapter, kept sealed, never worse by its own held-out pairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from client.cli import app
from client.device import DeviceError, InstalledDevice
from client.personal_adapter import KeptAdapters
from client.personal_training import PersonalChange, PersonalTraining, _place, load_with_personal, train_personal
from client.training import TrainingConfig
from shared.adapter import AdaptedModel, attach_adapter
from shared.adapter_methods import METHODS, Method
from shared.adapter_spec import AdapterError
from shared.conversation import PreferencePair
from shared.language_model import load_language_model
from shared.messages import TrainRequest
from shared.preference_files import write_preference_lines
from shared.preference_lines import PreferenceLine
from shared.round_plan import FederationPlan
from tests.federation import plan
from tests.tiny import message

_LIMITS = TrainingConfig(max_prompt_tokens=64, max_completion_tokens=32)


def _pairs(count: int, *, swapped: bool = False) -> list[PreferencePair]:
    found = []
    for place in range(count):
        good, bad = (message("assistant", f"Yeast {place}."),), (message("assistant", f"By itself {place}!"),)
        chosen, rejected = (bad, good) if swapped else (good, bad)
        asked = (message("user", f"How does bread {place} rise?"),)
        found.append(PreferencePair(prompt=asked, chosen=chosen, rejected=rejected, persona="a baker"))
    return found


def _nine() -> list[PreferencePair]:
    """Six to train on and three to choose by."""
    pairs = _pairs(40)
    return [pair for pair in pairs if _place(pair) >= 1 / 3][:6] + [pair for pair in pairs if _place(pair) < 1 / 3][:3]


def _plan(method: Method = "ffa-lora") -> FederationPlan:
    of = plan()
    steps = replace(of.training, local_steps=2)
    return replace(of, adapter=replace(of.adapter, method=method), training=steps)


def _adapted(method: Method = "ffa-lora") -> AdaptedModel:
    of = _plan(method)
    return attach_adapter(load_language_model(of.model), of.adapter)


@pytest.mark.parametrize("method", list(METHODS))
def test_every_method_can_be_made_personal_and_is_left_as_it_was_shared(method: Method) -> None:
    adapted = _adapted(method)
    state = adapted.beginning()
    change = train_personal(adapted, state, _nine(), _LIMITS)

    assert (change.trained, change.held_out) == (6, 3)
    assert change.weight > 0
    assert change.losses[change.weight] == min(change.losses.values()) < change.losses[0.0]
    # Six steps of a half: no user's pairs throw the adapter further.
    assert 0.5 < float(np.linalg.norm(change.vector)) <= 6 * 0.5 * (1 + 1e-5)
    np.testing.assert_array_equal(adapted.read(), state)
    assert not any(parameter.grad is not None for parameter in adapted.shared_parameters())

    load_with_personal(adapted, state, change.vector, 0.5)
    moved = adapted.read_personal()
    load_with_personal(adapted, state, change.vector, 0.0)
    np.testing.assert_allclose(moved - adapted.read_personal(), 0.5 * change.vector, atol=1e-6)


def test_what_it_was_not_trained_on_decides_and_says_no_to_a_change_that_does_harm() -> None:
    """The pairs held out say the opposite of the ones trained on: the shared adapter stays as it came."""
    adapted, only_dpo = _adapted(), replace(_LIMITS, nll_weight=0.0)
    aside = _nine()[6:]
    topics = {pair.prompt for pair in aside}
    opposite = [p for p in _pairs(40, swapped=True) if _place(p) >= 1 / 3 and p.prompt not in topics][:6]
    harmful = train_personal(adapted, adapted.beginning(), [*opposite, *aside], only_dpo)
    agreeing = train_personal(adapted, adapted.beginning(), _nine(), only_dpo)

    assert (harmful.trained, harmful.held_out) == (6, 3)
    assert harmful.weight == 0.0
    assert harmful.losses[1.0] > harmful.losses[0.0]
    assert agreeing.weight > 0


def test_a_new_shared_adapter_does_not_end_it() -> None:
    adapted = _adapted()
    first = train_personal(adapted, adapted.beginning(), _nine(), _LIMITS)
    moving = _adapted("fedsvd")
    anyway = train_personal(
        moving, moving.beginning(), _nine(), _LIMITS, start=first.vector, how=PersonalTraining(steps=1)
    )
    assert float(np.linalg.norm(anyway.vector)) == pytest.approx(0.5, rel=1e-4)  # in its new basis: begun anew
    shared = (adapted.beginning() + 0.1).astype(np.float32)
    on = train_personal(adapted, shared, _nine(), _LIMITS, start=first.vector, how=PersonalTraining(steps=1))
    anew = train_personal(adapted, shared, _nine(), _LIMITS, how=PersonalTraining(steps=1))

    assert float(np.linalg.norm(on.vector - first.vector)) == pytest.approx(0.5, rel=1e-4)
    assert float(np.linalg.norm(anew.vector)) == pytest.approx(0.5, rel=1e-4)
    with pytest.raises(AdapterError):
        train_personal(adapted, shared, _nine(), _LIMITS, start=np.zeros(3, dtype=np.float32))


def test_too_few_pairs_change_nothing_and_the_pairs_held_out_stay_held_out() -> None:
    adapted = _adapted()
    few = train_personal(adapted, adapted.beginning(), _pairs(3), _LIMITS)
    assert (few.weight, few.trained, dict(few.losses)) == (0.0, 0, {})
    assert not few.vector.any()
    one_sided = [pair for pair in _pairs(40) if _place(pair) >= 1 / 3][:8]
    for pairs in (one_sided, [pair for pair in _pairs(40) if _place(pair) < 1 / 3][:8]):
        assert train_personal(adapted, adapted.beginning(), pairs, _LIMITS).losses == {}
    # Neither more pairs, nor their order, nor another persona, move a pair to the other side.
    more = train_personal(adapted, adapted.beginning(), _pairs(40)[::-1], replace(_LIMITS, max_pairs=90))
    assert more.held_out == sum(_place(pair) < 1 / 3 for pair in _pairs(40))
    assert more.trained == 40 - more.held_out
    assert all(_place(pair) == _place(replace(pair, persona="a miller")) for pair in _pairs(40))
    assert all(_place(pair) == _place(replace(pair, chosen=(message("assistant", "?"),))) for pair in _pairs(40))


def test_of_many_pairs_the_newest_are_used_on_both_sides() -> None:
    adapted, few = _adapted(), replace(_LIMITS, max_pairs=9)
    many = _pairs(60)
    change = train_personal(adapted, adapted.beginning(), many, few)
    newest = [pair for pair in many if _place(pair) < 1 / 3][-3:], [pair for pair in many if _place(pair) >= 1 / 3][-6:]
    same = train_personal(adapted, adapted.beginning(), [*newest[0], *newest[1]], few)

    assert (change.trained, change.held_out) == (6, 3)
    assert change.losses == pytest.approx(same.losses, rel=1e-4)
    assert change.weight > 0


@pytest.mark.parametrize("changes", [{"steps": 0}, {"step_length": 0.0}, {"held_out": 1.0}, {"weights": (0.5, 1.0)}])
def test_settings_that_cannot_be_used_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must"):
        PersonalTraining(**changes)  # type: ignore[arg-type]


def _request(of: FederationPlan, vector: NDArray[np.float32], spec_digest: str) -> TrainRequest:
    return TrainRequest(
        run="0" * 32, device=1, round_number=2, attempt=1, plan=of, spec_digest=spec_digest, base_fingerprint="base",
        training_seed=0, vector=vector,
    )  # fmt: skip


def test_what_is_kept_is_sealed_bound_to_its_adapter_and_can_be_forgotten(tmp_path: Path) -> None:
    kept = KeptAdapters(tmp_path / "adapters", device_key=bytes(32))
    vector = np.arange(5, dtype=np.float32)
    assert kept.shared() is None
    assert kept.personal("spec") is None
    kept.keep_shared(_request(_plan(), vector, "spec"))
    found = kept.shared()
    assert found is not None
    assert (found.round_number, found.spec_digest, found.plan) == (2, "spec", _plan())
    np.testing.assert_array_equal(found.vector, vector)
    change = PersonalChange(vector=vector, weight=0.25, losses={0.0: 2.0, 0.25: 1.0}, trained=4, held_out=2)
    kept.keep_personal("spec", change)
    again = kept.personal("spec")
    assert again is not None
    assert (again.weight, again.losses, again.trained, again.held_out) == (0.25, {0.0: 2.0, 0.25: 1.0}, 4, 2)
    assert kept.personal("another adapter") is None
    kept.keep_personal("another adapter", replace(change, weight=1.0))
    assert again.weight == 0.25

    for file in (tmp_path / "adapters").iterdir():
        assert file.stat().st_mode & 0o777 == 0o600
        assert vector[1:].tobytes() not in file.read_bytes()
        whole = file.read_bytes()
        file.write_bytes(whole[:-1])
    with pytest.raises(DeviceError, match="damaged"):
        kept.shared()
    with pytest.raises(DeviceError, match="damaged"):
        kept.personal("spec")
    assert kept.forget_personal()
    assert not kept.forget_personal()
    with pytest.raises(DeviceError, match="another key"):
        KeptAdapters(tmp_path / "adapters", device_key=bytes([1]) * 32).shared()


def test_a_person_trains_shows_and_forgets_their_own(tmp_path: Path) -> None:
    state, pairs_file = tmp_path / "state", tmp_path / "pairs.jsonl"
    write_preference_lines(pairs_file, [PreferenceLine(pair=pair) for pair in _nine()])
    runner, options = CliRunner(), ["--state-dir", str(state)]
    missing = runner.invoke(app, ["files", "personal", "show", *options])
    assert missing.exit_code == 1
    assert "no device state" in missing.output.replace("\n", " ")
    device = InstalledDevice(pairs_file=pairs_file, state_directory=state)
    state.mkdir()
    for command in (["show"], ["forget"], ["train", str(pairs_file)]):
        looked = runner.invoke(app, ["files", "personal", *command, *options])
        assert looked.exit_code == 1
        assert "nothing is kept" in " ".join(looked.output.split())
    # Looking begins no key: a key without a ledger would be that of a device that lost it, and joins nothing any more.
    assert list(state.iterdir()) == []
    device.gate()
    early = runner.invoke(app, ["files", "personal", "train", str(pairs_file), *options])
    assert early.exit_code == 1
    assert "first round that this device answers" in " ".join(early.output.split())

    of = _plan()
    adapted = attach_adapter(load_language_model(of.model), of.adapter)
    device.keep_shared(_request(of, adapted.beginning(), adapted.spec.digest()))
    trained = runner.invoke(app, ["files", "personal", "train", str(pairs_file), *options])
    assert trained.exit_code == 0, trained.output
    assert "trained on 6 pairs" in trained.output
    shown = runner.invoke(app, ["files", "personal", "show", *options])
    assert "round 2" in " ".join(shown.output.split())
    assert "trained on 6 pairs" in shown.output
    kept = device.adapters().personal(adapted.spec.digest())
    assert kept is not None
    assert float(np.linalg.norm(kept.vector)) > 0.5
    assert "is gone" in runner.invoke(app, ["files", "personal", "forget", *options]).output
    assert "none for this adapter" in " ".join(
        runner.invoke(app, ["files", "personal", "show", *options]).output.split()
    )
