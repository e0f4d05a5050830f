"""What an operator hands out: it loads elsewhere, and its card says what it is and no more."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
from typer.testing import CliRunner

from server.cli import app
from server.release_chain import read_chain
from server.releases import RunDirectory
from server.round_record import RoundRecord
from shared.adapter import attach_adapter
from shared.adapter_methods import METHODS, Method
from shared.language_model import load_language_model
from shared.plan_guarantees import plan_guarantees
from shared.plan_terms import PairPrivacyTerms, SecureAggregationTerms, UserPrivacyTerms
from shared.privacy.guarantee import format_epsilon
from shared.round_plan import FederationPlan
from shared.server_identity import ServerKey
from tests.federation import method_plan, model_directory, plan

KEY = ServerKey.from_bytes(bytes(range(32)))
_IDS = torch.tensor([[5, 9, 30, 31, 7, 100, 200, 4]])


def _run(path: Path, of: FederationPlan, *, key: ServerKey | None = KEY, rounds: int = 2, devices: int = 4) -> None:
    adapted = attach_adapter(load_language_model(of.model), of.adapter)
    directory = RunDirectory(path, plan=of, spec=adapted.spec, signing_key=key)
    directory.open(resume=False)
    directory.begin(range(devices))
    for number in range(1, rounds + 1):
        directory.charge(number, 1)
        state = 0.2 * np.random.default_rng(number).standard_normal(adapted.spec.state_dimension)
        directory.commit(
            state.astype(np.float32),
            RoundRecord(
                round_number=number, rounds=of.rounds, attempts=1, cohort=77, replies=55, no_pairs=0, failures=(),
                seconds=0.5, bytes_down=1, bytes_up=1, step_norm=1.0,
            ),
        )  # fmt: skip


def _export(*arguments: str | Path, status: int = 0) -> str:
    shown = CliRunner().invoke(app, ["release", "export", *(str(one) for one in arguments)])
    assert shown.exit_code == status, shown.output
    return " ".join(shown.output.split())


def _logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model(_IDS).logits
    return found


@pytest.mark.parametrize("method", ["ffa-lora", "fed-sb", "fedex-lora", "flora", "fedsa-lora"])
def test_a_release_loads_with_peft_and_merged_and_both_say_the_same(method: Method, tmp_path: Path) -> None:
    run, of = tmp_path / "run", method_plan(method)
    _run(run, of)
    _export(run, "--out", tmp_path / "peft")
    _export(run, "--out", tmp_path / "merged", "--merge")

    base = AutoModelForCausalLM.from_pretrained(model_directory())
    before = _logits(base)
    adapted = _logits(PeftModel.from_pretrained(base, str(tmp_path / "peft")))
    merged = _logits(AutoModelForCausalLM.from_pretrained(tmp_path / "merged"))

    assert float((adapted - merged).abs().max()) < 1e-4
    assert METHODS[method].personal or float((adapted - before).abs().max()) > 0.1
    assert all(file.stat().st_mode & 0o777 == 0o644 for file in tmp_path.glob("[pm]*/*"))
    card = (tmp_path / "peft" / "README.md").read_text()
    assert METHODS[method].newcomer in card
    assert METHODS[method].title in card
    for text in tmp_path.glob("[pm]*/*.[jmR]*"):  # of nobody's machine
        assert str(Path(model_directory()).parent) not in text.read_text()


def test_the_card_says_what_the_release_is(tmp_path: Path) -> None:
    run = tmp_path / "run"
    _run(run, plan())
    _export(run, "--out", tmp_path / "out")
    manifest = read_chain(run)[-1]

    card = (tmp_path / "out" / "README.md").read_text()

    head, body = re.fullmatch(r"---\n(.*?)\n---\n(.*)", card, re.DOTALL).groups()  # type: ignore[union-attr]
    assert 'base_model: "random-llama"' in head
    assert "library_name: peft" in head
    assert "license_name: to-be-stated" in head
    assert "differential-privacy" not in head
    for said in (
        manifest.digest(), manifest.run, KEY.public, plan().digest(), manifest.base_fingerprint, "FFA-LoRA",
        "2 of 2 planned", "4 began the run", "up to 3 devices a round", "No privacy", "Not audited", "Not measured",
        "all-linear",
    ):  # fmt: skip
        assert said in body
    assert "ε =" not in body
    assert "55" not in re.sub(r"`[0-9a-f]+`", "", body)  # how many answered is nobody's business
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["signature"] == manifest.signature


def _private(unit: str) -> FederationPlan:
    of = plan(devices=40, cohort_size=4)
    if unit in ("pair", "both"):
        terms = PairPrivacyTerms(noise_multiplier=1.0, sample_rate=1.0, max_grad_norm=0.5)
        of = replace(of, pair_privacy=terms)
    if unit in ("user", "both"):
        user = UserPrivacyTerms(noise_multiplier=2.0, participations=2)
        of = replace(of, sampling="schedule", user_privacy=user)
    return of


@pytest.mark.parametrize("unit", ["pair", "user", "both"])
def test_each_guarantee_is_the_accountants_and_covers_what_was_asked(unit: str, tmp_path: Path) -> None:
    of = replace(_private(unit), rounds=3)
    _run(tmp_path / "run", of, devices=40)
    _export(tmp_path / "run", "--out", tmp_path / "out", "--round", "1")

    card = (tmp_path / "out" / "README.md").read_text()
    given = plan_guarantees(of, devices=40, requests=2, releases=2)
    found = [one for one in (given.user, given.pair) if one is not None]
    assert len(found) == (2 if unit == "both" else 1)
    for one in found:
        assert one.sentence() in card
        assert f"| {one.unit} | {format_epsilon(one.epsilon_server)}" in card
        assert format_epsilon(one.epsilon_model_observer) in card
    assert card.count("If the run goes on to its end as planned:") == len(found)
    assert "differential-privacy" in card
    assert "1 of 3 planned" in card
    assert ("Protects single pairs" in card) == (unit == "pair")


def test_sums_alone_are_no_differential_privacy(tmp_path: Path) -> None:
    of = replace(plan(cohort_size=4, devices=4, minimum_replies=3), secure_aggregation=SecureAggregationTerms())
    _run(tmp_path / "run", of)
    _export(tmp_path / "run", "--out", tmp_path / "out")

    assert "No differential privacy: the server learned sums" in (tmp_path / "out" / "README.md").read_text()


_SUMMARY = {
    "data": {"source": "embedded", "users_train": 1500},
    "utility": {"win_rate_greedy": {"base": None, "tuned": 0.8612, "own_persona": 0.86, "ci95": [0.8, 0.92]}},
    "audits": {"canary": {"epsilon_lower_bound": 0.1234, "accuracy": 0.51234, "attack": "LiRA | `x`"}},
    "attack": {"kind": "backdoor", "devices": 3},
    "not_measured": None,
}


def test_what_was_measured_and_audited_is_said_of_the_last_release_only(tmp_path: Path) -> None:
    _run(tmp_path / "run", plan())
    (tmp_path / "run" / "config.toml").touch()  # written before a simulation begins, and the summary after it ended
    (tmp_path / "run" / "summary.json").write_text(json.dumps(_SUMMARY))
    _export(tmp_path / "run", "--out", tmp_path / "last")
    _export(tmp_path / "run", "--out", tmp_path / "first", "--round", "1")

    last, first = ((tmp_path / name / "README.md").read_text() for name in ("last", "first"))
    assert "| win_rate_greedy |  | 0.861 | 0.8 to 0.92 |" in last
    assert "canary, epsilon_lower_bound: 0.13" in last
    assert "canary, accuracy: 0.512" in last
    assert "LiRA | 'x'" in last
    assert "attacked on purpose" in last
    assert "says nothing about people" in last
    assert "Not audited" not in last
    assert "Not audited" in first
    assert "Not measured: no evaluation" in first
    assert "0.861" not in first
    assert all("in a simulated federation" in card for card in (last, first))


def test_a_run_that_signs_nothing_gives_its_last_round_and_says_so(tmp_path: Path) -> None:
    _run(tmp_path / "run", plan(), key=None)
    _export(tmp_path / "run", "--out", tmp_path / "out")

    assert "not signed" in (tmp_path / "out" / "README.md").read_text()
    assert not (tmp_path / "out" / "manifest.json").exists()
    assert "keeps its last one only" in _export(tmp_path / "run", "--out", tmp_path / "no", "--round", "1", status=1)


def test_what_cannot_be_exported_is_explained_and_leaves_nothing(tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    of = plan(rounds=5)
    _run(run, of, rounds=5)
    assert "there is no directory" in _export(tmp_path / "no", "--out", out, status=1)
    assert "no signed release 9: there are 1 to 5" in _export(run, "--out", out, "--round", "9", status=1)
    assert "no longer kept" in _export(run, "--out", out, "--round", "2", status=1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert "is not empty" in _export(run, "--out", tmp_path / "full", status=1)
    file = run / "releases/0005/adapter.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + b"\1")
    assert "not the one that the manifest names" in _export(run, "--out", out, status=1)
    file.write_bytes(whole)
    (run / "ledger.jsonl").rename(run / "away")
    assert "ledger" in _export(run, "--out", out, status=1)
    (run / "away").rename(run / "ledger.jsonl")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["full", "run"]


def test_another_base_model_on_this_machine_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.tiny import language_model

    _run(tmp_path / "run", plan())
    other = language_model("llama", seed=5)
    other.name = "random-llama"
    monkeypatch.setattr("server.release_export.load_language_model", lambda _: other)

    assert "is not the base of this run" in _export(tmp_path / "run", "--out", tmp_path / "out", status=1)


def test_a_failure_in_the_middle_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _run(tmp_path / "run", plan())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("server.whole_files.sync", full)
    _export(tmp_path / "run", "--out", tmp_path / "out", status=1)
    assert [one.name for one in tmp_path.iterdir()] == ["run"]


def test_releases_are_listed(tmp_path: Path) -> None:
    def listed(*arguments: str, status: int = 0) -> str:
        shown = CliRunner().invoke(app, ["release", "list", str(tmp_path / "run"), *arguments])
        assert shown.exit_code == status, shown.output
        return shown.output

    assert "there is no directory" in listed(status=1)
    _run(tmp_path / "run", plan(rounds=5), rounds=5)
    chain = read_chain(tmp_path / "run")

    shown = listed()
    lines = [json.loads(line) for line in listed("--json").splitlines()]

    assert [one["digest"] for one in lines] == [one.digest() for one in chain]
    assert [one["kept"] for one in lines] == [False, False, True, True, True]
    assert all(one.digest()[:16] in shown for one in chain)
    assert KEY.public in shown.replace("\n", "")
    (tmp_path / "run/releases/0002/manifest.json").unlink()
    assert "broken at release 2" in " ".join(listed(status=1).split())


def test_a_run_without_releases_says_how_to_get_them(tmp_path: Path) -> None:
    _run(tmp_path / "run", plan(), key=None)

    assert "output.signing-key" in CliRunner().invoke(app, ["release", "list", str(tmp_path / "run")]).output
