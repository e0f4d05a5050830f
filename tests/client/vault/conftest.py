from __future__ import annotations

import pytest

from client.vault.scrypt import ScryptParameters


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The least cost that is taken: some tests derive many keys."""
    monkeypatch.setattr(ScryptParameters, "fresh", lambda: ScryptParameters(salt=bytes(range(16)), n=2**14))
