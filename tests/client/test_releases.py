"""Releases on a device: verified before they answer anybody, and taken back at will."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from client.assistant.assistant import ReplySettings
from client.device import DeviceError
from client.releases import ReleaseRefusedError, allowed_servers, install_release, roll_back
from client.shared_adapters import SharedAdapter
from shared.adapter import AdaptedModel, attach_adapter
from shared.adapter_spec import AdapterConfig
from shared.language_model import ModelConfig, load_language_model
from shared.messages import TrainRequest
from shared.release import ADAPTER_FILE, MANIFEST_FILE, ReleaseManifest
from shared.release_payload import ReleasePayload, sha256
from shared.round_plan import FederationPlan
from shared.signing_key import SigningKey
from tests.client.assistant.assistants import REQUEST, Home, greedy, random_state
from tests.client.profiles import new_profile, result, run, use_home
from tests.tiny import language_model

KEY, STRANGER = SigningKey.from_bytes(bytes(range(32))), SigningKey.from_bytes(bytes(32))
RUN, OTHER_RUN = "a" * 32, "b" * 32
_SHORT = ReplySettings(max_new_tokens=24)


@dataclass
class Server:
    """Makes releases of a run, one after the other."""

    directory: Path
    adapted: AdaptedModel
    plan: FederationPlan
    run: str = RUN
    made: int = 1_800_000_000
    seed: int = 0
    chain: list[ReleaseManifest] = field(default_factory=list)

    def vector(self, number: int) -> NDArray[np.float32]:
        return random_state(self.adapted, seed=self.seed + number)

    def release(self, number: int, *, key: SigningKey = KEY, vector: object = None, **changes: object) -> Path:
        """Its directory. It follows the one made before, whatever that is."""
        spec = self.adapted.spec
        values = self.vector(number) if vector is None else vector
        content = ReleasePayload(plan=self.plan, vector=values).to_bytes()  # type: ignore[arg-type]
        manifest = ReleaseManifest(
            run=self.run,
            round_number=number,
            plan=self.plan.digest(),
            specification=spec.digest(),
            base_name=spec.base_name,
            base_fingerprint=spec.base_fingerprint,
            method=spec.config.method,
            adapter=sha256(content),
            size=len(content),
            previous=self.chain[-1].digest() if self.chain else "",
            made=self.made + number,
            server=key.public,
        )
        manifest = replace(manifest, **changes).signed(key)  # type: ignore[arg-type]
        self.chain.append(manifest)
        place = self.directory / f"{number:04d}"
        place.mkdir(parents=True)
        (place / ADAPTER_FILE).write_bytes(content)
        (place / MANIFEST_FILE).write_text(manifest.to_json())
        return place

    def request(self, round_number: int) -> TrainRequest:
        """Of a round, which begins with the release before it."""
        spec = self.adapted.spec
        return TrainRequest(
            run=self.run, device=0, round_number=round_number, attempt=1, plan=self.plan, spec_digest=spec.digest(),
            base_fingerprint=spec.base_fingerprint, training_seed=0, vector=self.vector(round_number - 1),
        )  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home.make(tmp_path)
    yield made
    made.vault.close()


@pytest.fixture
def server(home: Home, tmp_path: Path) -> Server:
    plan = FederationPlan(model=ModelConfig(name=home.base.name))
    return Server(tmp_path / "run" / "releases", attach_adapter(home.base.twin(), plan.adapter), plan)


def _install(home: Home, path: Path, *, older: bool = False, base: object = None) -> object:
    return install_release(
        path,
        servers=(KEY.public,),
        kept=home.device.adapters(),
        load=lambda: base or home.base.twin(),  # type: ignore[arg-type,return-value]
        older=older,
    )


def _used(home: Home) -> tuple[str, int]:
    found = home.device.adapters().shared()
    assert found is not None
    return found.run[0], found.release


def _here(home: Home) -> list[int]:
    return [one.release for one in home.device.adapters().all_shared()]


def test_a_release_answers_without_a_restart_and_ones_own_change_stays_on_it(home: Home, server: Server) -> None:
    assistant = home.assistant()
    assert assistant.reply(REQUEST, _SHORT).text == greedy(home.base, REQUEST)
    _install(home, server.release(1))
    server.adapted.load(server.vector(1))

    assert assistant.reply(REQUEST, _SHORT).text == greedy(server.adapted.language_model, REQUEST)
    assert assistant.state().is_shared
    change = home.train(weight=0.5)
    _install(home, server.release(2))
    personal = home.device.adapters().personal(server.adapted.spec.digest())
    assert personal is not None
    np.testing.assert_array_equal(personal.vector, change.vector)
    assistant.reply(REQUEST, _SHORT)
    assert assistant.state().personal_weight == 0.5
    kept = home.device.adapters().shared()
    assert kept is not None
    np.testing.assert_array_equal(kept.vector, server.vector(2))
    assert kept.manifest == server.chain[-1]
    assert kept.plan == server.plan


def test_any_way_of_naming_a_release_will_do(home: Home, server: Server, tmp_path: Path) -> None:
    first = server.release(1)
    for path in (first, first / MANIFEST_FILE, first / ADAPTER_FILE, server.directory, tmp_path / "run"):
        _install(home, path, older=True)
        assert _used(home) == ("a", 1)
    server.release(2)
    _install(home, tmp_path / "run")
    assert _used(home) == ("a", 2)
    with pytest.raises(ReleaseRefusedError, match="is no release"):
        _install(home, tmp_path / "nowhere")


def _edited(**changes: object) -> Callable[[Path], None]:
    def edit(place: Path) -> None:
        file = place / MANIFEST_FILE
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return edit


def _flipped(place: Path) -> None:
    content = (place / ADAPTER_FILE).read_bytes()
    (place / ADAPTER_FILE).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def _longer(place: Path) -> None:
    with (place / ADAPTER_FILE).open("ab") as file:
        file.write(b"\0" * 100)


TAMPERED: dict[str, tuple[Callable[[Path], object], str]] = {
    "signature": (_edited(signature="00" * 64), "did not sign"),
    "run": (_edited(run=OTHER_RUN), "did not sign"),
    "round": (_edited(round_number=9), "did not sign"),
    "plan": (_edited(plan="44" * 32), "did not sign"),
    "specification": (_edited(specification="44" * 32), "did not sign"),
    "base name": (_edited(base_name="x"), "did not sign"),
    "base fingerprint": (_edited(base_fingerprint="44" * 32), "did not sign"),
    "method": (_edited(method="fedit"), "did not sign"),
    "adapter": (_edited(adapter="44" * 32), "did not sign"),
    "size": (_edited(size=5), "did not sign"),
    "previous": (_edited(previous="44" * 32), "did not sign"),
    "made": (_edited(made=1_900_000_000), "did not sign"),
    "server": (_edited(server=STRANGER.public), "not among the servers"),
    "unknown key": (_edited(code="import os"), "1 unknown keys"),
    "one number": (_flipped, "not the one that the manifest names"),
    "trailing bytes": (_longer, "not the one that the manifest names"),
    "adapter gone": (lambda place: (place / ADAPTER_FILE).unlink(), "is missing"),
    "no JSON": (lambda place: (place / MANIFEST_FILE).write_bytes(b"\x80\x04K"), "not JSON"),
    "huge manifest": (lambda place: (place / MANIFEST_FILE).write_bytes(b" " * 10**6), "larger"),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERED)
def test_what_was_changed_since_is_refused_and_nothing_changes(name: str, home: Home, server: Server) -> None:
    place = server.release(2)
    change, said = TAMPERED[name]
    change(place)

    with pytest.raises(ReleaseRefusedError, match=said):
        _install(home, place)
    assert home.device.adapters().shared() is None


def _refused_by_the_server(server: Server, name: str) -> Path:
    """Signed by the allowed key, and still of no use here."""
    vector = server.vector(3).copy()
    if name == "not finite":
        vector[7] = np.nan
        return server.release(3, vector=vector)
    if name == "too short":
        return server.release(3, vector=vector[:-1])
    if name == "plan's digest":
        return server.release(3, plan="44" * 32)
    if name == "method":
        return server.release(3, method="fedit")
    if name == "base":
        return server.release(3, base_fingerprint="44" * 32)
    if name == "layout":
        return server.release(3, specification="44" * 32)
    if name == "stranger":
        return server.release(3, key=STRANGER)
    server.plan = replace(server.plan, adapter=AdapterConfig(rank=8))
    return server.release(3)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("not finite", "not finite"),
        ("too short", "numbers, and its adapter has"),
        ("plan's digest", "the plan in"),
        ("method", "the plan in"),
        ("base", "was made for the base model"),
        ("layout", "not laid out"),
        ("rank", "not laid out"),
        ("stranger", "not among the servers"),
    ],
)
def test_a_signature_does_not_make_it_fit(name: str, said: str, home: Home, server: Server) -> None:
    with pytest.raises(ReleaseRefusedError, match=said):
        _install(home, _refused_by_the_server(server, name))
    assert home.device.adapters().shared() is None


def test_another_base_model_is_refused(home: Home, server: Server) -> None:
    with pytest.raises(ReleaseRefusedError, match="was made for the base model"):
        _install(home, server.release(1), base=language_model(seed=9))


def test_the_next_release_must_follow_the_one_that_is_known(home: Home, server: Server) -> None:
    _install(home, server.release(1))
    for number, changes, said in (
        (2, {"previous": "44" * 32}, "previous"),
        (2, {"previous": ""}, "previous"),
        (3, {"specification": "44" * 32}, "specification"),
        (1, {"made": 5}, "another release of this run and round"),
    ):
        fork = replace(
            server,
            directory=server.directory / f"fork-{number}-{said}-{changes}",
            chain=server.chain[: min(number - 1, 1)],
        )
        if number == 3:
            fork.release(2)
        with pytest.raises(ReleaseRefusedError, match=said):
            _install(home, fork.release(number, **changes), older=True)
    assert _used(home) == ("a", 1)


def test_releases_between_are_followed_where_they_are_at_hand(home: Home, server: Server, tmp_path: Path) -> None:
    _install(home, server.release(1))
    server.release(2)
    server.release(3)
    alone = tmp_path / "alone"
    (server.directory / "0003").rename(alone)
    assert _install(home, alone).unseen == 1  # type: ignore[attr-defined]
    roll_back(home.device.adapters())
    alone.rename(server.directory / "0003")
    assert _install(home, server.directory / "0003", older=True).unseen == 0  # type: ignore[attr-defined]


def test_a_fork_is_seen_in_the_releases_between_and_after(home: Home, server: Server, tmp_path: Path) -> None:
    _install(home, server.release(1))
    server.release(2)
    third = server.release(3)
    fork = replace(server, directory=tmp_path / "fork", chain=server.chain[:1])
    fork.release(2, made=7)
    third.rename(tmp_path / "fork" / "0003")
    with pytest.raises(ReleaseRefusedError, match="previous"):
        _install(home, tmp_path / "fork" / "0003")

    _install(home, server.directory / "0002")
    other_first = replace(server, directory=tmp_path / "first", chain=[], seed=9).release(1, made=7)
    with pytest.raises(ReleaseRefusedError, match="another release of this run and round"):
        _install(home, other_first, older=True)
    only_second = Home.make(tmp_path / "second", home.base)
    _install(only_second, server.directory / "0002")
    with pytest.raises(ReleaseRefusedError, match="previous"):
        _install(only_second, other_first, older=True)
    only_second.vault.close()


def test_an_older_one_is_taken_only_when_asked(home: Home, server: Server, tmp_path: Path) -> None:
    first, second = server.release(1), server.release(2)
    _install(home, second)
    assert _install(home, second).was_used  # type: ignore[attr-defined]
    with pytest.raises(ReleaseRefusedError, match="has release 2 of its run"):
        _install(home, first)
    _install(home, first, older=True)
    assert _used(home) == ("a", 1)

    before = replace(server, directory=tmp_path / "o", run=OTHER_RUN, made=server.made - 100, chain=[], seed=50)
    with pytest.raises(ReleaseRefusedError, match="made before release"):
        _install(home, before.release(8))
    after = replace(server, directory=tmp_path / "p", run=OTHER_RUN, made=server.made + 100, chain=[], seed=50)
    _install(home, after.release(1))
    assert _used(home) == ("b", 1)


def test_a_round_brings_what_is_newer_and_not_what_was_gone_back_from(home: Home, server: Server) -> None:
    for number in (1, 2):
        _install(home, server.release(number))
    kept = home.device.adapters()
    kept.keep_shared(server.request(2))  # a round that began with release 1
    assert _used(home) == ("a", 2)

    assert roll_back(kept).release == 1
    kept.keep_shared(server.request(3))  # it begins with release 2, which its user went back from
    assert _used(home) == ("a", 1)
    kept.keep_shared(server.request(4))
    assert _used(home) == ("a", 3)
    assert _here(home) == [3, 1]  # the one that was gone back from is dropped
    kept.keep_shared(server.request(4))
    assert _here(home) == [3, 1]


def test_a_round_of_another_run_ends_the_hold(home: Home, server: Server, tmp_path: Path) -> None:
    for number in (1, 2):
        _install(home, server.release(number))
    roll_back(home.device.adapters())
    other = replace(server, run=OTHER_RUN, seed=50)
    home.device.keep_shared(other.request(2))
    assert _used(home) == ("b", 1)


def test_a_newer_release_ends_a_rollback(home: Home, server: Server) -> None:
    for number in (1, 2):
        _install(home, server.release(number))
    roll_back(home.device.adapters())
    with pytest.raises(ReleaseRefusedError, match="has release 2"):
        _install(home, server.directory / "0002")
    _install(home, server.release(3))
    assert (_used(home), _here(home)) == (("a", 3), [3, 1])


def test_back_and_forth_among_those_that_are_kept(home: Home, server: Server) -> None:
    kept = home.device.adapters()
    with pytest.raises(DeviceError, match="nothing from before"):
        roll_back(kept)
    for number in range(1, 7):
        _install(home, server.release(number))
    assert _here(home) == [6, 5, 4, 3]
    assert [roll_back(kept).release for _ in range(3)] == [5, 4, 3]
    with pytest.raises(DeviceError, match="nothing from before"):
        roll_back(kept)
    assert _here(home) == [6, 5, 4, 3]
    assert roll_back(kept, 1).release == 6
    assert roll_back(kept, 3).release == 4
    assert roll_back(kept, 3).release == 4
    for number in (0, 5):
        with pytest.raises(DeviceError, match="no number"):
            roll_back(kept, number)
    found = kept.shared()
    assert found is not None
    np.testing.assert_array_equal(found.vector, server.vector(4))
    files = sorted(file.name for file in (home.profile.state_directory / "adapters").glob("*.adapter"))
    assert files == [*(f"earlier-{number:08d}.adapter" for number in (3, 5, 6)), "shared.adapter"]


def test_a_rollback_is_taken_without_a_restart(home: Home, server: Server) -> None:
    for number in (1, 2):
        _install(home, server.release(number))
    assistant = home.assistant()
    assistant.reply(REQUEST, _SHORT)
    assert assistant.state().round_number == 3
    roll_back(home.device.adapters())
    assistant.reply(REQUEST, _SHORT)
    assert assistant.state().round_number == 2


def test_rounds_alone_can_be_gone_back_from(home: Home, server: Server) -> None:
    kept = home.device.adapters()
    for number in range(1, 7):
        kept.keep_shared(server.request(number))
    assert _here(home) == [5, 4, 3, 2]
    roll_back(kept)
    assert _used(home) == ("a", 4)


def test_all_that_is_kept_is_sealed_and_sealed_anew_when_ones_own_is_forgotten(home: Home, server: Server) -> None:
    for number in (1, 2, 3):
        _install(home, server.release(number))
    home.train()
    directory = home.profile.state_directory / "adapters"
    for file in directory.glob("*.adapter"):
        assert file.stat().st_mode & 0o777 == 0o600
        assert RUN.encode() not in file.read_bytes()
    assert home.device.forget_personal()
    assert (_used(home), _here(home)) == (("a", 3), [3, 2, 1])
    roll_back(home.device.adapters())
    assert _used(home) == ("a", 2)


def test_what_is_damaged_does_not_stand_in_the_way(home: Home, server: Server) -> None:
    for number in (1, 2, 3):
        _install(home, server.release(number))
    directory = home.profile.state_directory / "adapters"
    (directory / "earlier-00000002.adapter").write_bytes(b"x")
    assert _here(home) == [3, 1]
    (directory / "shared.adapter").write_bytes(b"x")
    home.device.keep_shared(server.request(5))
    assert (_used(home), _here(home)) == (("a", 4), [4, 1])


def test_an_adapter_that_was_kept_before_there_were_releases_is_read(home: Home, server: Server) -> None:
    kept = home.device.adapters()
    kept.keep_shared(server.request(2))
    head, vector = kept._files.read("shared.adapter") or ({}, np.zeros(0, dtype=np.float32))
    for name in ("manifest", "sequence", "holds"):
        del head[name]
    kept._files.write("shared.adapter", head, vector)

    _install(home, server.release(3))

    assert _here(home) == [3, 1]
    assert isinstance(roll_back(home.device.adapters()), SharedAdapter)


def test_a_kill_between_two_writes_loses_nothing(home: Home, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        _install(home, server.release(number))
    third = server.release(3)
    kept = home.device.adapters()
    real = type(kept._files).write

    def killed(self: object, name: str, *content: object) -> None:
        if name == "shared.adapter":
            raise KeyboardInterrupt
        real(self, name, *content)  # type: ignore[arg-type]

    actions: tuple[Callable[[], object], ...] = (
        lambda: _install(home, third),
        lambda: roll_back(home.device.adapters()),
    )
    for action in actions:
        with monkeypatch.context() as patched:
            patched.setattr(type(kept._files), "write", killed)
            with pytest.raises(KeyboardInterrupt):
                action()
        assert (_used(home), _here(home)) == (("a", 2), [2, 1])
    _install(home, third)
    assert _here(home) == [3, 2, 1]


def test_whose_releases_are_allowed_fails_closed(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    with pytest.raises(ReleaseRefusedError, match="no server's releases are allowed"):
        allowed_servers(policy, None)
    policy.write_text('require = "none"\n')
    policy.chmod(0o600)
    with pytest.raises(ReleaseRefusedError, match="no server's releases are allowed"):
        allowed_servers(policy, None)
    assert allowed_servers(policy, KEY.public) == (KEY.public,)
    policy.write_text(f'require = "none"\nservers = ["{STRANGER.public}"]\n')
    assert allowed_servers(policy, None) == (STRANGER.public,)


def test_a_person_installs_lists_and_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_home(monkeypatch, tmp_path / "home")
    profile = new_profile(tmp_path / "home")
    plan = FederationPlan(model=profile.settings.model)
    server = Server(tmp_path / "releases", attach_adapter(load_language_model(plan.model), plan.adapter), plan)
    first = server.release(1)
    assert "none yet" in run("release", "list")
    assert "no server's releases are allowed" in run("release", "install", str(first), status=1)
    assert "64 hex digits" in result("release", "install", str(first), "--server-key", "AB", status=2).output
    assert "not among the servers" in run("release", "install", str(first), "--server-key", STRANGER.public, status=1)
    profile.policy_file.write_text(f'require = "none"\nservers = ["{KEY.public}"]\n')
    profile.policy_file.chmod(0o600)
    assert "release 1 of run aaaaaaaa answers you" in run("release", "install", str(first))
    assert "was in use already" in run("release", "install", str(first))
    run("release", "install", str(server.release(2)))

    lines = [json.loads(line) for line in result("release", "list", "--json").output.splitlines()]
    assert [(one["number"], one["in_use"], one["release"]) for one in lines] == [(1, True, 2), (2, False, 1)]
    assert lines[0]["manifest"] == server.chain[1].digest()
    assert "in use from now on: release 1 of run aaaaaaaa" in run("release", "rollback")
    assert "nothing from before" in run("release", "rollback", status=1)
    shown = run("release", "list")
    assert "release 1" in shown
    assert server.chain[0].digest()[:16] in shown
    assert "release 1 of run aaaaaaaa" in run("personal", "show")
    assert "release 2" in run("release", "rollback", "1")
