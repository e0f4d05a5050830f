from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from server.cli import app
from shared.messages import TrainRequest
from shared.round_plan import FederationPlan
from shared.server_identity import ServerKey, is_signed
from shared.signing_key import SigningKeyError

_REQUEST = TrainRequest(
    run="1" * 32,
    device=4,
    round_number=1,
    attempt=1,
    plan=FederationPlan(),
    spec_digest="a",
    base_fingerprint="b",
    training_seed=0,
    vector=np.zeros(3, dtype=np.float32),
)


def test_a_signature_covers_every_part_of_a_request() -> None:
    signed = ServerKey.generate().sign(_REQUEST)

    assert is_signed(TrainRequest.from_record(signed.to_record()))
    assert replace(signed, server="", signature="").digest() == _REQUEST.digest()  # and changes nothing of it
    changes: tuple[dict[str, object], ...] = (
        {"run": "2" * 32}, {"device": 5}, {"round_number": 2}, {"attempt": 2}, {"plan": FederationPlan(seed=1)},
        {"spec_digest": "c"},
        {"training_seed": 1}, {"vector": np.ones(3, dtype=np.float32)}, {"server": ServerKey.generate().public},
        {"server": ""}, {"signature": ""}, {"signature": "zz"}, {"server": "0" * 63},
    )  # fmt: skip
    for change in changes:
        assert not is_signed(replace(signed, **change)), change  # type: ignore[arg-type]
    assert not is_signed(_REQUEST)


def test_a_key_is_kept_and_shown_without_its_secret(tmp_path: Path) -> None:
    file = tmp_path / "server.key"
    first, again = (CliRunner().invoke(app, ["key", str(file)]).output.strip() for _ in range(2))

    assert first == again == ServerKey.load(file).public
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_bytes().hex() not in repr(ServerKey.load(file)) + first


def test_a_key_that_cannot_be_used_is_said_to_be_one(tmp_path: Path) -> None:
    file = tmp_path / "server.key"
    with pytest.raises(SigningKeyError, match="cannot read"):
        ServerKey.load(file)
    file.write_bytes(b"short")
    file.chmod(0o600)
    with pytest.raises(SigningKeyError, match="holds no key"):
        ServerKey.load(file)
    file.chmod(0o644)
    with pytest.raises(SigningKeyError, match="mode to 0600"):
        ServerKey.load(file)
