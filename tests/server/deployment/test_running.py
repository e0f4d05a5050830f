"""One `up` a directory, and ports that are in use."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
from pathlib import Path

import pytest

from server.deployment.directory import DeploymentError, ServerDirectory, ServerSettings
from server.deployment.running import claimed, free_ports, read_running


@pytest.fixture
def server(tmp_path: Path) -> ServerDirectory:
    front, metrics = free_ports(2)
    settings = ServerSettings(host="localhost", listen="127.0.0.1", port=front, metrics_port=metrics)
    return ServerDirectory.create(tmp_path / "server", settings)


def test_a_server_is_up_once(server: ServerDirectory) -> None:
    assert read_running(server) is None
    with claimed(server, server.settings()) as running:
        assert read_running(server) == running
        with (
            pytest.raises(DeploymentError, match=f"is up already \\(process {os.getpid()}\\)"),
            claimed(server, server.settings()),
        ):
            pass
        assert read_running(server) == running
    assert read_running(server) is None
    with claimed(server, server.settings()):
        pass


def test_a_killed_servers_file_counts_for_nothing(server: ServerDirectory) -> None:
    (server.state / "running.json").write_text('{"pid": 4194304, "superlink": 1, "health": 2}')

    assert read_running(server) is None
    (server.state / "running.json").write_text("{")
    assert read_running(server) is None


def test_a_killed_server_is_not_up_where_another_process_has_its_number_now(server: ServerDirectory) -> None:
    with claimed(server, server.settings()):
        left = (server.state / "running.json").read_bytes()
    (server.state / "lock").touch()
    (server.state / "running.json").write_bytes(left)  # its number is of this process, which lives

    assert read_running(server) is None
    with claimed(server, server.settings()) as running:
        assert read_running(server) == running


def test_who_looks_keeps_no_server_from_coming_up_and_sees_nobody_else_who_looks(server: ServerDirectory) -> None:
    (server.state / "lock").touch()
    (server.state / "running.json").write_text(json.dumps({"pid": os.getpid(), "superlink": 1, "health": 2}))
    with (server.state / "lock").open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert read_running(server) is None
        done = threading.Timer(0.1, fcntl.flock, (looking, fcntl.LOCK_UN))
        done.start()
        with claimed(server, server.settings()) as running:
            assert read_running(server) == running
        done.join()


@pytest.mark.parametrize("which", ["port", "metrics_port"])
def test_a_port_in_use_is_named(server: ServerDirectory, which: str) -> None:
    settings = server.settings()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", getattr(settings, which)))
        taken.listen()
        named = rf"port {getattr(settings, which)} .* server\.{which.replace('_', '-')}"
        with pytest.raises(DeploymentError, match=named), claimed(server, settings):
            pass
    assert read_running(server) is None
