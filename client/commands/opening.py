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
# Where errors that say what to do are defined.
_EXPECTED = (
    ("client.device", "DeclinedError"),
    ("client.device", "DeviceError"),
    ("client.importers.jsonl_store", "StoreBusyError"),
    ("client.importers.reading", "ImportFileError"),
    ("client.persona.book", "PersonaBookError"),
    ("client.privacy_ledger", "LedgerError"),
    ("client.privacy_policy", "PolicyError"),
    ("client.profile", "ProfileError"),
    ("client.training", "TrainingError"),
    ("client.vault.errors", "VaultError"),
    ("shared.adapter_spec", "AdapterError"),
    ("shared.causal_lm", "LanguageModelError"),
    ("shared.chat_format", "ChatTemplateError"),
    ("shared.conversation", "InvalidConversationError"),
    ("shared.preference_files", "PreferenceFileError"),
)


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
    # A module that was not loaded has raised nothing; to load PyTorch for a wrong passphrase would take seconds.
    loaded = [(sys.modules[module], name) for module, name in _EXPECTED if module in sys.modules]
    return (OSError, *(getattr(module, name) for module, name in loaded))
