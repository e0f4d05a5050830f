"""Recorded populations: everyone's pairs on their own device, subsets that cut both ways, nothing private in a repr."""

from __future__ import annotations

import pickle

import pytest

from shared.conversation import Message, PreferencePair
from simulations.population.protocol import Population
from simulations.population.recorded import RecordedPair, RecordedPopulation, group_by_user

PRIVATE = "zebra-quartz-7781"


def recorded(user: str, group: str, number: int = 0) -> RecordedPair:
    pair = PreferencePair(
        prompt=(Message(role="user", content=f"{PRIVATE} {group}"),),
        chosen=(Message(role="assistant", content=f"{PRIVATE} yes {number}"),),
        rejected=(Message(role="assistant", content="no"),),
        origin="vote",
    )
    return RecordedPair(user_id=user, group=group, pair=pair)


@pytest.fixture
def population() -> RecordedPopulation:
    entries = [recorded("b", "q1"), recorded("a", "q2", 1), recorded("b", "q2"), recorded("a", "q1", 2)]
    return group_by_user("made", entries, users_without_pairs=["c", "b"], left_out={"tied": 3}, read={"lines": 7})


def test_users_are_sorted_devices_and_keep_their_order_of_pairs(population: RecordedPopulation) -> None:
    as_protocol: Population = population
    assert (as_protocol.name, len(as_protocol), population.user_ids) == ("made", 3, ("a", "b", "c"))
    assert [entry.group for entry in population.devices[0]] == ["q2", "q1"]
    assert population.pairs(0) == tuple(entry.pair for entry in population.devices[0])
    assert population.pairs(2) == ()
    assert population.groups() == ("q1", "q2")
    for index in (-1, 3):
        with pytest.raises(IndexError):
            population.pairs(index)


def test_a_subset_cuts_by_user_and_by_group_and_keeps_empty_devices(population: RecordedPopulation) -> None:
    part = population.subset(users=["c", "b"], groups={"q1"})
    assert part.user_ids == ("b", "c")
    assert [(entry.user_id, entry.group) for entry in part.recorded_pairs()] == [("b", "q1")]
    assert part.pairs(1) == ()
    assert population.subset().devices == population.devices
    with pytest.raises(ValueError, match="does not have"):
        population.subset(users=["nobody"])


def test_it_survives_pickling_and_shows_no_text(population: RecordedPopulation) -> None:
    copied = pickle.loads(pickle.dumps(population))  # noqa: S301
    assert copied == population
    shown = repr(population) + repr(population.devices) + repr(population.load_report())
    assert PRIVATE not in shown


def test_the_report_counts_what_was_left_out(population: RecordedPopulation) -> None:
    assert population.load_report().to_json() == {
        "users": 3,
        "groups": 2,
        "pairs": 4,
        "users_without_pairs": 1,
        "left_out": {"tied": 3},
        "read": {"lines": 7},
    }


def test_pairs_on_another_users_device_are_refused() -> None:
    with pytest.raises(ValueError, match="another user's device"):
        RecordedPopulation(name="made", user_ids=("a",), devices=((recorded("b", "q"),),))
    with pytest.raises(ValueError, match="distinct users"):
        RecordedPopulation(name="made", user_ids=("a", "a"), devices=((), ()))
