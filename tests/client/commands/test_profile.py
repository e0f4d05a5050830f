"""`tacit` on a profile, as its user runs it: bring chats, agree, learn, look, correct, forget, take along."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from client.cli import app
from client.conversation_files import read_conversations
from client.learning import Learning, LearningLimits
from client.profile import Profile
from client.vault_device import VaultDevice
from shared.conversation import Conversation, Message, PreferencePair
from shared.language_model import load_language_model
from shared.preference_files import read_preference_lines
from tests.client.profiles import (
    new_profile,
    opened,
    result,
    run,
    someones_conversations,
    use_home,
    write_someones_conversations,
)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose assistant has learned from twenty conversations; tests work on copies."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("learned") / "home"
        use_home(patch, home)
        profile = new_profile(home, someones_conversations(20, index=2))
        with opened(profile) as vault:
            vault.consents.decide("chats", granted=True)
            base = load_language_model(profile.settings.model)
            report = Learning(profile, vault, base, LearningLimits(pairs=10, candidates=4)).run()
        assert report.personal is not None
        yield home


@pytest.fixture
def home(learned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    shutil.copytree(learned, home)
    use_home(monkeypatch, home)
    return home


def personal_files(home: Path) -> list[Path]:
    return sorted((home / "state" / "adapters").glob("personal-*"))


def test_init_makes_a_place_that_only_its_owner_can_look_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_home(monkeypatch, tmp_path / "home")
    said = run("init")

    assert "opened by passphrase" in said
    assert all(place.stat().st_mode & 0o077 == 0 for place in (tmp_path / "home").rglob("*"))
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    assert "there is a profile" in run("init", status=1)
    monkeypatch.setenv("TACIT_PASSPHRASE", "another")
    assert "cannot be opened: the key is wrong, or its files are damaged" in run("consent", status=1)
    monkeypatch.delenv("TACIT_PASSPHRASE")
    assert "set TACIT_PASSPHRASE" in run("consent", status=1)


def test_a_key_file_opens_the_vault_where_nobody_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_home(monkeypatch, tmp_path / "home")
    monkeypatch.delenv("TACIT_PASSPHRASE")
    key = tmp_path / "elsewhere.key"
    assert "opened by key-file" in run("init", "--key-file", str(key))

    assert "no (you were not asked)" in run("consent")
    key.chmod(0o644)
    assert "can be read by others" in run("consent", status=1)


def test_without_a_profile_every_command_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_home(monkeypatch, tmp_path / "nowhere")
    for command in ("consent", "conversations", "learn", "persona", "pairs", "doctor", "privacy", "pause", "leave"):
        assert "`tacit init` makes one" in run(command, status=1)


def test_nothing_is_learned_before_its_user_agreed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_home(monkeypatch, tmp_path / "home")
    profile = new_profile(tmp_path / "home")
    write_someones_conversations(tmp_path / "chats.jsonl", 4)
    assert "added 4" in run("import", str(tmp_path / "chats.jsonl"))
    before = json.loads(result("learn", "--json", "--pairs", "1").stdout)

    assert before["conversations"] == before["statements"] == 0
    assert before["made"] == before["rejected"] == {}
    assert run("persona") == "nothing is known of you yet"
    assert "yes" in run("consent", "imports", "yes")
    assert json.loads(result("learn", "--json", "--pairs", "1", "--no-train").stdout)["conversations"] == 4
    with opened(profile) as vault:
        assert len(vault.pairs.trainable()) > 0
        run("consent", "imports", "no")
        assert vault.pairs.trainable() == ()
        assert VaultDevice(profile, vault).pairs() == ()


def test_what_was_tried_is_not_tried_again(home: Path) -> None:
    with opened(Profile.load(home)) as vault:
        before = vault.attempts.every()
        numbers = [one.number for one in vault.pairs.every()]
    report = json.loads(result("learn", "--json", "--no-train").stdout)

    with opened(Profile.load(home)) as vault:
        assert vault.attempts.every() >= before
        tried = len(vault.attempts.every()) - len(before)
        assert sum(report["made"].values()) + sum(report["rejected"].values()) == tried
        assert {one.number for one in vault.pairs.every()} >= set(numbers)
    assert json.loads(result("learn", "--json", "--no-train").stdout)["made"] == {}


def test_pairs_are_looked_at_corrected_and_dropped(home: Path) -> None:
    listed = json.loads(result("pairs", "--json").stdout)
    number, other = listed[0]["number"], listed[1]["number"]

    assert all(one["state"] == "used" and one["may_be_used"] for one in listed)
    assert "better (assistant)" in run("pairs", "--show", str(number))
    assert "Only this." in run("pairs", "--correct", str(number), typed="Only this.\n")
    run("pairs", "--drop", str(other))
    after = {one["number"]: one for one in json.loads(result("pairs", "--json").stdout)}
    assert (after[number]["state"], after[other]["state"]) == ("corrected", "dropped")
    assert not after[other]["may_be_used"]
    assert "there is no pair 999" in run("pairs", "--drop", "999", status=1)
    assert "holds no assistant text" in run("pairs", "--correct", str(number), typed="\n", status=1)


def test_the_persona_is_read_and_changed(home: Path) -> None:
    assert "chats" not in run("persona")
    statements = json.loads(result("persona", "--json").stdout)
    assert statements
    assert all(one["evidence"] for one in statements)

    assert "Prefers metric units." in run("persona", "--write", "Prefers metric units.")
    assert "Is left-handed." in run("persona", "--write", "-", typed="Is left-handed.\n")
    assert "shell's history" in run("persona", "--help")
    assert "shell's history" in run("chat", "--help")
    struck = statements[0]["text"]
    numbers = {one["text"]: one["number"] for one in json.loads(result("persona", "--json").stdout)}
    assert f"struck out: {struck}" in run("persona", "--strike", str(numbers[struck]))
    assert struck not in [one["text"] for one in json.loads(result("persona", "--json").stdout)]


def test_a_private_conversation_takes_what_was_learned_from_it_along(home: Path) -> None:
    name = json.loads(result("pairs", "--json").stdout)[0]["conversation_ids"][0]
    before = personal_files(home)[0].read_bytes()
    said = run("conversations", "--private", name)

    assert "private, for good" in said
    assert "trained anew" in said
    assert personal_files(home)[0].read_bytes() != before
    assert all(name not in one["conversation_ids"] for one in json.loads(result("pairs", "--json").stdout))
    assert all(
        name != found["conversation_id"]
        for one in json.loads(result("persona", "--json").stdout)
        for found in one["evidence"]
    )
    assert next(
        one["private"] for one in json.loads(result("conversations", "--json").stdout) if one["conversation_id"] == name
    )


def test_forgetting_names_what_is_left_and_trains_anew(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TACIT_BACKUP_PASSPHRASE", "of the backup")
    run("vault", "backup", str(tmp_path / "a.backup"))
    name = json.loads(result("pairs", "--json").stdout)[0]["conversation_ids"][0]
    profile = Profile.load(home)
    with opened(profile) as vault:
        count = vault.learned.count()
        key = vault.device_keys.key(vault.learned.purpose("adapters", count))
    gone = json.loads(result("forget", name, "--json").stdout)

    assert gone["pairs"] >= 1
    assert gone["adapter_removed"]
    assert gone["adapter_retrained"]
    assert gone["backups"] == [str(tmp_path / "a.backup")]
    assert "has never answered a server" in gone["cannot_be_undone"]
    with opened(profile) as vault:
        assert vault.learned.count() == count + 1
        assert vault.device_keys.key(vault.learned.purpose("adapters", count)) != key  # copies of it are noise
        assert vault.conversations.forgotten(name)
    assert "no such conversation" in run("forget", name, status=1)


def test_an_export_is_whole_and_open(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "mine"
    run("export", str(directory))

    assert directory.stat().st_mode & 0o777 == 0o700
    assert len(read_preference_lines(directory / "pairs.jsonl", user_id_required=False)) == len(
        json.loads(result("pairs", "--json").stdout)
    )
    persona = json.loads((directory / "persona.json").read_text())
    assert [one["text"] for one in persona["statements"]] == [
        one["text"] for one in json.loads(result("persona", "--json").stdout)
    ]
    assert json.loads((directory / "consents.json").read_text()) == {"chats": True, "imports": None, "votes": None}
    assert (directory / "adapter" / "adapter_model.safetensors").stat().st_size > 1000
    assert "is there already" in run("export", str(directory), status=1)
    use_home(monkeypatch, tmp_path / "another")
    new_profile(tmp_path / "another")
    assert "added 20" in run("import", str(directory / "conversations.jsonl"))


def test_a_restored_vault_learns_and_tells_nothing_before_it_is_told_to(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TACIT_BACKUP_PASSPHRASE", "of the backup")
    run("vault", "backup", str(tmp_path / "a.backup"))
    assert "is not replaced" in run("vault", "restore", str(tmp_path / "a.backup"), status=1)
    shutil.rmtree(home / "vault")
    assert "has no vault" in run("pairs", status=1)
    monkeypatch.setenv("TACIT_BACKUP_PASSPHRASE", "another")
    assert "passphrase is wrong" in run("vault", "restore", str(tmp_path / "a.backup"), status=1)
    monkeypatch.setenv("TACIT_BACKUP_PASSPHRASE", "of the backup")
    run("vault", "restore", str(tmp_path / "a.backup"))

    with opened(Profile.load(home)) as vault:
        assert len(vault.conversations) == 20
        assert vault.pairs.trainable() == ()
        assert vault.taking_part.state() == "paused"
    found = json.loads(result("doctor", "--json", "--no-model").stdout)
    assert all(one["verdict"] != "wrong" for one in found)


def test_forgetting_everything_needs_no_key_and_leaves_the_ledger(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TACIT_PASSPHRASE", "forgotten")
    (home / "state-ledger").mkdir()
    (home / "state-ledger" / "ledger.jsonl").write_text("what was told\n")
    assert "nothing was forgotten" in run("forget", "--everything", status=1, typed="no\n")
    assert (home / "vault" / "vault.json").exists()
    said = run("forget", "--everything", typed="forget everything\n")

    assert "the vault's key is destroyed" in said
    assert "cannot be taken back" in said
    assert [file for file in home.rglob("*") if file.is_file()] == [home / "state-ledger" / "ledger.jsonl"]


def test_the_switch_stands_above_everything(home: Path) -> None:
    with opened(Profile.load(home)) as vault:
        assert "paused" in run("pause")
        assert vault.taking_part.state() == "paused"
        assert "taking part: on" in run("resume")
        assert "answers no server any more" in run("leave")
        assert "has left" in run("resume", status=1)
        assert "taking part: left" in run("pause")


@pytest.mark.parametrize("command", ["init", "import", "chat", "serve", "persona", "pairs", "privacy", "join", "leave",
                                     "export", "forget", "doctor", "learn", "consent", "conversations"])  # fmt: skip
def test_help_answers_at_once_and_teaches(command: str) -> None:
    said = run(command, "--help")
    assert len(said) > 200


def test_doctor_finds_what_is_wrong(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts = {one["what"]: one["verdict"] for one in json.loads(result("doctor", "--json").stdout)}
    assert set(verdicts.values()) <= {"ok", "look"}
    assert {"key", "vault", "model", "disk", "clock", "policy", "ledger", "server"} <= set(verdicts)

    (home / "policy.toml").write_text("require = 3\n")
    (home / "policy.toml").chmod(0o600)
    (home / "vault").chmod(0o755)
    content = bytearray((home / "vault" / "vault.db").read_bytes())
    content[9000] ^= 1
    (home / "vault" / "vault.db").write_bytes(content)
    found = {one["what"]: one for one in json.loads(result("doctor", "--json", "--no-model", status=1).stdout)}
    for what in ("policy", "profile", "vault"):
        assert found[what]["verdict"] == "wrong"
        assert found[what]["do"]
    monkeypatch.setenv("TACIT_PASSPHRASE", "wrong")
    found = {one["what"]: one for one in json.loads(result("doctor", "--json", "--no-model", status=1).stdout)}
    assert found["key"]["verdict"] == "wrong"


def test_what_is_no_text_is_exported_all_the_same(home: Path, tmp_path: Path) -> None:
    half = "half of an emoji: \ud83d"
    said = (Message(role="user", content=half), Message(role="assistant", content=f"{half} again"))
    with opened(Profile.load(home)) as vault:
        vault.conversations.put(Conversation(conversation_id="half", messages=said), source="chats")
        pair = PreferencePair(prompt=said[:1], chosen=said[1:], rejected=(Message(role="assistant", content="?"),))
        vault.pairs.add(pair, conversation_ids=["half"])
    run("export", str(tmp_path / "mine"), "--no-adapter")

    whole = "half of an emoji: \N{REPLACEMENT CHARACTER}"
    assert read_conversations(tmp_path / "mine" / "conversations.jsonl")[-1].messages[0].content == whole
    pairs = read_preference_lines(tmp_path / "mine" / "pairs.jsonl", user_id_required=False)
    assert pairs[-1].pair.chosen[0].content == f"{whole} again"


def test_bytes_that_are_no_text_are_taken_as_far_as_they_are(home: Path) -> None:
    shown = CliRunner().invoke(app, ["persona", "--write", "-"], input=b"Prefers metric\xff units.\n")
    assert shown.exit_code == 0, shown.output
    assert "Prefers metric\N{REPLACEMENT CHARACTER} units." in [
        one["text"] for one in json.loads(result("persona", "--json").stdout)
    ]
