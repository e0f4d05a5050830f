"""Whether this device answers servers: its user's switch, above policy and ledger."""

from __future__ import annotations

from typing import Literal

from client.vault.conversations import now
from client.vault.database import Database

TakesPart = Literal["on", "paused", "left"]


class TakingPart:
    """The switch of one vault."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __repr__(self) -> str:
        return "TakingPart()"

    def state(self) -> TakesPart:
        """ "on" until its user says otherwise: without a policy nothing is answered anyway."""
        found = self._database.execute("SELECT state FROM participation")
        if not found:
            return "on"
        return "on" if found[0][0] == "on" else "left" if found[0][0] == "left" else "paused"

    def pause(self) -> None:
        """Pauses; a device that has left stays out."""
        if self.state() != "left":
            self.decide("paused")

    def decide(self, state: TakesPart) -> None:
        """Holds from the next request on, in every process."""
        self._database.execute(
            "INSERT INTO participation VALUES (1, ?, ?) ON CONFLICT (one) DO UPDATE SET"
            " state = excluded.state, decided_at = excluded.decided_at",
            state, now(),
        )  # fmt: skip
