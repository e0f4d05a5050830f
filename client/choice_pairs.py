"""Pairs from what an export or a chat shows by itself: a person left one reply and went on from another.

Another reply asked for: after the same request, the reply kept > the one left. A message worded anew: after the later
wording, the reply to it > the reply that the earlier wording had drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from client.filtering import FilterConfig, MadePair, Reason, reason_to_reject
from client.vault.choices import KeptChoice
from shared.conversation import InvalidConversationError, PreferencePair


@dataclass(frozen=True, kw_only=True, repr=False)
class ChoicePair:
    """Attributes:
    choice: the choice's number in the vault.
    made: its pair.
    """

    choice: int
    made: MadePair

    def __repr__(self) -> str:
        return f"ChoicePair(choice={self.choice})"


def pair_of(kept: KeptChoice, persona: str | None) -> PreferencePair | None:
    """The pair that a choice shows; None where one side has no reply."""
    choice = kept.choice
    prompt, chosen, rejected = choice.prompt, choice.kept, choice.left
    if choice.kind == "edited":
        prompt, chosen, rejected = (*prompt, *chosen[:1]), chosen[1:], rejected[1:]
    try:
        return PreferencePair(prompt=prompt, chosen=chosen, rejected=rejected, persona=persona, origin="choice")
    except InvalidConversationError:
        return None


def choice_pairs(
    choices: Sequence[KeptChoice], config: FilterConfig, *, persona: str | None, most: int
) -> tuple[list[ChoicePair], list[Reason]]:
    """(the newest `most` pairs that may train, oldest first; why others may not).

    A choice at a conversation's end waits until it goes on.
    """
    made: list[ChoicePair] = []
    turned_away: list[Reason] = []
    for kept in reversed(choices):
        if len(made) == most:
            break
        if not kept.went_on:
            continue
        pair = pair_of(kept, persona)
        reason: Reason | None = Reason.EMPTY
        if pair is not None:
            found = MadePair(pair=pair, conversation_id=kept.conversation_id, turn=len(pair.prompt) - 1)
            reason = reason_to_reject(found, config)
        if reason is None:
            made.append(ChoicePair(choice=kept.number, made=found))
        else:
            turned_away.append(reason)
    return made[::-1], turned_away
