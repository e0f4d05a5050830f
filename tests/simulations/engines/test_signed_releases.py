"""From a federation's rounds to a device that never took part: signed, exported, installed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from client.assistant.assistant import ReplySettings
from client.releases import install_release
from server.cli import app
from server.release_chain import ReleaseChain, read_chain, read_release
from server.releases import ReleaseError
from shared.adapter import attach_adapter
from shared.language_model import load_language_model
from shared.run_output import RunOutput
from shared.server_identity import ServerKey
from simulations.engines.inline import run_inline
from tests.client.assistant.assistants import REQUEST, Home, greedy
from tests.federation import FewDevices, adapter_vector, plan


class Killed(BaseException):
    """What a process does not survive."""


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServerKey:
    """The server's, which every run here signs with; two adapters are kept."""
    made = ServerKey.generate()
    made.save(tmp_path / "server.key")
    output = partial(RunOutput, signing_key=str(tmp_path / "server.key"), kept_releases=2)
    monkeypatch.setattr("simulations.engines.inline.RunOutput", output)
    return made


def test_a_run_that_is_killed_while_it_releases_goes_on_and_a_newcomer_uses_what_it_made(
    key: ServerKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of, run = plan(rounds=3, cohort_size=4), tmp_path / "run"
    real = ReleaseChain.add

    def killed(self: ReleaseChain, run: str, round_number: int, *rest: object, **how: object) -> object:
        if round_number == 2:
            raise Killed
        return real(self, run, round_number, *rest, **how)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(ReleaseChain, "add", killed)
        with pytest.raises(Killed):
            run_inline(of, FewDevices(), directory=run, processes=0)
    assert len(read_chain(run)) == 1
    run_inline(of, FewDevices(), directory=run, processes=0, resume=True)

    chain = read_chain(run)
    assert [one.round_number for one in chain] == [1, 2, 3]
    assert {one.server for one in chain} == {key.public}
    assert not (run / "releases/0001/adapter.safetensors").exists()
    vector = read_release(run, chain[-1]).vector
    assert np.array_equal(vector, adapter_vector(run))

    exported = CliRunner().invoke(app, ["release", "export", str(run), "--out", str(tmp_path / "out")])
    assert exported.exit_code == 0, exported.output
    made = (tmp_path / "out" / "adapter_model.safetensors").read_bytes()
    assert made == (run / "adapter" / "adapter_model.safetensors").read_bytes()

    base = load_language_model(of.model)
    home = Home.make(tmp_path, base)
    kept = home.device.adapters()
    install_release(run, servers={key.public}, kept=kept, load=lambda: load_language_model(of.model))
    adapted = attach_adapter(base.twin(), of.adapter)
    adapted.load(vector)
    assistant = home.assistant()
    assert assistant.reply(REQUEST, ReplySettings(max_new_tokens=24)).text == greedy(adapted.language_model, REQUEST)
    home.vault.close()


def test_a_run_does_not_go_on_after_a_broken_chain(key: ServerKey, tmp_path: Path) -> None:
    of, run = plan(rounds=2, cohort_size=4), tmp_path / "run"
    run_inline(of, FewDevices(), directory=run, processes=0)
    file = run / "releases/0001/manifest.json"
    file.write_text(file.read_text().replace(key.public, "00" * 32))

    with pytest.raises(ReleaseError, match="the chain is broken at release 1"):
        run_inline(of, FewDevices(), directory=run, processes=0, resume=True)
