"""What the user agreed to have learned from, source by source. Who was not asked has not agreed."""

from __future__ import annotations

from typing import Literal, get_args

from client.vault.conversations import now
from client.vault.database import Database

ConsentSource = Literal["chats", "imports", "votes"]
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

    def decide(self, source: ConsentSource, *, granted: bool) -> None:
        """Records what the user says. Withdrawn, nothing of the source is used from the next reading on."""
        self._database.execute(
            "INSERT INTO consents VALUES (?, ?, ?) ON CONFLICT (source) DO UPDATE SET"
            " granted = excluded.granted, decided_at = excluded.decided_at",
            source, int(granted), now(),
        )  # fmt: skip
