from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shared.flat_config import ConfigError
from shared.plan_guarantees import planned_guarantees
from shared.privacy.guarantee import format_epsilon
from shared.round_plan import FederationPlan
from simulations.benchmarks.counting_relay import CountingRelay, Passed
from simulations.benchmarks.deployed_site import DeployedSite, Scripts
from simulations.benchmarks.deployment import Size, most_talkative, run
from simulations.benchmarks.process_costs import cpu_seconds, descendants_of, name_of, peak_bytes
from simulations.benchmarks.superlink_messages import STAGES, Passage, stage_times
from simulations.engines.loopback import PROJECT, DeploymentError
from simulations.population.embedded.history import history, speaker
from simulations.population.realhumaneval import CONVERSATIONS_FILE, read_conversations


def chats(directory: Path, *, users: int, conversations: int = 8) -> Path:
    """Simulated users' conversations in RealHumanEval's form."""
    directory.mkdir()
    with gzip.open(directory / CONVERSATIONS_FILE, "wt", encoding="utf-8") as file:
        for user in range(users):
            for place, entry in enumerate(history(speaker(0, "train", user), conversations + user)):
                messages = [{"role": one.role, "content": one.content} for one in entry.conversation.messages]
                line = {
                    "user_id": f"u{user}", "conversation_id": f"u{user}_{place}", "conversation_index": place,
                    "model": "none", "task_name": "talk", "start_t": 0.0, "messages": messages,
                    "n_user_turns": sum(one["role"] == "user" for one in messages),
                }  # fmt: skip
                file.write(json.dumps(line) + "\n")
    return directory


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_federation_of_real_processes_is_measured_and_both_sides_state_one_epsilon(tmp_path: Path) -> None:
    said: list[str] = []
    size = Size(devices=4, rounds=1, pairs=1, idle_seconds=4.0)

    report = run(
        tmp_path / "deployment.json",
        chats=chats(tmp_path / "chats", users=5),
        size=size,
        install=lambda _place: Path(sys.executable).parent,
        progress=said.append,
    )

    assert json.loads((tmp_path / "deployment.json").read_text()) == json.loads(json.dumps(report))
    results = report["results"]
    assert isinstance(results, list)
    (one,), devices = results[:1], results[1:]
    assert one["replies"] == 4
    assert tuple(stage["stage"] for stage in one["stages"]) == STAGES
    assert all(stage["seconds"] >= stage["at_device"] > 0 for stage in one["stages"])
    assert 0 < one["seconds_in_stages"] < one["wall_seconds"]
    # TLS, headers and polls come on top of what the server counts.
    assert one["wire_bytes_up_per_device"] > one["message_bytes_up"] > 0
    assert one["wire_bytes_down_per_device"] > one["message_bytes_down"] > 0
    assert [device["answers_charged"] for device in devices] == [1, 1, 1, 1]
    assert all(device["join_peak_bytes"] > 5e7 and device["supernode_peak_bytes"] > 5e7 for device in devices)
    privacy = report["privacy"]
    assert isinstance(privacy, dict)
    assert privacy["devices"] == [privacy["epsilon_server"]]
    assert float(privacy["epsilon_server"]) > 0
    assert report["server_peak_bytes"].keys() >= {"superlink", "executor", "front-door"}  # type: ignore[attr-defined]
    first = report["first_round"]
    assert isinstance(first, dict)
    assert first["from_installed_to_first_round_seconds"] > one["wall_seconds"]
    assert {"tacit-server init", "tacit init", "tacit learn (pairs)", "tacit-server enrol"} <= first["steps"].keys()
    # No word of a person's, no path of this machine.
    assert str(tmp_path) not in json.dumps(report)


def test_the_benchmark_needs_chats_of_enough_users(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--chats"):
        run()
    with pytest.raises(ConfigError, match="larger cohorts"):
        run(chats=tmp_path, size=Size(devices=3))
    conversations = read_conversations(chats(tmp_path / "chats", users=3))
    first, second = most_talkative(conversations, 2)
    assert {one.user_id for one in first} == {"u2"}  # has said the most
    assert {one.user_id for one in second} == {"u1"}
    with pytest.raises(ConfigError, match="holds 3 users"):
        most_talkative(conversations, 4)


def test_its_plan_is_one() -> None:
    plan = FederationPlan.from_run_config(Size().plan())
    assert (plan.rounds, plan.cohort_size, plan.devices, plan.privacy_unit) == (3, 5, 5, "user")
    assert plan.least_contributors >= 2


def test_what_is_recorded_is_of_this_plan_and_its_sides_agree() -> None:
    recorded = json.loads((PROJECT / "simulations/benchmarks/recorded/deployment.json").read_text(encoding="utf-8"))
    assert recorded["plan"] == Size().plan()
    promised = planned_guarantees(FederationPlan.from_run_config(recorded["plan"])).user
    assert promised is not None
    epsilon = format_epsilon(promised.epsilon_server)
    privacy = recorded["privacy"]
    assert [privacy["epsilon_server"], *privacy["devices"], privacy["status"][0]] == [epsilon] * 3
    assert [one["replies"] for one in recorded["results"] if "round" in one] == [5, 5, 5]


def test_a_relay_counts_what_passes_and_changes_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                got = b""
                while part := peer.recv(100):
                    got += part
                peer.sendall(got * 3)

        threading.Thread(target=answer, daemon=True).start()
        relay = CountingRelay(server.getsockname()[1])
        before = relay.passed()
        with socket.create_connection(("127.0.0.1", relay.port)) as device:
            device.sendall(b"x" * 1000)
            device.shutdown(socket.SHUT_WR)
            heard = b""
            while part := device.recv(4096):
                heard += part
        relay.close()
    assert heard == b"x" * 3000
    assert relay.passed().since(before) == Passed(up=1000, down=3000, connections=1)


def test_stages_are_told_by_the_order_of_a_nodes_messages() -> None:
    passages = [
        Passage(group="2", node=node, sent=base, fetched=base + 1, answered=base + 4 + node, taken=base + 6 + node)
        for node in (0, 2)
        for base in (10.0 * (stage + 1) for stage in range(5))
    ]
    passages.append(Passage(group="1", node=0, sent=1.0))

    found = stage_times(passages[::-1], "2")

    assert tuple(one.stage for one in found) == STAGES
    assert [one.begun for one in found] == [10.0, 20.0, 30.0, 40.0, 50.0]
    assert {(one.seconds, one.until_fetched, one.at_device, one.until_taken) for one in found} == {(8.0, 1.0, 4.0, 2.0)}


def test_costs_of_another_process_are_read() -> None:
    busy = "import time, sys; x = bytearray(30_000_000); [i for i in range(10**6)]; print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", busy], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert peak_bytes(process.pid) > 30_000_000
        assert cpu_seconds(process.pid) > 0
        assert "time.sleep(60)" in name_of(process.pid)
        assert process.pid in descendants_of(os.getpid())
        process.kill()
    assert (peak_bytes(process.pid), cpu_seconds(process.pid), name_of(process.pid)) == (0, 0.0, "")


def test_a_command_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    site = DeployedSite(place=tmp_path, scripts=Scripts(directory=Path(sys.executable).parent))
    with pytest.raises(DeploymentError, match="there is no directory"):
        site.status()
    (tmp_path / "device-0").mkdir()
    (tmp_path / "device-0" / "policy.toml").write_text("minimum_cohort = 50  # devices\n")
    site.allow_small_cohorts(0, 3)
    assert (tmp_path / "device-0" / "policy.toml").read_text() == "minimum_cohort = 3  # devices\n"
    (tmp_path / "device-0" / "policy.toml").write_text("")
    with pytest.raises(DeploymentError, match="no line minimum_cohort"):
        site.allow_small_cohorts(0, 3)
