"""This project in a virtual environment of its own, by pip, as somebody gets it who has none of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from simulations.engines.loopback import PROJECT, DeploymentError


def install_fresh(directory: Path) -> Path:
    """Makes the environment, with the versions of constraints.txt, and returns where its console scripts lie.

    Raises: DeploymentError: this is not a checkout of the project, or pip failed.
    """
    constraints = PROJECT / "constraints.txt"
    if not constraints.is_file():
        raise DeploymentError("only a checkout of the project can be installed")
    commands = (
        [sys.executable, "-m", "venv", str(directory)],
        [
            str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "--constraint", str(constraints), str(PROJECT),
        ],
    )  # fmt: skip
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            # Not what it said: that names registries, and paths of this machine.
            raise DeploymentError(f"`python -m {command[2]}` failed with status {done.returncode}")
    return directory / "bin"
