"""What encryption costs the vault: conversations written and read, beside plain SQLite with the same schema and code.

The peer is Python's own `sqlite3` under the same migrations, the same log and the same syncing. Conversations are what
a person has with an assistant: messages of 40 to 4,000 characters. Written one at a time, each synced, as a chat does;
and all in one transaction, as an import does; read whole, in order.
"""

from __future__ import annotations

import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from client.vault.database import Database, decode_text
from client.vault.keys import KeyFile
from client.vault.schema import migrate
from client.vault.vault import Vault
from shared.conversation import Conversation, Message
from simulations.benchmarks.report import make_report

_PARTS = ("write one at a time", "write in one transaction", "read")


def run(
    json_path: Path | None = None,
    *,
    conversations: int = 2000,
    singly: int = 200,
    repeats: int = 5,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, object]:
    """Runs the benchmark, writes it as JSON where a path is given, and returns it.

    Args:
        conversations: written in one transaction, and read.
        singly: written one at a time.
        repeats: of everything, the two in turns; medians are over them.
        progress: is told of every finished part.
    """
    one_at_a_time = _conversations(singly, seed=1)
    at_once = _conversations(conversations, seed=2)
    size = sum(len(message.content.encode()) for one in at_once for message in one.messages)
    seconds: dict[str, dict[str, list[float]]] = {kind: {part: [] for part in _PARTS} for kind in ("vault", "plain")}
    file_bytes = {}
    for _ in range(repeats):
        for kind, opened in (("vault", _encrypted), ("plain", _plain)):
            with tempfile.TemporaryDirectory(prefix="tacit-bench-") as name, opened(Path(name)) as vault:
                for part, took in zip(_PARTS, _measure(vault, one_at_a_time, at_once), strict=True):
                    seconds[kind][part].append(took)
                vault._database.shrink()
                file_bytes[kind] = max(path.stat().st_size for path in Path(name).rglob("*.db"))
    medians = {kind: {part: statistics.median(took) for part, took in parts.items()} for kind, parts in seconds.items()}
    results: list[dict[str, object]] = []
    for part in _PARTS:
        count = singly if part == _PARTS[0] else conversations
        ours, theirs = medians["vault"][part], medians["plain"][part]
        progress(f"{part}: vault {count / ours:,.0f} conversations/s, plain SQLite {count / theirs:,.0f}")
        results += [
            {"part": part, "store": kind, "seconds": took, "conversations_per_second": count / took}
            for kind, took in (("vault", ours), ("plain", theirs))
        ]
    return make_report(
        "vault",
        packages=("tacit", "sqlcipher3", "cryptography"),
        results=results,
        ratios={f"{part}: seconds, vault to plain": medians["vault"][part] / medians["plain"][part] for part in _PARTS}
        | {"size of the file: vault to plain": file_bytes["vault"] / file_bytes["plain"]},
        json_path=json_path,
        conversations=conversations,
        text_bytes=size,
        plain_sqlite=sqlite3.sqlite_version,
    )


def _measure(
    vault: Vault, one_at_a_time: list[Conversation], at_once: list[Conversation]
) -> tuple[float, float, float]:
    began = time.perf_counter()
    for one in one_at_a_time:
        vault.conversations.put(one, source="chats")
    singly = time.perf_counter()
    with vault.imports.importing() as transaction:
        for one in at_once:
            transaction.put(one, [])
    written = time.perf_counter()
    count = sum(1 for _ in vault.conversations)
    read = time.perf_counter()
    if count != len(one_at_a_time) + len(at_once):
        raise RuntimeError("the vault does not hold what was written")
    # Reading is of all of them; its share of the larger part is close enough for a ratio of like to like.
    return singly - began, written - singly, (read - written) * len(at_once) / count


@contextmanager
def _encrypted(directory: Path) -> Iterator[Vault]:
    with Vault.create(directory / "vault", KeyFile(directory / "key")) as vault:
        yield vault


@contextmanager
def _plain(directory: Path) -> Iterator[Vault]:
    """The vault's code over a database that is not encrypted: for this comparison only."""
    connection = sqlite3.connect(
        directory / "plain.db", isolation_level=None, check_same_thread=False, cached_statements=256
    )
    connection.text_factory = decode_text
    for setting in ("auto_vacuum = INCREMENTAL", "journal_mode = WAL", "foreign_keys = ON", "secure_delete = ON",
                    "temp_store = MEMORY", "synchronous = FULL", "cache_size = -8000"):  # fmt: skip
        connection.execute(f"PRAGMA {setting}")
    database = Database(connection)
    migrate(database)
    with Vault(database, directory) as vault:
        yield vault


def _conversations(count: int, *, seed: int) -> list[Conversation]:
    rng = random.Random(seed)
    words = [bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 10))).decode() for _ in range(2000)]
    return [
        Conversation(
            conversation_id=f"messages:{seed}-{number}",
            messages=tuple(
                Message(
                    role="user" if turn % 2 == 0 else "assistant",
                    content=" ".join(
                        rng.choices(words, k=rng.randint(8, 80) if turn % 2 == 0 else rng.randint(40, 550))
                    ),
                )
                for turn in range(2 * rng.randint(1, 6))
            ),
        )
        for number in range(count)
    ]
