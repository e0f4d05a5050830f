"""Keys for what lies beside the vault are there while others write."""

from __future__ import annotations

import time
from pathlib import Path

from client.vault.scrypt import KEY_BYTES
from client.vault.vault import Vault
from tests.client.vault.vaults import key_of, new_vault


def test_a_key_that_is_there_waits_for_nobody(tmp_path: Path) -> None:
    with new_vault(tmp_path / "vault") as vault:
        key = vault.device_keys.key("adapters")
        assert len(key) == KEY_BYTES
        with Vault.open(tmp_path / "vault", key_of(tmp_path / "vault")) as other, other.imports.importing():
            begun = time.monotonic()
            assert vault.device_keys.key("adapters") == key
            assert time.monotonic() - begun < 5  # whoever waits does so for ten seconds, and is given up
