"""From `pip install` to the first completed round, for an operator who follows the README on one machine.

    python -m simulations.benchmarks.first_round --chats DIR --json FILE

A new virtual environment gets this project by pip, with the versions of constraints.txt; then the README's commands are
typed one after the other: the server, the organiser, five devices with pairs of their own, one round under masks and
noise. What a person adds, reading and carrying files from one to another, is not in it; nor is what pip costs on
another network, which is why its time stands by itself.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from simulations.benchmarks.deployed_run import federate
from simulations.benchmarks.deployed_site import DeployedSite, Scripts
from simulations.benchmarks.deployment import Size, most_talkative, prepare_device
from simulations.benchmarks.report import make_report
from simulations.engines.loopback import PROJECT, DeploymentError
from simulations.population.realhumaneval import read_conversations

_SIZE = Size(rounds=1, idle_seconds=0.0)


def run(
    json_path: Path | None = None,
    *,
    chats: Path,
    size: Size = _SIZE,
    install: Callable[[Path], Path] | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, object]:
    """Runs the benchmark, writes it as JSON where a path is given, and returns it.

    Args:
        chats: RealHumanEval's directory.
        install: given a new directory, installs there and returns where the console scripts are; None is `installed`.

    Raises:
        DeploymentError: pip or one of the commands failed, or no round was released.
    """
    histories = most_talkative(read_conversations(chats), size.devices)
    with tempfile.TemporaryDirectory(prefix="tacit-first-") as name:  # mode 0700
        began = time.perf_counter()
        scripts = (install or installed)(Path(name) / "venv")
        pip_seconds = time.perf_counter() - began
        progress(f"installed in {pip_seconds:.0f} s")
        (Path(name) / "site").mkdir(mode=0o700)
        site = DeployedSite(place=Path(name) / "site", scripts=Scripts(directory=scripts, is_isolated=True))
        began = time.perf_counter()
        site.make_server()
        for number, history in enumerate(histories):
            prepare_device(site, number, history, size.pairs)
        site.enrol(range(size.devices))
        ready_seconds = time.perf_counter() - began
        progress(f"server and {size.devices} devices are made in {ready_seconds:.0f} s")
        found = federate(site, size.plan(), idle_seconds=size.idle_seconds, progress=progress)
        whole = time.perf_counter() - began
    result = {
        "devices": size.devices,
        "pip_seconds": pip_seconds,
        "preparing_seconds": ready_seconds,
        "from_installed_to_first_round_seconds": whole,
        "round_seconds": found.records[0].seconds,
        "steps": {what: round(seconds, 2) for what, seconds in site.took.items()},
        "load_average": found.rounds[0]["load_average"],
    }
    return make_report(
        "first_round",
        packages=("tacit", "torch", "flwr"),
        results=[result],
        ratios={"pip to all that comes after it": pip_seconds / whole},
        json_path=json_path,
        privacy=found.privacy,
    )


def installed(directory: Path) -> Path:
    """A new virtual environment with this project in it. Raises: DeploymentError: pip failed."""
    commands = (
        [sys.executable, "-m", "venv", str(directory)],
        [
            str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "--constraint", str(PROJECT / "constraints.txt"), str(PROJECT),
        ],
    )  # fmt: skip
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise DeploymentError(f"{Path(command[0]).name} {command[2]} failed with status {done.returncode}")
    return directory / "bin"


def main() -> None:
    """The command that this module is."""
    parser = argparse.ArgumentParser(description="From pip install to the first completed round.")
    parser.add_argument("--chats", type=Path, required=True, help="RealHumanEval's directory")
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    run(arguments.json, chats=arguments.chats, progress=print)


if __name__ == "__main__":
    main()
