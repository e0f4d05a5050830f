"""Releases on a device are verified before they answer anybody."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from client.releases import ReleaseRefusedError, allowed_servers, roll_back
from shared.adapter import attach_adapter
from shared.adapter_spec import AdapterConfig
from shared.language_model import load_language_model
from shared.release import ADAPTER_FILE, MANIFEST_FILE
from shared.round_plan import FederationPlan
from tests.client.assistant.assistants import REQUEST, Home, greedy
from tests.client.profiles import new_profile, result, run, use_home
from tests.client.releases.releasing import KEY, OTHER_RUN, SHORT, STRANGER, Server, install, used
from tests.tiny import language_model


def test_a_release_answers_without_a_restart_and_ones_own_change_stays_on_it(home: Home, server: Server) -> None:
    assistant = home.assistant()
    assert assistant.reply(REQUEST, SHORT).text == greedy(home.base, REQUEST)
    install(home, server.release(1))
    server.adapted.load(server.vector(1))

    assert assistant.reply(REQUEST, SHORT).text == greedy(server.adapted.language_model, REQUEST)
    assert assistant.state().is_shared
    change = home.train(weight=0.5)
    install(home, server.release(2))
    personal = home.device.adapters().personal(server.adapted.spec.digest())
    assert personal is not None
    np.testing.assert_array_equal(personal.vector, change.vector)
    assistant.reply(REQUEST, SHORT)
    assert assistant.state().personal_weight == 0.5
    kept = home.device.adapters().shared()
    assert kept is not None
    np.testing.assert_array_equal(kept.vector, server.vector(2))
    assert kept.manifest == server.chain[-1]
    assert kept.plan == server.plan


def test_any_way_of_naming_a_release_will_do(home: Home, server: Server, tmp_path: Path) -> None:
    first = server.release(1)
    for path in (first, first / MANIFEST_FILE, first / ADAPTER_FILE, server.directory, tmp_path / "run"):
        install(home, path, older=True)
        assert used(home) == ("a", 1)
    server.release(2)
    install(home, tmp_path / "run")
    assert used(home) == ("a", 2)
    with pytest.raises(ReleaseRefusedError, match="is no release"):
        install(home, tmp_path / "nowhere")


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
        install(home, place)
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
        install(home, _refused_by_the_server(server, name))
    assert home.device.adapters().shared() is None


def test_another_base_model_is_refused(home: Home, server: Server) -> None:
    with pytest.raises(ReleaseRefusedError, match="was made for the base model"):
        install(home, server.release(1), base=language_model(seed=9))


def test_the_next_release_must_follow_the_one_that_is_known(home: Home, server: Server) -> None:
    install(home, server.release(1))
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
            install(home, fork.release(number, **changes), older=True)
    assert used(home) == ("a", 1)


def test_no_other_server_goes_on_with_a_run_though_it_is_allowed_to_have_its_own(home: Home, server: Server) -> None:
    both = (KEY.public, STRANGER.public)
    install(home, server.release(1), servers=both)
    for number in (2, 9):
        fork = replace(server, directory=server.directory / f"fork-{number}", chain=server.chain[:1])
        with pytest.raises(ReleaseRefusedError, match="server: is not that of"):
            install(home, fork.release(number, key=STRANGER), servers=both)
    assert used(home) == ("a", 1)
    install(home, server.release(2), servers=both)


def test_releases_between_are_followed_where_they_are_at_hand(home: Home, server: Server, tmp_path: Path) -> None:
    install(home, server.release(1))
    server.release(2)
    server.release(3)
    alone = tmp_path / "alone"
    (server.directory / "0003").rename(alone)
    assert install(home, alone).unseen == 1  # type: ignore[attr-defined]
    roll_back(home.device.adapters())
    alone.rename(server.directory / "0003")
    assert install(home, server.directory / "0003", older=True).unseen == 0  # type: ignore[attr-defined]


def test_a_fork_is_seen_in_the_releases_between_and_after(home: Home, server: Server, tmp_path: Path) -> None:
    install(home, server.release(1))
    server.release(2)
    third = server.release(3)
    fork = replace(server, directory=tmp_path / "fork", chain=server.chain[:1])
    fork.release(2, made=7)
    third.rename(tmp_path / "fork" / "0003")
    with pytest.raises(ReleaseRefusedError, match="previous"):
        install(home, tmp_path / "fork" / "0003")

    install(home, server.directory / "0002")
    other_first = replace(server, directory=tmp_path / "first", chain=[], seed=9).release(1, made=7)
    with pytest.raises(ReleaseRefusedError, match="another release of this run and round"):
        install(home, other_first, older=True)
    only_second = Home.make(tmp_path / "second", home.base)
    install(only_second, server.directory / "0002")
    with pytest.raises(ReleaseRefusedError, match="previous"):
        install(only_second, other_first, older=True)
    only_second.vault.close()


def test_an_older_one_is_taken_only_when_asked(home: Home, server: Server, tmp_path: Path) -> None:
    first, second = server.release(1), server.release(2)
    install(home, second)
    assert install(home, second).was_used  # type: ignore[attr-defined]
    with pytest.raises(ReleaseRefusedError, match="has release 2 of its run"):
        install(home, first)
    install(home, first, older=True)
    assert used(home) == ("a", 1)

    before = replace(server, directory=tmp_path / "o", run=OTHER_RUN, made=server.made - 100, chain=[], seed=50)
    with pytest.raises(ReleaseRefusedError, match="made before release"):
        install(home, before.release(8))
    after = replace(server, directory=tmp_path / "p", run=OTHER_RUN, made=server.made + 100, chain=[], seed=50)
    install(home, after.release(1))
    assert used(home) == ("b", 1)


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
