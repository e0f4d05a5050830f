"""The bundle that a run names is the same wherever it is built, and what an organiser allows is its hash."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from typer.testing import CliRunner

from server.cli import app
from server.deployment.bundle import build_bundle
from shared.code_list import CodeList
from shared.flat_config import from_tables
from shared.round_plan import FederationPlan

_PROJECT = Path(__file__).parents[3]


def test_it_is_built_of_the_installed_packages_byte_for_byte(tmp_path: Path) -> None:
    for package in ("client", "server", "shared"):
        shutil.copytree(_PROJECT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in tmp_path.rglob("*.py"):
        os.utime(file, (0, 0))
    (tmp_path / "client" / "pairs.jsonl").write_text("{}")
    (tmp_path / "server" / "secret.toml").write_text("")

    def built() -> str:
        done = subprocess.run(
            [sys.executable, "-c", "from server.deployment.bundle import build_bundle; print(build_bundle().digest)"],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.strip()

    assert built() == build_bundle().digest
    (tmp_path / "server" / "app.py").write_text("app = None\n")
    assert built() != build_bundle().digest


def test_it_holds_code_alone_and_every_key_that_a_run_may_set() -> None:
    bundle = build_bundle()
    with zipfile.ZipFile(io.BytesIO(bundle.content)) as opened:
        names = opened.namelist()
        project = tomllib.loads(opened.read("pyproject.toml").decode())
    listed = (_PROJECT / "tests" / "bundle_files.txt").read_text().split()

    assert sorted(names) == listed  # the same files as `flwr build`
    assert hashlib.sha256(bundle.content).hexdigest() == bundle.digest
    config = from_tables(project["tool"]["flwr"]["app"]["config"])
    assert FederationPlan.from_run_config(config) == FederationPlan()
    assert "output.directory" in config


def test_an_organiser_allows_a_bundle_by_file_or_by_hash_and_an_invite_carries_it(tmp_path: Path) -> None:
    def run(*arguments: str, status: int = 0) -> str:
        shown = CliRunner().invoke(app, list(arguments))
        assert shown.exit_code == status, shown.output
        return shown.stdout.strip() if status == 0 else " ".join(shown.output.split())

    server_key = run("init", str(tmp_path / "server"), "--host", "a.example")
    organiser = run("organiser", "init", str(tmp_path / "organiser"))
    key = ["--key", str(tmp_path / "organiser" / "organiser.key"), "--version", "1", "--days", "30"]
    digest = run("bundle", "--out", str(tmp_path / "tacit.fab"))
    code, other = str(tmp_path / "code.json"), "ab" * 32
    run("organiser", "allow-code", str(tmp_path / "tacit.fab"), other, *key, "--out", code)
    listed = CodeList.from_json(Path(code).read_text())
    listed.check(organiser)

    assert digest == build_bundle().digest
    assert set(listed.bundles) == {digest, other}
    (tmp_path / "x.txt").write_text("x")
    assert "is not a bundle" in run("organiser", "allow-code", str(tmp_path / "x.txt"), *key, "--out", code, status=1)
    assert "neither a hash" in run("organiser", "allow-code", "abcd", *key, "--out", code, status=1)
    to = ["invite", str(tmp_path / "server"), "--out", str(tmp_path / "invite.json")]
    listed_too = [*to, "--organiser-key", organiser, "--code-list", code]
    line = run(*listed_too)

    from shared.invite import Invite

    invite = Invite.parse(line)
    assert invite == Invite.parse((tmp_path / "invite.json").read_text())
    assert (invite.server, invite.organiser, invite.server_key) == ("a.example:8443", organiser, server_key)
    assert invite.code_list == listed
    assert invite.authority == (tmp_path / "server" / "tls" / "authority.pem").read_text()
    assert "another organiser's" in run(*to, "--organiser-key", "cd" * 32, "--code-list", code, status=1)
    assert "two keys" in run(*to, "--organiser-key", server_key, status=1)
    assert invite.fingerprint() in CliRunner().invoke(app, listed_too).output
