"""Features: any text gives finite ones, of the sizes promised; they depend on nothing but the texts."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given

from client.followups import FollowUp
from client.followups.features import BUCKETS, RELATION_COUNT, Features, follow_up_features
from shared.conversation import Message
from tests.client.followups.examples import ODD_TEXTS, any_text, follow_up


def check(features: Features, buckets: int) -> None:
    assert features.relations.shape == (RELATION_COUNT,)
    assert len(features.buckets) == len(features.values) == len(set(features.buckets.tolist()))
    assert ((features.buckets >= 0) & (features.buckets < buckets)).all()
    assert np.isfinite(features.values).all()
    assert np.isfinite(features.relations).all()


@given(any_text, any_text, any_text)
def test_any_texts_give_finite_features(text: str, request: str, reply: str) -> None:
    check(follow_up_features(follow_up(text, request=request, reply=reply), buckets=64), 64)


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_odd_texts_give_features(text: str) -> None:
    check(follow_up_features(follow_up(text)), BUCKETS)
    check(follow_up_features(follow_up("shorter", request=text, reply=text)), BUCKETS)


def test_a_reply_without_a_request_is_input_too() -> None:
    alone = FollowUp(conversation=(Message(role="assistant", content="Hello!"),), text="hi")
    check(follow_up_features(alone), BUCKETS)


def test_width_and_case_of_letters_do_not_matter() -> None:
    plain, wide = follow_up_features(follow_up("shorter?")), follow_up_features(follow_up("ＳＨＯＲＴＥＲ？"))
    assert np.array_equal(plain.buckets, wide.buckets)
    assert np.array_equal(plain.values, wide.values)
    assert np.array_equal(plain.relations, wide.relations)


def test_relations_tell_a_repeated_request_from_another() -> None:
    request = "how to sort a list of names"
    repeated = follow_up_features(follow_up(request, request=request)).relations
    other = follow_up_features(follow_up("what is a good name for a cat", request=request)).relations
    assert not np.array_equal(repeated, other)


def test_the_middle_of_a_long_text_is_not_read() -> None:
    first = follow_up_features(follow_up("a" * 500 + "b" * 3_000 + "c" * 500))
    second = follow_up_features(follow_up("a" * 500 + "d" * 3_000 + "c" * 500))
    assert np.array_equal(first.buckets, second.buckets)


def test_another_process_sees_the_same() -> None:
    code = (
        "from tests.client.followups.examples import follow_up;"
        "from client.followups.features import follow_up_features as f;"
        "x = f(follow_up('もっと短く, please!'));"
        "print(x.buckets.sum(), round(x.values.sum(), 9), round(x.relations.sum(), 9))"
    )
    here = follow_up_features(follow_up("もっと短く, please!"))
    there = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert there == [
        str(here.buckets.sum()),
        str(round(here.values.sum(), 9)),
        str(round(here.relations.sum(), 9)),
    ]


def test_repr_shows_counts_only() -> None:
    assert "secret" not in repr(follow_up_features(follow_up("secret word")))
