"""What Tacit changes about Flower's SuperLink in its own process."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import pytest
from flwr.supercore import sql_mixin
from flwr.supercore.object_store.sql_object_store import SqlObjectStore

from server.deployment.superlink import wait_longer_for_the_database

_LONGER_THAN_FLOWER_WAITS = 6.0


@pytest.mark.filterwarnings("ignore:No path_separator found:DeprecationWarning")  # of Flower's alembic.ini
def test_a_request_outwaits_another_that_writes_for_longer_than_flower_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_mixin, "SQLITE_PRAGMAS", vars(sql_mixin)["SQLITE_PRAGMAS"])  # restored afterwards
    wait_longer_for_the_database()
    store = SqlObjectStore(str(tmp_path / "superlink.db"))
    store.initialize()
    writing = threading.Event()

    def write() -> None:
        with sqlite3.connect(tmp_path / "superlink.db") as other:
            other.execute("BEGIN IMMEDIATE")
            writing.set()
            time.sleep(_LONGER_THAN_FLOWER_WAITS)

    thread = threading.Thread(target=write)
    thread.start()
    assert writing.wait(10.0)

    began = time.monotonic()
    store.query("DELETE FROM objects WHERE object_id = :name", {"name": "none"})

    assert time.monotonic() - began > _LONGER_THAN_FLOWER_WAITS / 2
    thread.join()
