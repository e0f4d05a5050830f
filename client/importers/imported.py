"""What an importer makes of one record of an export: a conversation, what was left out of it, and choices in it.

**Evidence.** Where an export keeps several branches, the one that the conversation went on with was preferred to the
one that it left. `Branch` says so by reference into the conversation, so that a tree of many branches takes no more
room than its own text; `BranchChoice` is the same spelled out.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NoReturn, get_args

from client.whole_text import whole_text
from shared.conversation import Conversation, Message

FormatName = Literal["chatgpt", "claude", "sharegpt", "wildchat", "lmsys", "open-webui", "messages"]
FORMAT_NAMES: tuple[FormatName, ...] = get_args(FormatName)

BranchKind = Literal["regenerated", "edited"]

SkippedMessage = Literal[
    "hidden",
    "the service's own system message",
    "a tool's message",
    "a call of a tool",
    "thoughts, code or other content that is not said",
    "an image, sound or file without text",
    "empty",
    "of a role that is not user, assistant or system",
    "not a message",
]

SkippedConversation = Literal[
    "not JSON",
    "not UTF-8",
    "not an object",
    "larger than the limit for one conversation",
    "without its messages",
    "no message left",
    "its messages' tree runs in a ring",
    "stands earlier in this import",
    "shorter than the one that is kept",
]

SkippedBranch = Literal[
    "the earlier one was kept",
    "the conversation ended with the reply kept",
    "shown side by side",
    "the same text",
    "nothing to compare",
]

# An id that does not look like one may be a person's words: it is replaced with its hash.
_PLAIN_ID = re.compile(r"[!-~]{1,200}")


class MalformedConversationError(ValueError):
    """A record is no conversation. Its reason is one of a fixed list; it never holds text of the record."""

    def __init__(self, reason: SkippedConversation) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, kw_only=True, repr=False)
class BranchChoice:
    """After `prompt`, the conversation went on with `kept` and not with `left`.

    Attributes:
        prompt: the conversation so far. For "regenerated" it ends with the user's message; for "edited" it is what
            came before that message, and may be empty.
        kept, left: what followed, up to the user's next message. For "edited", both begin with the user's message: its
            later and its earlier wording.
        kind: which of the two happened.
    """

    prompt: tuple[Message, ...]
    kept: tuple[Message, ...]
    left: tuple[Message, ...]
    kind: BranchKind

    def __repr__(self) -> str:
        return f"BranchChoice(kind={self.kind!r}, {len(self.prompt)} prompt messages)"


@dataclass(frozen=True, kw_only=True, repr=False)
class Branch:
    """A choice in a conversation, by reference.

    Attributes:
        at: how many of the conversation's messages come before it.
        kept: how many of them, from there on, are the branch that was kept; at least 1.
        left: the branch that was not.
    """

    at: int
    kept: int
    left: tuple[Message, ...]
    kind: BranchKind

    def __repr__(self) -> str:
        return f"Branch(kind={self.kind!r}, at={self.at})"

    def choice_in(self, conversation: Conversation) -> BranchChoice:
        """The choice, spelled out. `conversation` is the one that the branch came with."""
        messages = conversation.messages
        return BranchChoice(
            prompt=messages[: self.at],
            kept=messages[self.at : self.at + self.kept],
            left=self.left,
            kind=self.kind,
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class ImportedConversation:
    """One conversation of an export.

    Attributes:
        conversation: its main line; `conversation_id` is stable (`conversation_id`).
        branches: choices in it, in its order.
        skipped: messages of the main line that are not in it, by reason.
        skipped_branches: branches that say nothing of what was preferred, by reason.
    """

    conversation: Conversation
    branches: tuple[Branch, ...] = ()
    skipped: Mapping[SkippedMessage, int] = field(default_factory=dict)
    skipped_branches: Mapping[SkippedBranch, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"ImportedConversation({self.conversation!r}, {len(self.branches)} branches)"

    def choices(self) -> Iterator[BranchChoice]:
        """The choices, spelled out one at a time."""
        return (branch.choice_in(self.conversation) for branch in self.branches)


Record = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class ImportFormat:
    """One format.

    Attributes:
        told_by: what in a record tells it, for people.
        recognises: whether a record looks like one of it. Its keys are all that is asked for.
        parse: a record's conversation; raises `MalformedConversationError`.
        columns: what is read of a Parquet file; the rest is not even decoded. None where there is no such file.
    """

    name: FormatName
    told_by: str
    recognises: Callable[[Record], bool]
    parse: Callable[[Record], ImportedConversation]
    columns: Collection[str] | None = None


def said(role: object, text: str) -> Message | SkippedMessage:
    """A message, or why it is none. Half of a surrogate pair, which is not text, becomes U+FFFD."""
    if role not in ("user", "assistant", "system"):
        return "a tool's message" if role in ("tool", "function") else "of a role that is not user, assistant or system"
    if not text.strip():
        return "empty"
    return Message(role=role, content=whole_text(text))


def flat_conversation(
    name: FormatName, original_id: object, started: datetime | None, turns: Iterable[Message | SkippedMessage]
) -> ImportedConversation:
    """A conversation without branches. Raises: MalformedConversationError: no message is left of it."""
    messages: list[Message] = []
    skipped: Counter[SkippedMessage] = Counter()
    for turn in turns:
        if isinstance(turn, Message):
            messages.append(turn)
        else:
            skipped[turn] += 1
    return ImportedConversation(conversation=conversation(name, original_id, started, messages), skipped=dict(skipped))


def conversation(
    name: FormatName, original_id: object, started: datetime | None, messages: Iterable[Message]
) -> Conversation:
    """The conversation under its stable id. Raises: MalformedConversationError: it has no messages."""
    held = tuple(messages)
    if not held:
        refuse("no message left")
    return Conversation(conversation_id=conversation_id(name, original_id, held), messages=held, started=started)


def conversation_id(name: FormatName, original_id: object, messages: Iterable[Message]) -> str:
    """`format:original id`; its hash where that is not plain; or where there is none, a SHA-256 of the messages.

    A conversation without an id of its own that grew is therefore another one.
    """
    if isinstance(original_id, int) and not isinstance(original_id, bool):
        return f"{name}:{original_id}"
    if isinstance(original_id, str) and original_id.strip():
        if _PLAIN_ID.fullmatch(original_id):
            return f"{name}:{original_id}"
        digest = hashlib.sha256(original_id.encode("utf-8", "surrogatepass"))
        return f"{name}:id-sha256-{digest.hexdigest()}"
    digest = hashlib.sha256()
    for message in messages:
        for part in (message.role, message.content):
            encoded = part.encode("utf-8")
            digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return f"{name}:sha256-{digest.hexdigest()}"


def refuse(reason: SkippedConversation) -> NoReturn:
    """Raises MalformedConversationError."""
    raise MalformedConversationError(reason)
