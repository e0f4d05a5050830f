"""Imported conversations in files: `conversations.jsonl` as the other commands read it, and `choices.jsonl` beside it.

A line of `choices.jsonl` is one choice, by reference into the conversation of that id:

    {"conversation_id", "kind", "at": messages before it, "kept": how many of them were kept, "left": [messages]}

Both files are read and written a line at a time. What is held of each conversation that is kept is a hash (about 250
bytes). While an import runs, what is new is in files without a name, which vanish with the process; then each file is
replaced whole, choices first. A process killed between the two has kept choices of conversations that are not there
yet: the next import finds that they differ and keeps both again. Files have mode 0600; one import at a time holds the
lock.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

from filelock import FileLock, Timeout

from client.conversation_files import format_conversation, parse_conversation
from client.importers.imported import Branch, BranchChoice
from client.importers.importing import Put
from shared.conversation import Conversation
from shared.preference_files import PreferenceFileError
from shared.preference_lines import JsonLine, PreferenceLineError, parse_json_line
from shared.private_files import sync

CHOICES_NAME = "choices.jsonl"

_LOCK_SECONDS = 5.0
_COPIED_BYTES = 2**20
_CHOICE_KEYS = ("conversation_id", "kind", "at", "kept", "left")


_Parsed = TypeVar("_Parsed")


class StoreBusyError(RuntimeError):
    """Another import is writing to the same file."""


@dataclass(frozen=True)
class JsonlStore:
    """A `ConversationStore` in two files.

    Attributes:
        path: of the conversations; it need not be there yet, but its directory must.
    """

    path: Path

    @property
    def choices_path(self) -> Path:
        return self.path.with_name(CHOICES_NAME)

    @contextmanager
    def importing(self) -> Iterator[_Writing]:
        """A transaction, as `ConversationStore` has it.

        Raises:
            StoreBusyError: another one is open.
            PreferenceFileError: a file that is there holds a malformed line.
            OSError: a file cannot be read or written.
        """
        lock = FileLock(self.path.with_name(f".{self.path.name}.lock"), timeout=_LOCK_SECONDS, mode=0o600)
        try:
            lock.acquire()
        except Timeout:
            busy = True
        else:
            busy = False
        if busy:
            raise StoreBusyError(f"{self.path}: another import is writing to it; wait for it to end")
        try:
            with (
                tempfile.TemporaryFile(dir=self.path.parent) as conversations,
                tempfile.TemporaryFile(dir=self.path.parent) as choices,
            ):
                writing = _Writing(_index(self), conversations, choices)
                yield writing
                if writing.replaced:
                    self._keep(writing, conversations, choices)
        finally:
            lock.release()

    def choices(self) -> Iterator[tuple[str, BranchChoice]]:
        """Every choice, spelled out, with its conversation's id; in the order of the conversations.

        Choices that do not fit their conversation (an import was killed) are passed over: the next import mends them.

        Raises:
            PreferenceFileError: a malformed line; OSError: a file cannot be read.
        """
        by_id: dict[str, list[Branch]] = {}
        for _, conversation_id, branch in _choice_lines(self.choices_path):
            by_id.setdefault(conversation_id, []).append(branch)
        for conversation in _conversations(self.path):
            for branch in by_id.get(conversation.conversation_id, ()):
                if branch.at + branch.kept <= len(conversation.messages):
                    yield conversation.conversation_id, branch.choice_in(conversation)

    def _keep(self, writing: _Writing, conversations: IO[bytes], choices: IO[bytes]) -> None:
        old_choices = (
            line for line, name, _ in _choice_lines(self.choices_path) if _short_hash(name) not in writing.replaced
        )
        _replace(self.choices_path, old_choices, choices)
        kept = (one for one in _conversations(self.path) if _short_hash(one.conversation_id) not in writing.replaced)
        _replace(self.path, (format_conversation(one) for one in kept), conversations)


class _Writing:
    """What an import has put so far. `replaced` holds the ids that it put, hashed."""

    def __init__(self, index: dict[bytes, bytes], conversations: IO[bytes], choices: IO[bytes]) -> None:
        self._index = index
        self._conversations = conversations
        self._choices = choices
        self.replaced: set[bytes] = set()

    def put(self, conversation: Conversation, branches: Sequence[Branch]) -> Put:
        """As `ImportTransaction` has it."""
        name = _short_hash(conversation.conversation_id)
        line = format_conversation(conversation)
        choice_lines = [_format_choice(conversation.conversation_id, branch) for branch in branches]
        before = self._index.get(name)
        entry = _entry(line, _chained(choice_lines), len(conversation.messages))
        if before == entry:
            return "unchanged"
        if before is not None and len(conversation.messages) < _message_count(before):
            return "shorter"
        if name in self.replaced:
            raise ValueError("an import puts every conversation once")
        self._conversations.write(line)
        self._choices.writelines(choice_lines)
        self.replaced.add(name)
        return "added" if before is None else "updated"


def _index(store: JsonlStore) -> dict[bytes, bytes]:
    """By the hash of each conversation's id: a hash of it and its choices, and its number of messages."""
    choices: dict[bytes, bytes] = {}
    for line, conversation_id, _ in _choice_lines(store.choices_path):
        name = _short_hash(conversation_id)
        choices[name] = _chained([line], choices.get(name, b""))
    index: dict[bytes, bytes] = {}
    for one in _conversations(store.path):
        name = _short_hash(one.conversation_id)
        index[name] = _entry(format_conversation(one), choices.pop(name, b""), len(one.messages))
    return index


def _entry(line: bytes, choices: bytes, messages: int) -> bytes:
    return hashlib.sha256(choices + line).digest()[:16] + messages.to_bytes(6, "big")


def _message_count(entry: bytes) -> int:
    return int.from_bytes(entry[16:], "big")


def _chained(lines: Iterable[bytes], start: bytes = b"") -> bytes:
    for line in lines:
        start = hashlib.sha256(start + line).digest()
    return start


def _short_hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()[:16]


def _conversations(path: Path) -> Iterator[Conversation]:
    return _lines(path, parse_conversation)


def _choice_lines(path: Path) -> Iterator[tuple[bytes, str, Branch]]:
    return ((_format_choice(*parsed), *parsed) for parsed in _lines(path, _parse_choice))


def _lines(path: Path, parse: Callable[[JsonLine], _Parsed]) -> Iterator[_Parsed]:
    """Every line of a file; none where there is no file. Raises: PreferenceFileError: the first malformed line."""
    if not path.exists():
        return
    problem: PreferenceLineError | None = None
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            if raw.isspace():
                continue
            try:
                yield parse(parse_json_line(raw.decode("utf-8"), file=str(path), line=number))
            except PreferenceLineError as error:
                problem = error.with_traceback(None)  # its frames hold the line's text
            except UnicodeDecodeError:
                problem = PreferenceLineError(file=str(path), line=number, field="line", reason="not UTF-8")
            if problem is not None:
                break
    if problem is not None:
        raise PreferenceFileError((problem,), 1)


def _replace(path: Path, old: Iterable[bytes], new: IO[bytes]) -> None:
    """Writes old lines, then the new ones, in place of a file. The name it is written under is always the same, so
    what a killed process left there is written over by the next."""
    written = path.with_name(f".{path.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(written, flags, 0o600), "wb") as file:
        written.chmod(0o600)
        file.writelines(old)
        new.seek(0)
        shutil.copyfileobj(new, file, _COPIED_BYTES)
        file.flush()
        os.fsync(file.fileno())
    written.replace(path)
    sync(path.parent)


def _parse_choice(line: JsonLine) -> tuple[str, Branch]:
    line.check_keys(required=_CHOICE_KEYS, optional=())
    kind = line.values["kind"]
    if kind not in ("regenerated", "edited"):
        line.refuse("kind", "must be regenerated or edited")
    return line.identifier("conversation_id"), Branch(
        at=line.integer("at", minimum=0),
        kept=line.integer("kept", minimum=1),
        left=line.messages("left"),
        kind=kind,
    )


def _format_choice(conversation_id: str, branch: Branch) -> bytes:
    row = {
        "conversation_id": conversation_id,
        "kind": branch.kind,
        "at": branch.at,
        "kept": branch.kept,
        "left": [{"role": message.role, "content": message.content} for message in branch.left],
    }
    return json.dumps(row, ensure_ascii=False).encode("utf-8") + b"\n"
