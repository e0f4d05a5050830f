"""Keys and the header: what opens a vault, and that nothing else does."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from keyring.backend import KeyringBackend
from keyring.backends.chainer import ChainerBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.backends.null import Keyring as NullKeyring

from client.vault.errors import UnlockerError, VaultExistsError, VaultLockedError
from client.vault.header import HEADER_FILE, NEXT_HEADER_FILE, Header
from client.vault.keys import KeyFile, OsKeyring, Passphrase, Unlocker, new_data_key
from client.vault.scrypt import ScryptParameters
from client.vault.vault import Vault
from tests.client.vault.vaults import a_conversation, fill, key_of, new_vault

OPAQUE = "the vault cannot be opened: the key is wrong, or its files are damaged"


class Keyring(KeyringBackend):
    """A keyring in memory."""

    priority = 1.0

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


def unlockers(tmp_path: Path) -> list[Unlocker]:
    return [Passphrase("correct horse"), OsKeyring(Keyring()), KeyFile(tmp_path / "key")]


@pytest.mark.parametrize("which", range(3))
def test_each_way_opens_its_vault(tmp_path: Path, which: int) -> None:
    unlocker = unlockers(tmp_path)[which]
    with Vault.create(tmp_path / "vault", unlocker) as vault:
        vault.conversations.put(a_conversation(1), source="imports")
    with Vault.open(tmp_path / "vault", unlocker) as vault:
        assert vault.conversations.get("chatgpt:c1") == a_conversation(1)
    assert Vault.kind(tmp_path / "vault") == unlocker.kind
    assert (tmp_path / "vault" / HEADER_FILE).stat().st_mode & 0o777 == 0o600
    for file in (tmp_path / "vault").iterdir():
        assert file.stat().st_mode & 0o077 == 0, file.name


def test_a_passphrase_is_the_same_however_it_is_composed() -> None:
    parameters = ScryptParameters(salt=bytes(16), n=2**14)
    assert parameters.derive("café") == parameters.derive("cafe\N{COMBINING ACUTE ACCENT}")
    assert parameters.derive("café") != parameters.derive("cafe")
    with pytest.raises(UnlockerError):
        Passphrase("")


def test_scrypt_gives_the_vector_of_its_rfc() -> None:
    # RFC 7914 has none at these costs, so the reference is the standard library's.
    import hashlib

    derived = hashlib.scrypt(b"password", salt=bytes(16), n=2**14, r=8, p=1, dklen=32, maxmem=2**26)
    assert ScryptParameters(salt=bytes(16), n=2**14).derive("password") == derived


@pytest.mark.parametrize(
    "change",
    [
        {"n": 2**40}, {"n": 2**21}, {"n": 2**13}, {"n": 100_000}, {"n": 2**20, "r": 16}, {"r": 0}, {"r": 17}, {"p": 0},
        {"p": 5}, {"n": True}, {"n": 131072.0}, {"r": "8"}, {"salt": "00"}, {"salt": "zz" * 16}, {"extra": 1},
    ],
)  # fmt: skip
def test_a_header_cannot_ask_for_terabytes(
    tmp_path: Path, change: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def must_not_run(*_: object) -> bytes:
        raise AssertionError

    monkeypatch.setattr("client.vault.scrypt.Scrypt", must_not_run)
    values = {"salt": "00" * 16, "n": 2**17, "r": 8, "p": 1} | change
    with pytest.raises(ValueError, match=r"scrypt|hexadecimal"):
        ScryptParameters.parse(values)
    with pytest.raises(VaultLockedError, match=OPAQUE):
        Passphrase("x").key(values)


def _set(key: str, value: object) -> Callable[[dict[str, object]], None]:
    return lambda values: values.update({key: value})


@pytest.mark.parametrize(
    "tamper",
    [
        _set("format", 2),
        _set("vault", "0" * 32),
        _set("unlocker", "passphrase"),
        _set("parameters", {"account": "x"}),
        _set("parameters", []),
        _set("nonce", "00" * 12),
        _set("nonce", ""),
        _set("nonce", 7),
        _set("wrapped", "00" * 48),
        _set("wrapped", "zz"),
        _set("more", 1),
        lambda values: values.clear(),
    ],
)
def test_an_altered_header_opens_nothing(tmp_path: Path, tamper: Callable[[dict[str, object]], None]) -> None:
    directory = tmp_path / "vault"
    new_vault(directory).close()
    values = json.loads((directory / HEADER_FILE).read_text())
    tamper(values)
    (directory / HEADER_FILE).write_text(json.dumps(values))
    with pytest.raises(VaultLockedError) as caught:
        Vault.open(directory, key_of(directory))
    assert str(caught.value) == OPAQUE
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "content", [b"", b"[" * 100_000, b"\xff\xfe", b"{}" + b" " * 20_000, b'{"format": 1}', b"null"]
)
def test_a_header_that_is_none_opens_nothing(tmp_path: Path, content: bytes) -> None:
    directory = tmp_path / "vault"
    new_vault(directory).close()
    (directory / HEADER_FILE).write_bytes(content)
    with pytest.raises(VaultLockedError, match=OPAQUE):
        Vault.open(directory, key_of(directory))


def test_every_wrong_key_gives_one_error(tmp_path: Path) -> None:
    directory = tmp_path / "vault"
    keyring = Keyring()
    Vault.create(directory, OsKeyring(keyring)).close()
    wrong: list[Unlocker] = [Passphrase("wrong"), OsKeyring(Keyring()), KeyFile(tmp_path / "other")]
    wrong[2].begin()
    for account in list(keyring.kept):
        keyring.kept[account] = "not a key"
    wrong.append(OsKeyring(keyring))
    texts = set()
    for unlocker in wrong:
        with pytest.raises(VaultLockedError) as caught:
            Vault.open(directory, unlocker)
        texts.add(str(caught.value))
    with pytest.raises(VaultLockedError) as caught:
        Vault.open(tmp_path / "nothing here", wrong[0])
    assert texts | {str(caught.value)} == {OPAQUE}


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "vault"
    new_vault(directory).close()
    key = tmp_path / "vault.key"
    assert key.stat().st_mode & 0o777 == 0o600
    for mode in (0o640, 0o604, 0o660, 0o700):
        key.chmod(mode)
        with pytest.raises(UnlockerError, match="0600"):
            Vault.open(directory, KeyFile(key))
    key.chmod(0o600)
    link = tmp_path / "link"
    link.symlink_to(key)
    with pytest.raises(UnlockerError, match="cannot be read"):
        Vault.open(directory, KeyFile(link))
    with pytest.raises(UnlockerError, match=r"is not a file|cannot be read"):
        Vault.open(directory, KeyFile(tmp_path))
    with pytest.raises(UnlockerError, match="cannot be read"):
        Vault.open(directory, KeyFile(tmp_path / "gone"))
    Vault.open(directory, KeyFile(key)).close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_key_file_of_another_user_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "vault"
    new_vault(directory).close()
    os.chown(tmp_path / "vault.key", 12345, 12345)
    with pytest.raises(UnlockerError, match="another user"):
        Vault.open(directory, key_of(directory))


def test_a_key_file_of_another_length_opens_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "vault"
    new_vault(directory).close()
    for content in (b"", bytes(31), bytes(33)):
        (tmp_path / "vault.key").write_bytes(content)
        with pytest.raises(VaultLockedError):
            Vault.open(directory, key_of(directory))


@pytest.mark.parametrize("backend", [NoKeyring, NullKeyring, Keyring])
def test_only_keyrings_that_keep_secrets_are_taken(
    backend: type[KeyringBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyring.get_keyring", backend)
    with pytest.raises(UnlockerError, match="no keyring that keeps secrets"):
        OsKeyring()


def test_the_operating_systems_keyring_is_found_in_a_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    trusted = type("Trusted", (Keyring,), {"__module__": "keyring.backends.SecretService"})()
    chain = ChainerBackend()  # type: ignore[no-untyped-call]
    monkeypatch.setattr(ChainerBackend, "backends", [Keyring(), trusted])
    monkeypatch.setattr("keyring.get_keyring", lambda: chain)
    assert OsKeyring().begin()[1]
    assert len(trusted.kept) == 1


def test_a_keyring_that_forgets_is_not_trusted() -> None:
    keyring = Keyring()
    keyring.get_password = lambda service, username: None  # type: ignore[method-assign]
    with pytest.raises(UnlockerError, match="did not keep"):
        OsKeyring(keyring).begin()


def test_nothing_shows_a_key(tmp_path: Path) -> None:
    data_key = new_data_key()
    secret = "correct horse"  # noqa: S105
    header = Header.wrap(data_key, KeyFile(tmp_path / "key"))
    shown = repr([Passphrase(secret), KeyFile(tmp_path / "key"), OsKeyring(Keyring()), header])
    assert secret not in shown
    assert data_key.hex() not in shown
    assert str(tmp_path) not in shown


def test_a_vault_is_not_made_over_another(tmp_path: Path) -> None:
    directory = tmp_path / "vault"
    with new_vault(directory) as vault:
        fill(vault)
    with pytest.raises(VaultExistsError):
        new_vault(directory)
    (directory / HEADER_FILE).rename(tmp_path / "header")
    with pytest.raises(VaultExistsError, match="put it back"):
        new_vault(directory)
    (tmp_path / "header").rename(directory / HEADER_FILE)
    with Vault.open(directory, key_of(directory)) as vault:
        assert len(vault.conversations) == 3


def test_a_making_that_was_killed_is_begun_again(tmp_path: Path) -> None:
    directory = tmp_path / "vault"
    new_vault(directory).close()
    (directory / HEADER_FILE).rename(directory / NEXT_HEADER_FILE)
    new_vault(directory).close()
    Vault.open(directory, key_of(directory)).close()
    assert not (directory / NEXT_HEADER_FILE).exists()
