"""A model that remembers: the same answers, asked once, whatever became of the files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from shared.causal_lm import LanguageModel
from simulations.rlhi.memory import RememberingModel
from tests.tiny import language_model, message

ASKED = [(message("user", "How does bread rise?"),), (message("user", "Hi."),)]
REPLIES = [(message("assistant", "Yeast eats sugar."),), (message("assistant", "Gas."),)]


class Mute(LanguageModel):
    """Has nothing to say: whatever it is heard to say was remembered."""

    def __init__(self, of: LanguageModel) -> None:
        self.name = of.name
        self._of = of

    def fingerprint(self) -> str:
        return self._of.fingerprint()

    def generate_replies(self, *_: object, **__: object) -> list[list[object]]:  # type: ignore[override]
        raise AssertionError("asked again")

    def score(self, *_: object, **__: object) -> object:  # type: ignore[override]
        raise AssertionError("asked again")


def test_what_was_asked_once_is_not_asked_again(tmp_path: Path) -> None:
    model = language_model("llama")
    first = RememberingModel(model, tmp_path)
    replies = first.generate_replies(ASKED, max_new_tokens=5, temperature=1.0, samples=2, seed=3)
    scores = first.score(ASKED, REPLIES)
    again = RememberingModel(Mute(model), tmp_path)
    assert again.generate_replies(ASKED, max_new_tokens=5, temperature=1.0, samples=2, seed=3) == replies
    assert replies == model.generate_replies(ASKED, max_new_tokens=5, temperature=1.0, samples=2, seed=3)
    assert torch.equal(again.score(ASKED, REPLIES).log_probabilities, scores.log_probabilities)


@pytest.mark.parametrize("change", [{"seed": 4}, {"max_new_tokens": 6}, {"samples": 1}, {"temperature": 0.5}])
def test_another_question_is_asked(tmp_path: Path, change: dict[str, float]) -> None:
    model = language_model("llama")
    asked: dict[str, float] = {"max_new_tokens": 5, "temperature": 1.0, "samples": 2, "seed": 3}
    RememberingModel(model, tmp_path).generate_replies(ASKED, **asked)  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="asked again"):
        RememberingModel(Mute(model), tmp_path).generate_replies(ASKED, **{**asked, **change})  # type: ignore[arg-type]


def test_another_model_is_asked(tmp_path: Path) -> None:
    RememberingModel(language_model("llama"), tmp_path).generate_replies(ASKED, max_new_tokens=5)
    with pytest.raises(AssertionError, match="asked again"):
        RememberingModel(Mute(language_model("llama", seed=1)), tmp_path).generate_replies(ASKED, max_new_tokens=5)


def test_a_file_that_is_cut_short_counts_as_not_there(tmp_path: Path) -> None:
    model = RememberingModel(language_model("llama"), tmp_path)
    said = model.generate_replies(ASKED, max_new_tokens=5)
    (file,) = tmp_path.glob("*.json")
    file.write_bytes(file.read_bytes()[:20])
    assert model.generate_replies(ASKED, max_new_tokens=5) == said
