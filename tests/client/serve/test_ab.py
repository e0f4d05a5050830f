"""Blind comparisons without a browser: what is shown tells nothing, each vote counts once, and figures are known."""

from __future__ import annotations

from itertools import cycle

import pytest

from client.ab import MOST_COMPARISONS, SECONDS, ComparisonGoneError, Comparisons, WinRate, wilson
from client.vault.votes import VoteCounts
from tests.tiny import message

ASKED = (message("user", "How does bread rise?"),)


def test_the_order_is_drawn_and_a_vote_is_of_what_was_shown() -> None:
    comparisons = Comparisons(coin=cycle([True, False]).__next__)
    first, one = comparisons.make(None, ASKED, tuned="learned", base="plain")
    second, other = comparisons.make(None, ASKED, tuned="learned", base="plain")

    assert (one.shown, other.shown) == ({"1": "learned", "2": "plain"}, {"1": "plain", "2": "learned"})
    assert [one.outcome(ballot) for ballot in ("1", "2", "tie")] == ["tuned", "base", "tie"]
    assert [other.outcome(ballot) for ballot in ("1", "2", "tie")] == ["base", "tuned", "tie"]
    assert (one.voted("2"), other.voted("2"), other.voted("tie")) == ("plain", "learned", "plain")
    assert first != second


def test_either_order_comes_up_about_equally_often() -> None:
    comparisons = Comparisons()
    firsts = sum(comparisons.make(None, ASKED, tuned="a", base="b")[1].tuned_first for _ in range(600))

    assert 220 < firsts < 380  # 6.5 standard deviations


def test_a_comparison_is_voted_on_once() -> None:
    comparisons = Comparisons()
    name, made = comparisons.make(None, ASKED, tuned="a", base="b")

    assert comparisons.take(name) is made
    with pytest.raises(ComparisonGoneError):
        comparisons.take(name)


def test_comparisons_are_few_and_do_not_last() -> None:
    now = [0.0]
    comparisons = Comparisons(clock=lambda: now[0])
    names = [comparisons.make(None, ASKED, tuned="a", base="b")[0] for _ in range(MOST_COMPARISONS + 3)]

    assert len(comparisons) == MOST_COMPARISONS
    with pytest.raises(ComparisonGoneError):
        comparisons.take(names[2])
    comparisons.take(names[3])
    now[0] = SECONDS + 1
    with pytest.raises(ComparisonGoneError):
        comparisons.take(names[4])
    assert len(comparisons) == 0


def test_forgetting_a_conversation_drops_its_comparisons() -> None:
    comparisons = Comparisons()
    gone, _ = comparisons.make("chat:1", ASKED, tuned="a", base="b")
    kept, _ = comparisons.make("chat:2", ASKED, tuned="a", base="b")
    comparisons.forget("chat:1")

    comparisons.take(kept)
    with pytest.raises(ComparisonGoneError):
        comparisons.take(gone)


def test_replies_that_say_the_same_are_a_tie() -> None:
    comparisons = Comparisons()

    assert comparisons.make(None, ASKED, tuned="The same.\n", base="The same.")[1].is_tie
    assert not comparisons.make(None, ASKED, tuned="The same.", base="Another.")[1].is_tie


@pytest.mark.parametrize(
    ("share", "votes", "low", "high"),
    # By R's prop.test(k, n, correct = FALSE).
    [
        (0.7, 10, 0.3967781, 0.8922087),
        (0.5, 1, 0.0546217, 0.9453783),
        (1.0, 20, 0.8388749, 1.0),
        (0.0, 5, 0.0, 0.4344825),
    ],
)
def test_the_interval_is_wilsons(share: float, votes: int, low: float, high: float) -> None:
    assert wilson(share, votes) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        (VoteCounts(tuned=20, base=2, tie=1), "You prefer the replies of the assistant that has learned"),
        (VoteCounts(tuned=2, base=20), "You prefer the replies from before"),
        (VoteCounts(tuned=3, base=2, tie=4), "do not tell yet"),
    ],
)
def test_a_win_rate_says_what_it_means(counts: VoteCounts, says: str) -> None:
    rate = WinRate.of(counts)

    assert rate is not None
    assert says in rate.meaning(from_user=True)
    assert rate.votes == counts.tuned + counts.base + counts.tie
    assert WinRate.of(VoteCounts()) is None


def test_only_what_has_learned_from_its_user_is_said_to_have() -> None:
    rate = WinRate.of(VoteCounts(tuned=20, base=2))

    assert rate is not None
    assert "from you" in rate.meaning(from_user=True)
    assert "from you" not in rate.meaning(from_user=False)


def test_no_repr_shows_what_was_said() -> None:
    comparisons = Comparisons()
    _, made = comparisons.make(None, ASKED, tuned="secret one", base="secret two")

    assert "secret" not in repr(made) + repr(comparisons)
    assert "bread" not in repr(made)
