"""`tacit join`: real profiles with encrypted vaults, real SuperNodes, a real SuperLink."""

from __future__ import annotations

import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Context, Message
from flwr.supercore.fab import Fab
from flwr.supercore.run import Run
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supernode.runtime.run_clientapp import pull_task_input

from client import local_executor
from client.joining import take_part
from client.profile import Profile
from client.server_settings import ServerSettings, ServerSettingsError
from client.vault_device import VaultDevice
from server.releases import read_rounds
from shared.conversation import Conversation
from shared.run_output import RunOutput
from simulations.engines.inline import run_inline
from simulations.engines.loopback import Loopback
from tests.client.profiles import PASSPHRASE, new_profile, opened, run, use_home
from tests.client.wiretap import Wiretap, watched
from tests.federation import MARKER, FewDevices, adapter_vector, plan

POLICY = """
require = "none"
delta = 1e-5
"""


def made_profile(home: Path, monkeypatch: pytest.MonkeyPatch, population: FewDevices, index: int) -> Profile:
    """A profile whose vault gives the pairs of a simulated device, in its order."""
    use_home(monkeypatch, home)
    profile = new_profile(home)
    with opened(profile) as vault:
        vault.consents.decide("chats", granted=True)
        for place, pair in enumerate(population.pairs(index)):
            said = Conversation(conversation_id=f"c{place}", messages=(*pair.prompt, *pair.chosen))
            vault.conversations.put(said, source="chats")
            book = vault.personas.load()
            vault.personas.save(book.write(str(pair.persona)))
            vault.pairs.add(pair, conversation_ids=[f"c{place}"], persona=vault.personas.load().written)
    profile.policy_file.write_text(POLICY)
    profile.policy_file.chmod(0o600)
    return profile


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_devices_with_vaults_train_the_adapter_of_the_inline_engine_and_tell_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of, population = plan(rounds=2, cohort_size=2, devices=2, round_timeout=300.0), FewDevices(devices=2)
    run_inline(of, population, directory=tmp_path / "inline", processes=0)
    place = tmp_path / "place"
    place.mkdir(mode=0o700)
    profiles = [made_profile(place / f"home-{index}", monkeypatch, population, index) for index in range(2)]
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", None)
    markers = [MARKER.encode(), MARKER.encode("utf-16-le"), PASSPHRASE.encode()]
    with ExitStack() as stack, watched(place, markers) as files:
        (place / "network").mkdir(mode=0o700)
        network = Loopback(place / "network", stack)
        tap = Wiretap(network.address)
        stack.callback(tap.close)
        for index, profile in enumerate(profiles):
            network.start(
                "tacit", "join", tap.address, "--number", str(index),
                environment={
                    "TACIT_HOME": str(profile.home), "TACIT_PASSPHRASE": PASSPHRASE,
                    "FLWR_HOME": str(profile.home / "flower"),  # not the server's, which does unpack
                },
            )  # fmt: skip
        network.run(of, RunOutput(directory=str(place / "run")), timeout=400.0)

    np.testing.assert_allclose(adapter_vector(place / "run"), adapter_vector(tmp_path / "inline"), atol=1e-5)
    assert [(record.replies, record.failures) for record in read_rounds(place / "run")] == [(2, ()), (2, ())]
    heard = b"".join(map(bytes, tap.heard))
    assert len(heard) > 10_000
    assert not [marker for marker in markers if marker in heard]
    assert len(files) > 20
    servers = str(place / "network" / "flower")
    # What the server shipped was never unpacked.
    assert not [path for path in files if "/apps/" in path and not path.startswith(servers)]
    assert {path: count for path, count in files.items() if count} == {}
    monkeypatch.undo()
    for profile in profiles:
        use_home(monkeypatch, profile.home)
        with opened(profile) as vault:
            assert {one.state for one in vault.pairs.every()} == {"used"}
            shared = VaultDevice(profile, vault).adapters().shared()
            assert shared is not None
            assert shared.round_number == 2
        assert ServerSettings.load(profile.server_file) is not None


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_message_that_was_lost_on_the_device_costs_a_round_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[None] = []

    def loses_the_first(client: RuntimeHttpClient) -> tuple[Message, Context, Run, Fab]:
        if not lost:
            lost.append(None)
            raise RuntimeError("lost")
        return pull_task_input(client)

    monkeypatch.setattr(local_executor, "pull_task_input", loses_the_first)
    of = plan(rounds=1, cohort_size=1, devices=1, round_timeout=160.0)
    profile = made_profile(tmp_path / "home", monkeypatch, FewDevices(devices=1), 0)
    place, stop = tmp_path / "network", threading.Event()
    place.mkdir(mode=0o700)
    with ExitStack() as stack, opened(profile) as vault:
        network = Loopback(place, stack)
        settings = ServerSettings.parse(network.address, root_certificates=None, number=0)
        settings.write(profile.server_file)
        vault.taking_part.decide("on")
        device = threading.Thread(target=take_part, args=(profile, vault, settings, stop))
        device.start()
        try:
            network.run(of, RunOutput(directory=str(tmp_path / "run")), timeout=300.0)
        finally:
            stop.set()
            device.join()
    assert lost
    assert [(record.replies, record.failures) for record in read_rounds(tmp_path / "run")] == [(1, ())]


def test_nothing_leaves_without_a_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_home(monkeypatch, tmp_path / "home")
    new_profile(tmp_path / "home")
    assert "tacit policy init" in run("join", "127.0.0.1:9", status=1)
    assert "no server was joined yet" in run("join", status=1)


@pytest.mark.parametrize("address", ["tacit.example:443", "10.0.0.1:80", "localhost:80"])
def test_a_server_elsewhere_is_spoken_to_over_tls_only(address: str) -> None:
    with pytest.raises(ServerSettingsError, match="TLS only"):
        ServerSettings.parse(address, root_certificates=None, number=0)


@pytest.mark.parametrize("address", ["tacit.example", "127.0.0.1:", "127.0.0.1:70000", ":80", "127.0.0.1:1e3"])
def test_an_address_is_a_host_and_a_port(address: str) -> None:
    with pytest.raises(ServerSettingsError, match="HOST:PORT"):
        ServerSettings.parse(address, root_certificates=Path("ca.pem"), number=0)


def test_settings_are_read_back(tmp_path: Path) -> None:
    settings = ServerSettings.parse("tacit.example:443", root_certificates=tmp_path / "ca.pem", number=7)
    settings.write(tmp_path / "server.toml")

    assert ServerSettings.load(tmp_path / "server.toml") == settings
    assert ServerSettings.load(tmp_path / "none.toml") is None
    (tmp_path / "server.toml").write_text("address = 3")
    with pytest.raises(ServerSettingsError, match="not of this version"):
        ServerSettings.load(tmp_path / "server.toml")
