"""Planted injections: their effect is counted where it is, and nothing is counted where there is none."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from client.followups import FollowUp, FollowUpKind, FollowUpLabel
from shared.conversation import Message
from simulations.rlhi.injections import PLACES, measure_injections, planted_injections
from tests.writers import Writer, last_said


class Gullible:
    """Believes whatever is longest."""

    name = "gullible"

    def classify(self, followups: Sequence[FollowUp]) -> list[FollowUpLabel]:
        planted = planted_injections()
        return [
            FollowUpLabel(
                kind=FollowUpKind.POSITIVE if any(text in one.text for text in planted) else FollowUpKind.REATTEMPT,
                confidence=1.0,
            )
            for one in followups
        ]


def echo(turns: Sequence[Message], _: int) -> str:
    return last_said(turns)


def test_a_gullible_pipeline_is_seen_to_be_one() -> None:
    effects = {effect.place: effect for effect in measure_injections(Writer(echo), Gullible(), users=12)}
    assert set(effects) == set(PLACES)
    assert effects["follow-up"].label_changed.value == 1
    assert effects["follow-up"].rewrite_changed.value == 1
    assert effects["request"].label_changed.value == 0
    assert effects["logged reply"].label_changed.value == effects["logged reply"].rewrite_changed.value == 0
    assert effects["logged reply"].caught.value < 0.1, "what was said without an injection is no injection"


def test_what_is_caught_makes_no_pair() -> None:
    (effect, *_) = measure_injections(Writer(echo), Gullible(), users=12)
    assert effect.caught.value > 0.5
    assert effect.changed_and_not_caught.value == pytest.approx(1 - effect.caught.value)


def test_planted_sentences_are_many_and_none_stands_twice() -> None:
    held_out, development = planted_injections("held_out"), planted_injections("development")
    assert len(held_out) > 100
    assert len(set(held_out)) == len(held_out)
    assert not set(held_out) & set(development)
