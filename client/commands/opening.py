"""What the commands of `tacit` have in common: a profile, its vault opened, and errors as one line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from shared.command_line import explained

if TYPE_CHECKING:
    from client.profile import Profile
    from client.unlocking import AskPassphrase
    from client.vault.vault import Vault

out, err = Console(), Console(stderr=True)


def asker() -> AskPassphrase | None:
    """Asks on the terminal, without showing what is typed; None where there is none."""
    if not sys.stdin.isatty():
        return None
    return lambda what: str(typer.prompt(what, hide_input=True, err=True))


def piped_text() -> str:
    """All of standard input, without white space around it. What is no UTF-8 becomes U+FFFD."""
    return sys.stdin.buffer.read().decode("utf-8", "replace").strip()


@contextmanager
def opened() -> Iterator[tuple[Profile, Vault]]:
    """The profile and its vault, closed afterwards. Raises: ProfileError, VaultError."""
    from client.profile import Profile
    from client.unlocking import open_vault

    profile = Profile.load()
    with open_vault(profile, asker()) as vault:
        yield profile, vault


def told(interrupted: str = "nothing was changed") -> AbstractContextManager[None]:
    """Ends the command with one line for every error that says what to do."""
    return explained(_expected, err, interrupted=interrupted)


def _expected() -> tuple[type[Exception], ...]:
    from client.device import DeclinedError, DeviceError
    from client.importers.jsonl_store import StoreBusyError
    from client.importers.reading import ImportFileError
    from client.persona.book import PersonaBookError
    from client.privacy_ledger import LedgerError
    from client.privacy_policy import PolicyError
    from client.profile import ProfileError
    from client.training import TrainingError
    from client.vault.errors import VaultError
    from shared.adapter_spec import AdapterError
    from shared.chat_format import ChatTemplateError
    from shared.conversation import InvalidConversationError
    from shared.language_model import LanguageModelError
    from shared.preference_files import PreferenceFileError

    return (
        AdapterError, ChatTemplateError, DeclinedError, DeviceError, ImportFileError, InvalidConversationError,
        LanguageModelError, LedgerError, OSError, PersonaBookError, PolicyError, PreferenceFileError,
        ProfileError, StoreBusyError, TrainingError, VaultError,
    )  # fmt: skip
