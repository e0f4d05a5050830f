"""Imports what people have into a store: again and again with the same result.

A conversation keeps its id, so one that is there already is left alone, and one that grew since replaces what was
there. One that is shorter than what is kept is an older export's: it is left out. A store takes all or nothing, so an
import that was killed is simply run again. Where an id stands twice in one import, the first counts, every time.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from client.importers.detection import FORMATS, Detected, detect
from client.importers.imported import (
    Branch,
    BranchKind,
    FormatName,
    ImportedConversation,
    MalformedConversationError,
    SkippedBranch,
    SkippedConversation,
    SkippedMessage,
)
from client.importers.reading import ImportFileError, Source, sources_of
from client.importers.records import ImportLimits, records
from shared.conversation import Conversation

Put = Literal["added", "updated", "unchanged", "shorter"]
ImportProgress = Callable[[int, int], None]


class ImportTransaction(Protocol):
    """Writes that take effect together."""

    def put(self, conversation: Conversation, branches: Sequence[Branch]) -> Put:
        """Keeps a conversation and its choices under its id.

        One that is the same as what is kept changes nothing ("unchanged"); nor does one of fewer messages ("shorter").
        Another replaces it, with all its choices ("updated"). No id is put twice.
        """
        ...


class ConversationStore(Protocol):
    """Where conversations are kept."""

    def importing(self) -> AbstractContextManager[ImportTransaction]:
        """A transaction: kept when the block ends, given up when it raises. A killed one leaves no half."""
        ...


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What an import found and did. Counts and fixed reasons only.

    Attributes:
        source_format: that was read.
        read: records found, conversations or not: added + updated + unchanged + skipped.
        skipped: conversations, by reason.
        skipped_messages: of the conversations that were read, by reason.
        choices: found in them, by kind.
        skipped_branches: that say nothing of what was preferred, by reason.
        damage: of files that could be read only in part; what came before it was imported.
    """

    source_format: FormatName
    read: int
    added: int
    updated: int
    unchanged: int
    skipped: Mapping[SkippedConversation, int]
    skipped_messages: Mapping[SkippedMessage, int]
    choices: Mapping[BranchKind, int]
    skipped_branches: Mapping[SkippedBranch, int]
    damage: tuple[ImportFileError, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "format": self.source_format,
            "read": self.read,
            "added": self.added,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "skipped": dict(self.skipped),
            "skipped_messages": dict(self.skipped_messages),
            "choices": dict(self.choices),
            "skipped_branches": dict(self.skipped_branches),
            "damage": [
                {"file": one.file, "offset": one.offset, "conversation": one.element, "reason": one.reason}
                for one in self.damage
            ],
        }


def import_conversations(
    path: Path,
    into: ConversationStore,
    *,
    source_format: FormatName | None = None,
    limits: ImportLimits | None = None,
    progress: ImportProgress = lambda _read, _all: None,
) -> ImportReport:
    """Imports a file, a .zip or a folder.

    Args:
        source_format: of it; None looks.
        progress: is told how many bytes have been read, of how many.

    Raises:
        ImportFileError: there is nothing to import. Damage further on is in the report instead.
        OSError: something cannot be read or written.
    """
    limits = limits or ImportLimits()
    if source_format is None:
        found = detect(path, limits=limits)
    else:
        found = Detected(format=FORMATS[source_format], sources=sources_of(path))
    tally = _Tally()
    in_all = sum(source.size for source in found.sources)
    before = 0
    with into.importing() as transaction:
        for source in found.sources:
            _import_source(source, found, transaction, tally, limits, _counted_from(before, in_all, progress))
            before += source.size
            progress(before, in_all)
    return ImportReport(
        source_format=found.format.name,
        read=tally.read,
        added=tally.put["added"],
        updated=tally.put["updated"],
        unchanged=tally.put["unchanged"],
        skipped=dict(tally.skipped),
        skipped_messages=dict(tally.skipped_messages),
        choices=dict(tally.choices),
        skipped_branches=dict(tally.skipped_branches),
        damage=tuple(tally.damage),
    )


class _Tally:
    def __init__(self) -> None:
        self.read = 0
        self.put: Counter[Put] = Counter()
        self.skipped: Counter[SkippedConversation] = Counter()
        self.skipped_messages: Counter[SkippedMessage] = Counter()
        self.choices: Counter[BranchKind] = Counter()
        self.skipped_branches: Counter[SkippedBranch] = Counter()
        self.damage: list[ImportFileError] = []
        self._seen: set[bytes] = set()

    def is_new(self, conversation_id: str) -> bool:
        """Whether this import has not had it yet. 16 bytes of a hash an id: a million ids must fit."""
        digest = hashlib.sha256(conversation_id.encode()).digest()[:16]
        is_new = digest not in self._seen
        self._seen.add(digest)
        return is_new

    def add(self, imported: ImportedConversation) -> None:
        self.skipped_messages.update(imported.skipped)
        self.choices.update(branch.kind for branch in imported.branches)
        self.skipped_branches.update(imported.skipped_branches)


def _import_source(
    source: Source,
    found: Detected,
    transaction: ImportTransaction,
    tally: _Tally,
    limits: ImportLimits,
    progress: Callable[[int], None],
) -> None:
    try:
        for record in records(source, limits=limits, columns=found.format.columns, progress=progress):
            tally.read += 1
            if isinstance(record, str):
                tally.skipped[record] += 1
                continue
            try:
                imported = found.format.parse(record)
            except MalformedConversationError as error:
                tally.skipped[error.reason] += 1
                continue
            if not tally.is_new(imported.conversation.conversation_id):
                tally.skipped["stands earlier in this import"] += 1
                continue
            tally.add(imported)
            what = transaction.put(imported.conversation, imported.branches)
            if what == "shorter":
                tally.skipped["shorter than the one that is kept"] += 1
            else:
                tally.put[what] += 1
    except ImportFileError as error:
        tally.damage.append(error.with_traceback(None))  # its frames hold what was read


def _counted_from(before: int, in_all: int, progress: ImportProgress) -> Callable[[int], None]:
    return lambda read: progress(before + read, in_all)
