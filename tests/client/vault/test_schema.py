"""Migrations: from nothing and from the first schema to the same place, each whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.vault.database import DATABASE_FILE, Database, open_database
from client.vault.errors import VaultError, VaultVersionError
from client.vault.header import HEADER_FILE, Header
from client.vault.migrations import MIGRATIONS
from client.vault.schema import migrate, version
from client.vault.vault import Vault
from tests.client.vault.vaults import a_conversation, key_of, new_vault

_KEY = bytes(range(32))


def schema_of(database: Database) -> list[tuple[object, ...]]:
    return sorted(database.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema"), key=str)


def old_vault(directory: Path, steps: int) -> None:
    """A vault as an older version left it, with a conversation in it."""
    directory.mkdir()
    Header.wrap(_KEY, key_of(directory)).write(directory / HEADER_FILE)
    database = open_database(directory / DATABASE_FILE, _KEY, make=True)
    migrate(database, MIGRATIONS[:steps])
    database.execute(
        "INSERT INTO conversations (id, source, format, private, added_at, digest)"
        " VALUES ('chatgpt:c1', 'imports', 'chatgpt', 1, '2026-01-01T00:00:00+00:00', 'd')"
    )
    database.execute("INSERT INTO messages (conversation, turn, role, content) VALUES (1, 0, 'user', 'kept')")
    database.execute("INSERT INTO consents VALUES ('imports', 1, '2026-01-01T00:00:00+00:00')")
    database.close()


@pytest.mark.parametrize("steps", range(1, len(MIGRATIONS) + 1))
def test_every_earlier_schema_becomes_the_newest(tmp_path: Path, steps: int) -> None:
    with new_vault(tmp_path / "new") as new:
        expected = schema_of(new._database)
    old_vault(tmp_path / "old", steps)
    with Vault.open(tmp_path / "old", key_of(tmp_path / "old")) as vault:
        assert schema_of(vault._database) == expected
        assert version(vault._database) == len(MIGRATIONS)
        assert [one.content for one in vault.conversations.get("chatgpt:c1").messages] == ["kept"]
        assert vault.conversations.facts("chatgpt:c1").private
        assert vault.consents.granted("imports")
        assert vault.problems() == ()
        vault.conversations.put(a_conversation(2), source="imports")
        assert vault.forget("chatgpt:c1").messages == 1


def test_a_step_that_fails_leaves_the_step_before(tmp_path: Path) -> None:
    database = open_database(tmp_path / "db", _KEY, make=True)
    with pytest.raises(VaultError):
        migrate(database, [MIGRATIONS[0], (MIGRATIONS[1][0], "CREATE NONSENSE")])
    assert version(database) == 1
    assert database.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'pairs'") == [(0,)]
    migrate(database)
    assert version(database) == len(MIGRATIONS)
    database.close()


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    with new_vault(tmp_path / "vault") as vault:
        vault._database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    before = (tmp_path / "vault" / DATABASE_FILE).read_bytes()
    with pytest.raises(VaultVersionError, match="update Tacit"):
        Vault.open(tmp_path / "vault", key_of(tmp_path / "vault"))
    assert (tmp_path / "vault" / DATABASE_FILE).read_bytes() == before


def test_every_step_is_python_that_the_bundle_ships() -> None:
    folder = Path(__file__).parents[3] / "client" / "vault" / "migrations"
    steps = sorted(path.name for path in folder.iterdir() if path.name.startswith("m0"))
    assert [name[:5] for name in steps] == [f"m{number:04}" for number in range(1, len(MIGRATIONS) + 1)]
    assert {Path(name).suffix for name in steps} == {".py"}
