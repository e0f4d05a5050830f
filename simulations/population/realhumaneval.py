"""`--data realhumaneval`: programmers who solved small tasks with a chat model, a device each, with what they chose.

Nobody voted here. What is known of a reply is whether the programmer copied it (the reply's copy button, or a selection
copied from the chat) into the editor where the task is solved. A *rewrite made by life* is two replies of one
conversation such that

1. the earlier one was answered by a further message of the user and never copied;
2. the later one is the next reply of that conversation that was copied;
3. the later one is the earlier one done again. Told from the two replies alone: their fenced code defines a function
   or class of the same name, or at least half of the distinct lines of the shorter code stand in the longer one too.

It gives the pair: prompt = the conversation up to the original request, chosen = the later reply, rejected = the
earlier one. Without rule 3 most such pairs would set replies to two different questions against each other.

What this cannot tell, and what it therefore is not. Some programmers retype instead of copying. Copying code is not
liking its explanation. A request to extend working code counts as one to redo it, as does an answer to code that the
user pasted into both messages. The later reply was written with the follow-up in view, so under the original prompt it
may hold what nobody could have guessed from that; RLHI's rewrites share this. Replies without code are never paired.

Mozannar et al., "The RealHumanEval", 2024, arXiv:2404.02806 (CC0).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shared.conversation import InvalidConversationError, Message, PreferencePair
from shared.preference_files import read_lines
from shared.preference_lines import JsonLine, parse_json_line
from simulations.population.recorded import RecordedPair, RecordedPopulation, group_by_user

NAME = "realhumaneval"
CONVERSATIONS_FILE = "conversations.jsonl.gz"

Outcome = Literal[
    "paired",
    "the reply was copied itself",
    "the user wrote nothing after it",
    "no later reply was copied",
    "one of the replies holds no code",
    "the later reply is about other code",
    "the replies are identical",
    "the conversation does not start with the user",
    "two messages of the user in a row before it",
]

SHARED_LINES = 0.5  # of rule 3

_KEYS = frozenset(
    {"user_id", "conversation_id", "conversation_index", "model", "task_name", "start_t", "n_user_turns", "messages"}
)
_COPY_EVENTS = frozenset({"copy_button", "copy_chat"})
_CODE_BLOCK = re.compile(r"```[^\n]*\n(.*?)(?:```|\Z)", re.DOTALL)
_DEFINITION = re.compile(r"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)
_SHORT_LINE = 3  # characters: brackets and `)` are everywhere


@dataclass(frozen=True, kw_only=True, repr=False)
class LoggedMessage:
    """A message, and whether the user copied it (replies only)."""

    message: Message
    copied: bool


@dataclass(frozen=True, kw_only=True, repr=False)
class LoggedConversation:
    """One conversation of one programmer on one task."""

    user_id: str
    task: str
    messages: tuple[LoggedMessage, ...]


def load_realhumaneval(directory: Path) -> RecordedPopulation:
    """Every programmer as a device; most have no pair, and stay. A pair's group is its task.

    Raises:
        PreferenceFileError: malformed lines, by file, line and field.
        OSError: the file is missing or cannot be read.
    """
    conversations = read_conversations(directory)
    recorded: list[RecordedPair] = []
    outcomes: Counter[Outcome] = Counter()
    for conversation in conversations:
        for outcome, pair in life_rewrites(conversation.messages):
            outcomes[outcome] += 1
            if pair is not None:
                group = f"task {conversation.task}"
                recorded.append(RecordedPair(user_id=conversation.user_id, group=group, pair=pair))
    return group_by_user(
        NAME,
        recorded,
        users_without_pairs=[conversation.user_id for conversation in conversations],
        left_out={outcome: count for outcome, count in sorted(outcomes.items()) if outcome != "paired"},
        read={
            "conversations": len(conversations),
            "replies": sum(outcomes.values()),
            "replies copied": sum(logged.copied for one in conversations for logged in one.messages),
        },
    )


def read_conversations(directory: Path) -> tuple[LoggedConversation, ...]:
    """The conversations as logged, in the order of the file. Errors as `load_realhumaneval` has them."""
    path = directory / CONVERSATIONS_FILE
    return read_lines(
        path, lambda text, number: _parse_conversation(parse_json_line(text, file=str(path), line=number))
    )


def life_rewrites(messages: Sequence[LoggedMessage]) -> Iterator[tuple[Outcome, PreferencePair | None]]:
    """For every reply of a conversation: what became of it, and the pair in which it was rejected if there is one."""
    for index, logged in enumerate(messages):
        if logged.message.role == "assistant":
            yield _life_rewrite(messages, index)


def _life_rewrite(messages: Sequence[LoggedMessage], index: int) -> tuple[Outcome, PreferencePair | None]:
    original = messages[index]
    if original.copied:
        return "the reply was copied itself", None
    if not any(later.message.role == "user" for later in messages[index + 1 :]):
        return "the user wrote nothing after it", None
    redone = next((later for later in messages[index + 1 :] if later.copied), None)
    if redone is None:
        return "no later reply was copied", None
    earlier_code, later_code = _code(original.message.content), _code(redone.message.content)
    if not earlier_code or not later_code:
        return "one of the replies holds no code", None
    if not is_same_code(earlier_code, later_code):
        return "the later reply is about other code", None
    prompt = tuple(logged.message for logged in messages[:index])
    roles = [message.role for message in prompt]
    if not roles or roles[0] != "user":
        return "the conversation does not start with the user", None
    if roles[0::2] != ["user"] * len(roles[0::2]) or roles[1::2] != ["assistant"] * len(roles[1::2]):
        return "two messages of the user in a row before it", None
    try:
        pair = PreferencePair(prompt=prompt, chosen=(redone.message,), rejected=(original.message,), origin="rewrite")
    except InvalidConversationError:
        return "the replies are identical", None
    return "paired", pair


def is_same_code(first: str, second: str) -> bool:
    """Whether one piece of code looks like the other done again: rule 3 of this module."""
    if _defined(first) & _defined(second):
        return True
    lines, others = _lines(first), _lines(second)
    shorter = min(len(lines), len(others))
    return shorter > 0 and len(lines & others) >= SHARED_LINES * shorter


def _code(reply: str) -> str:
    return "\n".join(_CODE_BLOCK.findall(reply)).strip()


def _defined(code: str) -> set[str]:
    # `__init__` and its like say nothing of which code it is; nor does `main`.
    return {name for name in _DEFINITION.findall(code) if not name.startswith("__") and name != "main"}


def _lines(code: str) -> set[str]:
    # Imports are shared by code that has nothing else in common.
    stripped = (line.strip() for line in code.splitlines())
    return {line for line in stripped if len(line) > _SHORT_LINE and not line.startswith(("import ", "from "))}


def _parse_conversation(line: JsonLine) -> LoggedConversation:
    line.check_keys(required=_KEYS, optional=())
    line.text("conversation_id")
    line.text("model")
    line.integer("conversation_index", minimum=0)
    line.integer("n_user_turns", minimum=0)
    _check_seconds(line, "start_t", line.values["start_t"])
    entries = line.values["messages"]
    if not isinstance(entries, list) or not entries:
        line.refuse("messages", "must be a non-empty list of messages")
    return LoggedConversation(
        user_id=line.text("user_id"),
        task=line.text("task_name"),
        messages=tuple(_parse_message(line, f"messages[{place}]", entry) for place, entry in enumerate(entries)),
    )


def _parse_message(line: JsonLine, where: str, entry: object) -> LoggedMessage:
    if not isinstance(entry, dict):
        line.refuse(where, "must be an object with role and content")
    message = line.message(where, entry.get("role"), entry.get("content"))
    # A reply carried over from an earlier conversation has neither time nor copies.
    allowed = {"role", "content", "t", "copied"} if message.role == "assistant" else {"role", "content"}
    if not entry.keys() <= allowed:
        line.refuse(where, f"may hold {', '.join(sorted(allowed))} and nothing else")
    if "t" in entry:
        _check_seconds(line, f"{where}.t", entry["t"])
    copied = entry.get("copied", [])
    if not isinstance(copied, list) or not all(event in _COPY_EVENTS for event in copied if isinstance(event, str)):
        line.refuse(f"{where}.copied", f"must be a list of {', '.join(sorted(_COPY_EVENTS))}")
    if not all(isinstance(event, str) for event in copied):
        line.refuse(f"{where}.copied", f"must be a list of {', '.join(sorted(_COPY_EVENTS))}")
    return LoggedMessage(message=message, copied=bool(copied))


def _check_seconds(line: JsonLine, key: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        line.refuse(key, "must be a number of seconds")
