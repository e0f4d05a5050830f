from __future__ import annotations

from dataclasses import replace

import pytest

from client.choice_pairs import choice_pairs, pair_of
from client.filtering import FilterConfig, Reason
from client.importers.imported import BranchChoice, BranchKind
from client.vault.choices import KeptChoice
from shared.conversation import Message
from tests.tiny import message

GOOD, WORSE = "Yeast eats sugar and gives off gas.", "It just rises by itself, nobody knows why."


def kept(
    prompt: list[Message], chosen: list[Message], left: list[Message], kind: BranchKind = "regenerated", number: int = 1
) -> KeptChoice:
    choice = BranchChoice(prompt=tuple(prompt), kept=tuple(chosen), left=tuple(left), kind=kind)
    return KeptChoice(number=number, conversation_id=f"c{number}", choice=choice)


def test_a_reply_that_was_left_is_worse_than_the_one_kept() -> None:
    asked = [message("user", "How does bread rise?")]
    pair = pair_of(kept(asked, [message("assistant", GOOD)], [message("assistant", WORSE)]), "A baker.")

    assert pair is not None
    assert pair.prompt == tuple(asked)
    assert (pair.chosen[0].content, pair.rejected[0].content) == (GOOD, WORSE)
    assert (pair.origin, pair.persona) == ("choice", "A baker.")


def test_a_message_worded_anew_prefers_the_reply_to_the_later_wording() -> None:
    before = [message("system", "Be kind.")]
    pair = pair_of(
        kept(
            before,
            [message("user", "How does bread rise, chemically?"), message("assistant", GOOD)],
            [message("user", "Bread?"), message("assistant", WORSE)],
            "edited",
        ),
        None,
    )

    assert pair is not None
    assert [one.content for one in pair.prompt] == ["Be kind.", "How does bread rise, chemically?"]
    assert (pair.chosen[0].content, pair.rejected[0].content) == (GOOD, WORSE)


@pytest.mark.parametrize(
    "left",
    [[message("user", "Bread?")], [message("user", "Bread?"), message("assistant", " ")]],
)
def test_a_wording_that_drew_no_reply_shows_nothing(left: list[Message]) -> None:
    chosen = [message("user", "How does bread rise?"), message("assistant", GOOD)]
    assert pair_of(kept([], chosen, left, "edited"), None) is None


def test_the_newest_that_may_train_are_taken_and_others_have_a_reason() -> None:
    asked = [message("user", "How does bread rise?")]
    choices = [
        kept(asked, [message("assistant", f"{GOOD} {place} of many.")], [message("assistant", WORSE)], number=place)
        for place in range(1, 5)
    ]
    same = kept(asked, [message("assistant", GOOD)], [message("assistant", f"{GOOD} ")], number=9)
    made, reasons = choice_pairs([*choices, same], FilterConfig(), persona=None, most=3)

    assert [one.choice for one in made] == [2, 3, 4]
    waiting = [replace(one, went_on=False) for one in choices]
    assert choice_pairs(waiting, FilterConfig(), persona=None, most=3) == ([], [])
    assert reasons == [Reason.NOT_DIFFERENT]
    assert "Yeast" not in repr(made)
