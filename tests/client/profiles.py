"""A profile for tests: the packaged model, a passphrase from the environment, conversations of the embedded world."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from client.clean_environment import PASSPHRASE_VARIABLE
from client.cli import app
from client.conversation_files import write_conversations
from client.profile import HOME_VARIABLE, Profile, ProfileSettings
from client.unlocking import open_vault
from client.vault.keys import Passphrase
from client.vault.scrypt import ScryptParameters
from client.vault.vault import Vault
from shared.conversation import Conversation
from simulations.population.embedded.history import history, speaker

PASSPHRASE = "a passphrase of a test"  # noqa: S105


def use_home(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Makes `home` the place of the profile, opened without asking; its passphrase is stretched little."""
    monkeypatch.setenv(HOME_VARIABLE, str(home))
    monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE)
    monkeypatch.setattr(ScryptParameters, "fresh", _quick)


def new_profile(home: Path, conversations: Sequence[Conversation] = ()) -> Profile:
    """A profile whose vault holds conversations, as if they had been had here. Needs `use_home`."""
    profile = Profile.create(home, ProfileSettings(), Passphrase(PASSPHRASE))
    with open_vault(profile) as vault:
        for one in conversations:
            vault.conversations.put(one, source="chats")
    return profile


def opened(profile: Profile) -> Vault:
    """Its vault."""
    return open_vault(profile)


def someones_conversations(count: int, *, index: int = 2) -> tuple[Conversation, ...]:
    """Conversations of one simulated user, the same every time."""
    return tuple(entry.conversation for entry in history(speaker(0, "train", index), count))


def write_someones_conversations(path: Path, count: int) -> None:
    """The same as a file that `tacit import` reads."""
    write_conversations(path, someones_conversations(count))


def run(*arguments: str, status: int = 0, typed: str | None = None) -> str:
    """What a command prints, with runs of white space as one space."""
    return " ".join(result(*arguments, status=status, typed=typed).output.split())


def result(*arguments: str, status: int = 0, typed: str | None = None) -> Result:
    """A command's result."""
    shown = CliRunner().invoke(app, list(arguments), input=typed)
    assert shown.exit_code == status, shown.output
    return shown


def _quick() -> ScryptParameters:
    return ScryptParameters(salt=secrets.token_bytes(16), n=2**14, r=8, p=1)
