"""The bundle that SuperLink hands to devices: this installation's own code, byte for byte the same on every machine.

Devices never open it: its hash says which version the server means. It is built from the packages that are installed,
wherever those are, so that a server needs no checkout of the project.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import tomli_w

from server.deployment.directory import DeploymentError
from shared.flat_config import to_tables
from shared.round_plan import FederationPlan
from shared.run_output import RunOutput

_PACKAGES = ("client", "server", "shared")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, repr=False)
class Bundle:
    """Attributes:
    content: a Flower App Bundle.
    digest: its SHA-256, 64 hex digits.
    """

    content: bytes
    digest: str


@cache
def build_bundle() -> Bundle:
    """The bundle of what is installed here."""
    from flwr.cli.build import build_fab_from_files

    files: dict[str, bytes | Path] = {"pyproject.toml": _project().encode()}
    for package in _PACKAGES:
        root = _root(package)
        for file in root.rglob("*.py"):
            files[f"{package}/{file.relative_to(root).as_posix()}"] = file
    content, _ = build_fab_from_files(files)
    return Bundle(content=content, digest=hashlib.sha256(content).hexdigest())


def digest_of(text: str) -> str:
    """The hash that a text is, or that the bundle has whose file it names.

    Raises:
        DeploymentError: neither.
    """
    if _DIGEST.fullmatch(text):
        return text
    try:
        content = Path(text).read_bytes()
    except OSError as error:
        raise DeploymentError(f"{text} is neither a hash of 64 hex digits nor a file ({error.strerror})") from None
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise DeploymentError(f"{text} is not a bundle: make one with `tacit-server bundle --out FILE`")
    return hashlib.sha256(content).hexdigest()


def _root(package: str) -> Path:
    found = find_spec(package)
    if found is None or found.origin is None:
        raise RuntimeError(f"the package {package} is not installed")
    return Path(found.origin).parent


def _project() -> str:
    """What Flower must know of a bundle; every key of a run with its default, since Flower admits no others."""
    defaults = FederationPlan().to_run_config() | RunOutput(directory="").to_run_config()
    return tomli_w.dumps(
        {
            "project": {"name": "tacit", "version": version("tacit"), "license": "Apache-2.0"},
            "tool": {
                "flwr": {
                    "app": {
                        "publisher": "tacit",
                        "fab-include": [f"/{package}/**/*.py" for package in _PACKAGES],
                        "components": {"serverapp": "server.app:app", "clientapp": "client.app:app"},
                        "config": to_tables(defaults),
                    }
                }
            },
        }
    )
