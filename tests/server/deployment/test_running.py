"""One `up` a directory, and ports that are in use."""

from __future__ import annotations

import os
import socket
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
