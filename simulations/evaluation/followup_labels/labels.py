"""Hand-made labels of RealHumanEval's follow-ups, joined with the conversations they belong to.

The labels' file holds ids and kinds, never text; whoever has the conversations can join the two. `GUIDELINE.md` says
how the labels were made.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from random import Random

from client.followups import FollowUp, FollowUpKind
from shared.conversation import Message
from shared.preference_files import read_lines
from shared.preference_lines import PreferenceLineError, parse_json_line
from simulations.population.realhumaneval import CONVERSATIONS_FILE, read_conversations

LABELS_FILE = "realhumaneval.csv"

_COLUMNS = ["user_id", "conversation_id", "turn", "label"]


@dataclass(frozen=True, kw_only=True)
class LabelledFollowUp:
    """A follow-up and what it is.

    Attributes:
        user_id: whose it is; None where the data knows no users.
        followup: in context. Its `repr` shows no text.
        kind: the label.
    """

    user_id: str | None
    followup: FollowUp
    kind: FollowUpKind


@dataclass(frozen=True, kw_only=True)
class _Label:
    line: int
    user_id: str
    conversation_id: str
    turn: int
    kind: FollowUpKind


def read_realhumaneval_labels(directory: Path, *, labels: Path | None = None) -> tuple[LabelledFollowUp, ...]:
    """The labelled follow-ups, in the order of the labels.

    Args:
        directory: holds `conversations.jsonl.gz`.
        labels: a labels' file; None is the one that was made for this data.

    Raises:
        PreferenceLineError: a label is malformed or fits no follow-up of the data; names file, line and field.
        PreferenceFileError: the conversations are malformed.
        OSError: a file is missing or cannot be read.
    """
    if labels is None:
        labels = Path(str(files(__package__).joinpath(LABELS_FILE)))
    conversations = _conversations_by_id(directory)
    return tuple(_join(label, labels, conversations) for label in _read_labels(labels))


def split_by_user(
    labelled: Sequence[LabelledFollowUp], *, test_share: float = 0.4, seed: int = 0
) -> tuple[tuple[LabelledFollowUp, ...], tuple[LabelledFollowUp, ...]]:
    """(training, test): whole users, drawn by `seed` until `test_share` of the follow-ups is theirs.

    Raises:
        ValueError: a follow-up without a user, or a share outside (0, 1).
    """
    if not 0 < test_share < 1:
        raise ValueError("test_share must be between 0 and 1")
    if any(one.user_id is None for one in labelled):
        raise ValueError("follow-ups without users cannot be split by user")
    users = sorted({str(one.user_id) for one in labelled})
    Random(f"tacit follow-up users {seed}").shuffle(users)
    test: set[str] = set()
    held = 0
    for user in users:
        if held >= test_share * len(labelled):
            break
        test.add(user)
        held += sum(one.user_id == user for one in labelled)
    return (
        tuple(one for one in labelled if one.user_id not in test),
        tuple(one for one in labelled if one.user_id in test),
    )


def _conversations_by_id(directory: Path) -> dict[str, tuple[str, tuple[Message, ...]]]:
    """Conversation id → (user id, messages). The population's own reader checks the lines and drops the ids."""
    path = directory / CONVERSATIONS_FILE
    ids = read_lines(
        path, lambda text, number: parse_json_line(text, file=str(path), line=number).text("conversation_id")
    )
    found: dict[str, tuple[str, tuple[Message, ...]]] = {}
    for place, (name, conversation) in enumerate(zip(ids, read_conversations(directory), strict=True), start=1):
        if name in found:
            raise PreferenceLineError(
                file=str(path), line=place, field="conversation_id", reason="this id stands twice in the file"
            )
        found[name] = (conversation.user_id, tuple(logged.message for logged in conversation.messages))
    return found


def _read_labels(path: Path) -> Iterator[_Label]:
    with path.open(encoding="utf-8", newline="") as file:
        rows: Iterable[list[str]] = csv.reader(file)
        seen: set[tuple[str, int]] = set()
        for number, row in enumerate(rows, start=1):
            if number == 1:
                if row != _COLUMNS:
                    raise _error(path, 1, "line", f"the first line must be {','.join(_COLUMNS)}")
                continue
            label = _parse_label(path, number, row)
            if (label.conversation_id, label.turn) in seen:
                raise _error(path, number, "turn", "this turn is labelled twice")
            seen.add((label.conversation_id, label.turn))
            yield label


def _parse_label(path: Path, number: int, row: list[str]) -> _Label:
    if len(row) != len(_COLUMNS):
        raise _error(path, number, "line", f"must hold {len(_COLUMNS)} values")
    user_id, conversation_id, turn, kind = row
    if not user_id or not conversation_id:
        raise _error(path, number, "conversation_id" if user_id else "user_id", "must not be empty")
    if not (turn.isascii() and turn.isdigit()):
        raise _error(path, number, "turn", "must be an integer of at least 0")
    if kind not in list(FollowUpKind):
        raise _error(path, number, "label", f"must be one of {', '.join(FollowUpKind)}")
    return _Label(
        line=number,
        user_id=user_id,
        conversation_id=conversation_id,
        turn=int(turn),
        kind=FollowUpKind(kind),
    )


def _join(label: _Label, path: Path, conversations: dict[str, tuple[str, tuple[Message, ...]]]) -> LabelledFollowUp:
    if label.conversation_id not in conversations:
        raise _error(path, label.line, "conversation_id", "the data holds no such conversation")
    user_id, messages = conversations[label.conversation_id]
    if user_id != label.user_id:
        raise _error(path, label.line, "user_id", "the conversation is another user's")
    turn = label.turn
    if not 0 < turn < len(messages) or messages[turn].role != "user" or messages[turn - 1].role != "assistant":
        raise _error(path, label.line, "turn", "there is no user's message after a reply at this place")
    return LabelledFollowUp(
        user_id=label.user_id,
        followup=FollowUp(conversation=messages[:turn], text=messages[turn].content),
        kind=label.kind,
    )


def _error(path: Path, line: int, field: str, reason: str) -> PreferenceLineError:
    return PreferenceLineError(file=str(path), line=line, field=field, reason=reason)
