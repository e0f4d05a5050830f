"""A person's place on their device: which model answers them, and where what is theirs lies.

TACIT_HOME/             by default ~/.tacit, mode 0700
  profile.toml          the base model and, for a vault with a key file, where that is; nothing private
  vault/                conversations, persona, pairs, votes, consents: encrypted (`client.vault`)
  state/                the device's keys, what it answered, adapters (sealed under a key from the vault)
  state-ledger/         the privacy ledger, which is never set back
  policy.toml           what may leave (`client.privacy_policy`); without it nothing does
  server.toml           who is joined; code-lists/, authorities/, servers/: who was (`client.invitation`)
  serve.token           what a front end must show (`tacit serve`)
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path

import tomli_w

from client.device import default_ledger_directory
from client.vault.backup import restore
from client.vault.errors import VaultLockedError
from client.vault.header import HEADER_FILE
from client.vault.keys import Unlocker
from client.vault.vault import Vault
from shared.model_config import ModelConfig
from shared.private_files import write_private

HOME_VARIABLE = "TACIT_HOME"
_FORMAT = 1
_FILE = "profile.toml"
_MODEL_KEYS = ("name", "revision", "dtype", "device")


class ProfileError(RuntimeError):
    """There is no profile, there is one already, or it cannot be read. Says what to do."""


@dataclass(frozen=True, kw_only=True)
class ProfileSettings:
    """Attributes:
    model: the base model.
    key_file: what opens the vault, where that is a file.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    key_file: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One person's profile.

    Attributes:
        home: its directory.
        settings: see there.
    """

    home: Path
    settings: ProfileSettings

    @property
    def vault_directory(self) -> Path:
        return self.home / "vault"

    @property
    def state_directory(self) -> Path:
        return self.home / "state"

    @property
    def ledger_directory(self) -> Path:
        return default_ledger_directory(self.state_directory)

    @property
    def policy_file(self) -> Path:
        return self.home / "policy.toml"

    @property
    def server_file(self) -> Path:
        return self.home / "server.toml"

    @property
    def token_file(self) -> Path:
        return self.home / "serve.token"

    @classmethod
    def create(
        cls, home: Path, settings: ProfileSettings, unlocker: Unlocker, *, backup: tuple[Path, str] | None = None
    ) -> Profile:
        """A new profile with an empty vault, or with one from a backup.

        A making that was killed is finished: its vault, which holds nothing, is taken over.

        Args:
            backup: the file, and its passphrase.

        Raises:
            ProfileError: there is one already, or a vault without a profile that holds something or does not open.
            VaultError: see `Vault.create` and `client.vault.backup.restore`.
            OSError: the directory cannot be written.
        """
        if (home / _FILE).exists():
            raise ProfileError(f"there is a profile in {home} already: name another place with {HOME_VARIABLE}")
        profile = cls(home=home, settings=settings)
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        home.chmod(0o700)
        profile.state_directory.mkdir(exist_ok=True, mode=0o700)
        is_there = profile._has_vault_of_nothing(unlocker)
        if backup is not None:
            profile._restore(*backup, unlocker, replaces=is_there)
            return profile
        if not is_there:
            Vault.create(profile.vault_directory, unlocker).close()
        # Last: a making that was killed before is no profile, and is begun anew.
        profile.write()
        return profile

    def _has_vault_of_nothing(self, unlocker: Unlocker) -> bool:
        """Whether a making was killed after its vault was made. Raises: ProfileError."""
        if not (self.vault_directory / HEADER_FILE).exists():
            return False
        try:
            with Vault.open(self.vault_directory, unlocker) as vault:
                holds_nothing = vault.holds_nothing()
        except VaultLockedError:
            raise ProfileError(
                f"{self.vault_directory} holds a vault that has no profile, and this does not open it: give what was "
                "chosen when it was made, or move that directory away"
            ) from None
        if not holds_nothing:
            raise ProfileError(
                f"{self.vault_directory} holds a vault with conversations that has no profile: put {_FILE} back beside "
                "it (`format = 1` and `[model]`), or move that directory away"
            )
        return True

    def _restore(self, path: Path, passphrase: str, unlocker: Unlocker, *, replaces: bool) -> None:
        # First: a making that is killed is a profile without a vault, into which the backup can be restored.
        self.write()
        try:
            restore(path, self.vault_directory, passphrase, unlocker=unlocker, replaces=replaces)
        except BaseException:
            (self.home / _FILE).unlink(missing_ok=True)
            raise

    def write(self) -> None:
        """Writes the settings, whole or not at all. Raises: OSError."""
        model = {key: value for key, value in asdict(self.settings.model).items() if key in _MODEL_KEYS and value}
        values: dict[str, object] = {"format": _FORMAT, "model": model}
        if self.settings.key_file is not None:
            values["key-file"] = str(self.settings.key_file)
        write_private(self.home / _FILE, [tomli_w.dumps(values).encode()])

    @classmethod
    def load(cls, home: Path | None = None) -> Profile:
        """The profile in a directory, by default `default_home()`.

        Raises:
            ProfileError: there is none, or it is damaged.
        """
        home = home or default_home()
        path = home / _FILE
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ProfileError(
                f"there is no profile in {home}: `tacit init` makes one, {HOME_VARIABLE} names another place"
            ) from None
        except (OSError, ValueError) as error:
            raise ProfileError(f"{path} cannot be read ({type(error).__name__})") from None
        model, key_file = values.get("model"), values.get("key-file")
        if values.get("format") != _FORMAT or not isinstance(model, dict) or not set(model) <= set(_MODEL_KEYS):
            raise ProfileError(f"{path} is not a profile of this version")
        if not all(isinstance(value, str) for value in model.values()) or not isinstance(key_file, str | None):
            raise ProfileError(f"{path} is damaged: its values must be texts")
        return cls(
            home=home,
            settings=ProfileSettings(model=ModelConfig(**model), key_file=None if key_file is None else Path(key_file)),
        )


def default_home() -> Path:
    """`TACIT_HOME`, or `~/.tacit`; absolute, since what is written down of it is read elsewhere."""
    named = os.environ.get(HOME_VARIABLE)
    return Path(named).expanduser().absolute() if named else Path.home() / ".tacit"
