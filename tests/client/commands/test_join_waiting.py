"""What `tacit join` says where nobody looks at a terminal: in the log of a service or of a container."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.commands.join import _take_part
from client.server_settings import ServerSettings
from tests.client.profiles import new_profile, opened, use_home


def test_a_log_says_once_why_nothing_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use_home(monkeypatch, tmp_path / "home")
    profile = new_profile(tmp_path / "home")
    settings = ServerSettings.parse("127.0.0.1:9", root_certificates=None, number=0)

    def waiting(*_: object, answered: object, waits: object) -> str | None:  # instead of `client.joining.take_part`
        assert callable(waits)
        for reason in (None, "not on power", "not on power", "not on power", None, "paused", None):
            waits(reason)
        return None

    with opened(profile) as vault:
        assert _take_part(profile, vault, settings, waiting) == (None, 0)

    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("begins nothing")]
    assert told == ["begins nothing: not on power", "begins nothing: paused"]
