"""Taking a conversation out of what is learned, or out of the world: with everything that came from it."""

from __future__ import annotations

from dataclasses import dataclass

from client.vault.conversations import Conversations, id_digest
from client.vault.database import Database, as_number, as_text
from client.vault.learned import throw_away_if
from client.vault.personas import keep_struck

CANNOT_BE_UNDONE = (
    "Updates that servers have already aggregated cannot be taken back. What they can tell about this conversation is "
    "bounded by the guarantees in your privacy ledger; where an answer had no guarantee, nothing bounds it."
)


@dataclass(frozen=True, kw_only=True)
class Excluded:
    """What was removed because it came from a conversation.

    Attributes:
        pairs: preference pairs.
        used_pairs: those of them that were trained on.
        observations: of the persona's.
        statements: of the user's own and locked ones.
        persona_parts: statements in the personas that other pairs were made under.
        learned: whether what was trained here may have learned from it. Then it is noise from this very moment
            (`client.vault.learned`), and is to be trained anew.
    """

    pairs: int
    used_pairs: int
    observations: int
    statements: int
    persona_parts: int
    learned: bool = False


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What forgetting a conversation did, and what it could not do.

    Attributes:
        messages, choices, votes: removed.
        derived: what had come from it, and is removed.
        backups: names of the backups that may still hold it, oldest first: destroy them, or it comes back with them.
        overwritten: whether its bytes are gone from the files; False while another process reads the vault, until it
            stops and the vault is opened again.
        cannot_be_undone: what to tell the user.
    """

    messages: int
    choices: int
    votes: int
    derived: Excluded
    backups: tuple[str, ...]
    overwritten: bool
    cannot_be_undone: str = CANNOT_BE_UNDONE

    def __repr__(self) -> str:
        return f"Forgotten({self.messages} messages, {self.derived!r}, {len(self.backups)} backups)"


def mark_private(database: Database, conversation_id: str) -> Excluded:
    """Keeps a conversation and learns nothing from it, for good: what was learned from it goes.

    Votes in it stay: they say which model was better and nothing else.

    Raises:
        UnknownError: there is no such conversation.
        VaultError: nothing was changed.
    """
    with database.transaction():
        number = Conversations(database).number(conversation_id)
        database.execute("UPDATE conversations SET private = 1 WHERE number = ?", number)
        excluded = _remove_derived(database, number)
    database.shrink()
    return excluded


def forget(database: Database, conversation_id: str) -> Forgotten:
    """Removes a conversation and everything that came from it, and overwrites where it stood.

    Deleted content is zeroed in its pages (`secure_delete`), free pages are given back, and the write-ahead log is
    emptied. What a file system or an SSD keeps of older blocks is encrypted under the data key: rotate it to make those
    unreadable too.

    Raises:
        UnknownError: there is no such conversation.
        VaultError: nothing was changed.
    """
    with database.transaction():
        number = Conversations(database).number(conversation_id)
        messages, choices, votes = (
            as_number(database.execute(f"SELECT count(*) FROM {table} WHERE conversation = ?", number)[0][0])  # noqa: S608
            for table in ("messages", "choices", "votes")
        )
        backups = database.execute("SELECT name FROM backups WHERE newest >= ? ORDER BY number", number)
        derived = _remove_derived(database, number)
        database.execute("DELETE FROM conversations WHERE number = ?", number)
        database.execute("INSERT OR IGNORE INTO forgotten VALUES (?)", id_digest(conversation_id))
    return Forgotten(
        messages=messages,
        choices=choices,
        votes=votes,
        derived=derived,
        backups=tuple(dict.fromkeys(as_text(name) for (name,) in backups)),
        overwritten=database.shrink(),
    )


def _remove_derived(database: Database, number: int) -> Excluded:
    """The schema's triggers take what hangs on the ties that are cut here."""
    used = database.execute(
        "SELECT count(*) FROM pairs JOIN pair_conversations ON pair = number WHERE conversation = ? AND trained = 1",
        number,
    )
    learned = throw_away_if(
        database,
        "number IN (SELECT pair FROM pair_conversations WHERE conversation = ?) OR number IN"
        " (SELECT pair FROM persona_parts JOIN part_evidence ON part = persona_parts.number WHERE conversation = ?)",
        number,
        number,
    )
    keep_struck(database, number)
    before = _counts(database)
    for table in ("pair_conversations", "readings", "statement_evidence"):
        database.execute(f"DELETE FROM {table} WHERE conversation = ?", number)  # noqa: S608
    between = _counts(database)
    database.execute("DELETE FROM part_evidence WHERE conversation = ?", number)
    after = _counts(database)
    return Excluded(
        pairs=before["pairs"] - after["pairs"],
        used_pairs=as_number(used[0][0]),
        observations=before["observations"] - after["observations"],
        statements=before["statements"] - after["statements"],
        persona_parts=between["persona_parts"] - after["persona_parts"],
        learned=learned,
    )


def _counts(database: Database) -> dict[str, int]:
    return {
        table: as_number(database.execute(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608
        for table in ("pairs", "observations", "statements", "persona_parts")
    }
