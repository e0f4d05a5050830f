"""What `flwr build` ships. A file that joins the apps joins `tests/bundle_files.txt`, and somebody has looked at it.

`python -m tests.test_bundle` prints the list as it is.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from flwr.cli.build import build_fab_from_disk

_PROJECT = Path(__file__).parents[1]
_LIST = Path(__file__).with_name("bundle_files.txt")


def _names(bundle: bytes) -> list[str]:
    return sorted(zipfile.ZipFile(io.BytesIO(bundle)).namelist())


def _copy(to: Path) -> Path:
    for name in ("client", "server", "shared", "simulations", "tests"):
        shutil.copytree(_PROJECT / name, to / name, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    for name in ("pyproject.toml", ".gitignore"):
        shutil.copy(_PROJECT / name, to / name)
    return to


def test_the_bundle_holds_exactly_the_apps_own_code() -> None:
    names = _names(build_fab_from_disk(_PROJECT))

    assert names == _LIST.read_text().split(), (
        "look at what changed, then: python -m tests.test_bundle > tests/bundle_files.txt"
    )
    assert {name.split("/")[0] for name in names} == {"client", "server", "shared", "pyproject.toml", ".info"}
    assert {Path(name).suffix for name in names} == {".py", ".toml", ""}
    assert not [name for name in names if "test" in name or "simulations" in name]


def test_data_secrets_and_weights_lying_about_stay_out(tmp_path: Path) -> None:
    clean = _names(build_fab_from_disk(_copy(tmp_path / "clean")))
    project = _copy(tmp_path / "dirty")
    for name in (
        "pairs.jsonl", ".env", "notes.md", "client/pairs.jsonl", "client/key.json", "client/vault.toml",
        "server/secret.yaml", "shared/tiny_model/config.json", "shared/tiny_model/model.safetensors",
        "shared/tiny_model/README.md", "runs/demo/rounds.jsonl", "state/noise.key", "scratch.py",
    ):  # fmt: skip
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("{}")

    assert _names(build_fab_from_disk(project)) == clean


def test_the_bundles_hash_depends_on_its_content_alone(tmp_path: Path) -> None:
    first, second = _copy(tmp_path / "a"), _copy(tmp_path / "elsewhere")
    for file in second.rglob("*"):
        os.utime(file, (0, 0))
    (second / "stray.txt").write_text("x")

    hashes = [hashlib.sha256(build_fab_from_disk(place)).hexdigest() for place in (first, second)]

    assert hashes[0] == hashes[1]
    (second / "client" / "app.py").write_text("app = None\n")
    assert hashlib.sha256(build_fab_from_disk(second)).hexdigest() != hashes[0]


def test_flwr_build_works(tmp_path: Path) -> None:
    environment = os.environ | {
        "FLWR_HOME": str(tmp_path / "home"), "FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1",
    }  # fmt: skip
    command = [str(Path(sys.executable).parent / "flwr"), "build", "--app", str(_PROJECT)]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=120)

    (built,) = tmp_path.glob("*.fab")
    assert _names(built.read_bytes()) == _names(build_fab_from_disk(_PROJECT))


def test_the_apps_are_named_as_flower_finds_them() -> None:
    import client
    import client.app
    import server
    import server.app

    assert client.app.app is not None
    assert server.app.app is not None
    # A package that re-exports `app` hides its module from Flower's loader.
    assert client.app.__name__ == "client.app"
    assert server.app.__name__ == "server.app"
    assert not hasattr(vars(client).get("app"), "train")
    assert not hasattr(vars(server).get("app"), "main")


if __name__ == "__main__":
    print("\n".join(_names(build_fab_from_disk(_PROJECT))))
