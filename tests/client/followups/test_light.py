"""The light classifier: any text, order kept, weights that are what they say, and better than a majority."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.followups import FollowUp, FollowUpKind
from client.followups.features import RELATION_COUNT
from client.followups.light import (
    KINDS,
    WEIGHTS_FILE,
    LightFollowUpClassifier,
    LightWeights,
    LightWeightsError,
    packaged_weights,
)
from tests.tiny import message

AFTER = (message("user", "How does bread rise?"), message("assistant", "Yeast eats sugar and gives off gas."))


def labelled(*texts: str) -> list[FollowUpKind | None]:
    found = LightFollowUpClassifier.packaged().classify([FollowUp(conversation=AFTER, text=text) for text in texts])
    return [label.kind for label in found]


def test_plain_cases_are_told_apart_in_their_order() -> None:
    assert labelled("Thanks, that is perfect!", "Make it much shorter, please.", "Why does yeast need sugar?") == [
        FollowUpKind.POSITIVE,
        FollowUpKind.REATTEMPT,
        FollowUpKind.CLARIFICATION,
    ]
    assert LightFollowUpClassifier.packaged().classify([]) == []


@given(st.lists(st.text(max_size=60), min_size=1, max_size=4))
def test_any_text_is_labelled_with_a_confidence(texts: list[str]) -> None:
    classifier = LightFollowUpClassifier.packaged()
    together = classifier.classify([FollowUp(conversation=AFTER, text=text) for text in texts])
    alone = [classifier.classify([FollowUp(conversation=AFTER, text=text)])[0] for text in texts]
    assert together == alone
    assert all(label.kind in KINDS and 0 < label.confidence <= 1 for label in together)


@pytest.mark.parametrize(
    "text", ["", "\ud800 half a pair", "短くして", "اختصر من فضلك", "👍🏽👍🏽", "x" * 100_000, "\x00"]
)
def test_odd_text_does_no_harm(text: str) -> None:
    assert labelled(text)[0] in KINDS


def test_a_reattempt_may_be_held_to_more_confidence() -> None:
    followup = FollowUp(conversation=AFTER, text="Make it much shorter, please.")
    (sure,) = LightFollowUpClassifier.packaged(reattempt_confidence=0.0).classify([followup])
    (unsure,) = LightFollowUpClassifier.packaged(reattempt_confidence=1.0).classify([followup])
    assert sure.kind is FollowUpKind.REATTEMPT
    assert unsure.kind is (FollowUpKind.REATTEMPT if sure.confidence == 1 else None)
    with pytest.raises(ValueError, match="between 0 and 1"):
        LightFollowUpClassifier(reattempt_confidence=1.5)


def test_the_packaged_weights_name_their_recipe_and_are_small() -> None:
    assert packaged_weights().recipe.startswith("followup_training ")
    assert WEIGHTS_FILE.stat().st_size <= 300_000


def test_weights_are_read_as_they_were_written_and_refused_when_damaged(tmp_path: Path) -> None:
    hashed = np.random.default_rng(0).normal(size=(16, len(KINDS))).astype(np.float16).astype(np.float32)
    relations = np.zeros((RELATION_COUNT, len(KINDS)), dtype=np.float32)
    LightWeights(hashed=hashed, relations=relations, recipe="a test").save(tmp_path / "w.safetensors")
    again = LightWeights.load(tmp_path / "w.safetensors")
    assert np.array_equal(again.hashed, hashed)
    assert again.recipe == "a test"
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "w.safetensors").read_bytes()[:40])
    for name in ("cut.safetensors", "absent.safetensors"):
        with pytest.raises(LightWeightsError, match="install Tacit again"):
            LightWeights.load(tmp_path / name)
    with pytest.raises(ValueError, match="finite"):
        LightWeights(hashed=np.full_like(hashed, np.nan), relations=relations, recipe="")
