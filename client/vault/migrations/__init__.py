"""The schema as numbered steps, each a module with `STATEMENTS`. A step that was released never changes.

Not `.sql` files: Flower's bundle ships Python alone.
"""

from __future__ import annotations

from client.vault.migrations import (
    m0001_history,
    m0002_learning,
    m0003_control,
    m0004_device,
    m0005_chats,
    m0006_beginnings,
    m0007_learned,
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    m0001_history.STATEMENTS,
    m0002_learning.STATEMENTS,
    m0003_control.STATEMENTS,
    m0004_device.STATEMENTS,
    m0005_chats.STATEMENTS,
    m0006_beginnings.STATEMENTS,
    m0007_learned.STATEMENTS,
)
"""Number n, counted from 1, brings a database of version n - 1 to n."""
