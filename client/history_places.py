"""Where in a history pairs can be made: which messages of the user's are feedback, on which reply, to which request."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random

from client.followups import FollowUp, FollowUpClassifier, FollowUpKind, FollowUpLabel
from shared.conversation import Conversation, Message

Tried = tuple[str, int, int]
"""A request and what was said of its reply: conversation id, turn, number of feedbacks."""
Labelled = tuple[Conversation, int, FollowUpLabel]
"""A message after a reply: its conversation, its place in it, and what it is."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Place:
    """A request in a history.

    Attributes:
        user: place of its history.
        conversation, turn: where it is.
        feedbacks: what was said of the reply to it, in order; none of a request that drew no feedback.
    """

    user: int
    conversation: Conversation
    turn: int
    feedbacks: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Place(user={self.user}, turn={self.turn}, {len(self.feedbacks)} feedbacks)"

    @property
    def tried(self) -> Tried:
        """By which a place is known: with more feedback it is another."""
        return self.conversation.conversation_id, self.turn, len(self.feedbacks)

    @property
    def prompt(self) -> tuple[Message, ...]:
        return self.conversation.messages[: self.turn + 1]


def classify_histories(
    histories: Sequence[Sequence[Conversation]], classifier: FollowUpClassifier
) -> list[list[Labelled]]:
    """What each message after a reply is, history by history."""
    where = [
        (user, conversation, turn)
        for user, history in enumerate(histories)
        for conversation in history
        for turn in _follow_up_turns(conversation)
    ]
    labels = classifier.classify(
        [
            FollowUp(conversation=conversation.messages[:turn], text=conversation.messages[turn].content)
            for _, conversation, turn in where
        ]
    )
    labelled: list[list[Labelled]] = [[] for _ in histories]
    for (user, conversation, turn), label in zip(where, labels, strict=True):
        labelled[user].append((conversation, turn, label))
    return labelled


def _follow_up_turns(conversation: Conversation) -> list[int]:
    messages = conversation.messages
    return [
        turn
        for turn in range(1, len(messages))
        if messages[turn].role == "user" and messages[turn - 1].role == "assistant"
    ]


def find_places(
    histories: Sequence[Sequence[Conversation]],
    labelled: Sequence[Sequence[Labelled]],
    *,
    rewrites: int,
    rewards: int,
    minimum_confidence: float,
    seed: int,
    tried: Sequence[Collection[Tried]] = (),
) -> tuple[list[Place], list[Place]]:
    """(requests whose reply was to be redone, opening requests that drew no such feedback).

    Args:
        rewrites, rewards: at most so many of a user.
        tried: of each user, places that are passed over; none by default.
    """
    dissatisfied: list[Place] = []
    quiet: list[Place] = []
    for user, history in enumerate(histories):
        marks: dict[str, dict[int, bool]] = {}
        for conversation, turn, label in labelled[user]:
            is_feedback = label.kind is FollowUpKind.REATTEMPT and label.confidence >= minimum_confidence
            marks.setdefault(conversation.conversation_id, {})[turn] = is_feedback
        commented: list[Place] = []
        uncommented: list[Place] = []
        for conversation in history:
            asked = _feedback_by_request(conversation, marks.get(conversation.conversation_id, {}))
            commented += [
                Place(user=user, conversation=conversation, turn=turn, feedbacks=tuple(said))
                for turn, said in asked.items()
            ]
            opening = _opening_request(conversation)
            if opening is not None and opening not in asked:
                uncommented.append(Place(user=user, conversation=conversation, turn=opening))
        if tried:
            commented, uncommented = (
                [place for place in places if place.tried not in tried[user]] for places in (commented, uncommented)
            )
        rng = Random(f"tacit pairs {seed} {user}")
        dissatisfied += _draw(commented, rewrites, rng)
        quiet += _draw(uncommented, rewards, rng)
    return dissatisfied, quiet


def _feedback_by_request(conversation: Conversation, is_feedback: dict[int, bool]) -> dict[int, list[str]]:
    """Place of a request → what was said of the reply to it, in order."""
    asked: dict[int, list[str]] = {}
    for turn in sorted(turn for turn, marked in is_feedback.items() if marked):
        request = _request_before(conversation, turn, is_feedback)
        if request is not None:
            asked.setdefault(request, []).append(conversation.messages[turn].content)
    return asked


def _request_before(conversation: Conversation, turn: int, is_feedback: dict[int, bool]) -> int | None:
    """The request that a feedback is about: the user's last message before it that is no feedback itself."""
    for place in range(turn - 1, -1, -1):
        if conversation.messages[place].role == "user" and not is_feedback.get(place, False):
            answered = conversation.messages[place + 1].role == "assistant"
            return place if answered else None
    return None


def _opening_request(conversation: Conversation) -> int | None:
    places = [place for place, message in enumerate(conversation.messages) if message.role != "system"]
    return places[0] if places and conversation.messages[places[0]].role == "user" else None


def _draw(places: Sequence[Place], count: int, rng: Random) -> list[Place]:
    if len(places) <= count:
        return list(places)
    return [places[index] for index in sorted(rng.sample(range(len(places)), count))]
