"""The log of a simulated user: how often they are dissatisfied, and that what they say is true."""

from __future__ import annotations

import math
from itertools import islice

from client.prompts import FollowUpKind
from simulations.population.embedded.conversations import DISSATISFACTION_RATE, conversations
from simulations.population.embedded.parser import read_reply
from simulations.population.embedded.style import AXES
from simulations.population.embedded.users import make_user

LOG = [
    (user, exchange)
    for user in (make_user(7, "train", index) for index in range(100))
    for exchange in islice(conversations(user), 60)
]


def test_dissatisfaction_is_voiced_at_the_papers_rate() -> None:
    n = len(LOG)
    rate = sum(exchange.kind is FollowUpKind.REATTEMPT for _, exchange in LOG) / n
    sigma = math.sqrt(DISSATISFACTION_RATE * (1 - DISSATISFACTION_RATE) / n)
    assert DISSATISFACTION_RATE == 0.2651
    assert abs(rate - DISSATISFACTION_RATE) < 4 * sigma
    assert 4 * sigma < 0.03, "the bound is tight enough to tell 26.51 % from 30 %"


def test_every_complaint_is_true_and_the_revision_mends_exactly_it() -> None:
    for user, exchange in LOG:
        if exchange.kind is not FollowUpKind.REATTEMPT:
            assert exchange.revision is None
            assert not exchange.asked
            continue
        assert exchange.revision is not None
        assert exchange.asked
        before = read_reply(exchange.reply, exchange.question)
        after = read_reply(exchange.revision, exchange.question)
        for axis in AXES:
            if axis in exchange.asked:
                assert exchange.asked[axis] == user.style[axis] == after.poles[axis] != before.poles[axis]
            else:
                assert after.poles[axis] == before.poles[axis]


def test_complaints_point_to_both_poles_of_each_axis_equally_often() -> None:
    asked = [item for _, exchange in LOG for item in exchange.asked.items()]
    for axis in AXES:
        poles = [pole for other, pole in asked if other == axis]
        first = poles.count(poles[0])
        assert abs(first - len(poles) / 2) < 4 * math.sqrt(len(poles)) / 2 + 0.1 * len(poles)
        assert abs(len(poles) / len(asked) - 0.25) < 0.05


def test_all_kinds_of_follow_up_occur() -> None:
    assert {exchange.kind for _, exchange in LOG} == set(FollowUpKind)


def test_an_exchange_does_not_depend_on_how_many_are_drawn() -> None:
    user = make_user(7, "train", 3)
    few, many = list(islice(conversations(user), 3)), list(islice(conversations(user), 30))
    assert few == many[:3]
