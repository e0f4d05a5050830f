"""What the user agreed to have learned from, source by source. Who was not asked has not agreed."""

from __future__ import annotations

from typing import Literal, get_args

from client.vault.conversations import now
from client.vault.database import Database
from client.vault.learned import throw_away_if

ConsentSource = Literal["chats", "imports", "votes"]
_OF_SOURCE = "(SELECT number FROM conversations WHERE source = ?)"
_RESTS_ON = f"""
    (origin = 'vote' AND ? = 'votes')
    OR number IN (SELECT pair FROM pair_conversations WHERE conversation IN {_OF_SOURCE})
    OR number IN (
        SELECT pair FROM persona_parts JOIN part_evidence ON part = persona_parts.number
        WHERE conversation IN {_OF_SOURCE}
    )
"""  # noqa: S608 - constants
CONSENT_SOURCES: tuple[ConsentSource, ...] = get_args(ConsentSource)


class Consents:
    """The consents of one vault's user."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __repr__(self) -> str:
        return "Consents()"

    def granted(self, source: ConsentSource) -> bool | None:
        """Whether a source may be learned from; None where the user was never asked, which means no."""
        found = self._database.execute("SELECT granted FROM consents WHERE source = ?", source)
        return bool(found[0][0]) if found else None

    def decide(self, source: ConsentSource, *, granted: bool) -> bool:
        """Records what the user says; whether what was trained here is thrown away by it.

        Withdrawn, nothing of the source is used from now on: what the persona has read in it goes, and if a pair that
        rests on it was trained on, so does what was trained.
        """
        with self._database.transaction():
            self._database.execute(
                "INSERT INTO consents VALUES (?, ?, ?) ON CONFLICT (source) DO UPDATE SET"
                " granted = excluded.granted, decided_at = excluded.decided_at",
                source, int(granted), now(),
            )  # fmt: skip
            if granted:
                return False
            self._database.execute(
                "DELETE FROM readings WHERE conversation IN (SELECT number FROM conversations WHERE source = ?)", source
            )
            return throw_away_if(self._database, _RESTS_ON, source, source, source)
