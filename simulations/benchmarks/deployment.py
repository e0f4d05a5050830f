"""A whole federation end to end: `tacit-server up`, devices that `tacit join`, TLS, enrolment, masks and user-level DP.

Every device is a person's profile, made by the commands that a person types: `tacit init`, `tacit import` of one real
programmer's chats (RealHumanEval), consent, `tacit learn` for the pairs, `tacit card`, `tacit join`. The organiser
signs code list and roster. What is measured is the machinery: with a handful of devices either ε or the noise is large,
and noise that keeps ε small is far longer than any update (`noise_std` is of one number of their mean), so that nothing
useful is learned.

Bytes are counted at the wire, by a relay before the front door of each device's own; time is read from SuperLink's own
database (`superlink_messages`); ε is what `tacit-server status`, `tacit-server train` and each device's `tacit privacy`
print, and the benchmark fails where they disagree.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from shared.flat_config import ConfigError, Scalar
from shared.round_plan import FederationPlan
from simulations.benchmarks.deployed_run import federate
from simulations.benchmarks.deployed_site import DeployedSite, Scripts
from simulations.benchmarks.report import make_report
from simulations.population.realhumaneval import LoggedConversation, read_conversations

DELTA = 1e-6


@dataclass(frozen=True, kw_only=True)
class Size:
    """What is run.

    Attributes:
        devices, rounds: all devices are in every round.
        pairs: that a device tries to make, of each kind.
        noise_multiplier: of the sum of a cohort.
        idle_seconds: for how long devices are counted while there is nothing to do.
    """

    devices: int = 5
    rounds: int = 3
    pairs: int = 4
    noise_multiplier: float = 3.0
    idle_seconds: float = 60.0

    def plan(self) -> dict[str, Scalar]:
        """Flat keys of the plan; all else is the default."""
        return {
            "model.device": "cpu",
            "training.max-pairs": 2 * self.pairs,
            "federation.rounds": self.rounds,
            "federation.cohort-size": self.devices,
            "federation.devices": self.devices,
            "federation.sampling": "schedule",
            "federation.minimum-replies": 1,
            "federation.attempts": 1,
            "federation.aggregation": "secure",
            "privacy.unit": "user",
            "privacy.delta": DELTA,
            "user-privacy.mechanism": "skellam",
            "user-privacy.noise-multiplier": self.noise_multiplier,
            "user-privacy.participations": self.rounds,
        }


def run(
    json_path: Path | None = None,
    *,
    chats: Path | None = None,
    size: Size | None = None,
    install: Callable[[Path], Path] | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, object]:
    """Runs the benchmark, writes it as JSON where a path is given, and returns it.

    Args:
        chats: RealHumanEval's directory, with conversations.jsonl.gz.
        install: given a new directory, installs Tacit there and returns where its console scripts lie; None takes those
            beside this Python.
        progress: is told of every step.

    Raises:
        ConfigError: no chats, or no plan for such a size. PreferenceFileError, OSError: they cannot be read.
        DeploymentError: a command failed, a round was not released, or two of them state different ε.
    """
    if chats is None:
        raise ConfigError("--chats: name RealHumanEval's directory, in which conversations.jsonl.gz lies")
    size = size or Size()
    FederationPlan.from_run_config(size.plan())  # before anything is made for it
    histories = most_talkative(read_conversations(chats), size.devices)
    with tempfile.TemporaryDirectory(prefix="tacit-bench-") as name:  # mode 0700
        began = time.time()
        directory = Path(sys.executable).parent if install is None else install(Path(name) / "venv")
        install_seconds = None if install is None else time.time() - began
        if install_seconds is not None:
            progress(f"installed in {install_seconds:.0f} s")
        place = Path(name) / "site"
        place.mkdir(mode=0o700)
        site = DeployedSite(place=place, scripts=Scripts(directory=directory, is_isolated=install is not None))
        began = time.time()
        site.make_server()
        devices = [prepare_device(site, number, chat, size.pairs) for number, chat in enumerate(histories)]
        for number, made in enumerate(devices):
            progress(f"device {number}: {made['pairs']} pairs of {made['conversations']} conversations")
        site.enrol(range(size.devices))
        found = federate(site, size.plan(), idle_seconds=size.idle_seconds, progress=progress)
        setup = {what: round(seconds, 2) for what, seconds in site.took.items()}
    for device, measured in zip(devices, found.devices, strict=True):
        device.update(measured)
    last = found.records[-1]
    return make_report(
        "deployment",
        packages=("tacit", "torch", "transformers", "flwr"),
        results=[*found.rounds, *devices],
        ratios={
            "a round's wall time to the training in it": _mean(found.rounds, "wall_seconds")
            / _mean(found.rounds, "training_seconds"),
            "bytes up at the wire to bytes of the messages": _mean(found.rounds, "wire_bytes_up_per_device")
            / last.bytes_up,
        },
        json_path=json_path,
        plan=size.plan(),
        # What a person adds, reading and carrying files from one to another, is not in it.
        first_round={
            "install_seconds": install_seconds,
            "from_installed_to_first_round_seconds": found.first_release - began - size.idle_seconds,
            "steps": setup,
        },
        idle=found.idle,
        server_peak_bytes=found.server_peak_bytes,
        privacy=found.privacy,
        noise_std=last.noise_std,
        step_norms=[record.step_norm for record in found.records],
    )


def _mean(rounds: Sequence[Mapping[str, object]], figure: str) -> float:
    return mean(float(str(one[figure])) for one in rounds)


def most_talkative(conversations: Sequence[LoggedConversation], count: int) -> list[list[LoggedConversation]]:
    """The histories of the users who said most, so that there is something to learn from; by id where equal."""
    said: Counter[str] = Counter()
    for one in conversations:
        said[one.user_id] += sum(logged.message.role == "user" for logged in one.messages)
    chosen = sorted(said, key=lambda user: (-said[user], user))[:count]
    if len(chosen) < count:
        raise ConfigError(f"--chats: holds {len(chosen)} users, and {count} devices are asked for")
    return [[one for one in conversations if one.user_id == user] for user in chosen]


def prepare_device(
    site: DeployedSite, number: int, history: Sequence[LoggedConversation], pairs: int
) -> dict[str, object]:
    """A profile that has imported a history and made pairs of it. What came of it, in numbers."""
    exported = site.place / f"chats-{number}.jsonl"
    with exported.open("w", encoding="utf-8") as file:
        for place, one in enumerate(history):
            messages = [{"role": logged.message.role, "content": logged.message.content} for logged in one.messages]
            file.write(json.dumps({"id": f"{number}-{place}", "messages": messages}) + "\n")
    site.tacit(number, "tacit init", "init")
    imported = json.loads(site.tacit(number, "tacit import", "import", str(exported), "--json"))
    site.tacit(number, "tacit consent", "consent", "imports", "yes")
    learned = json.loads(
        site.tacit(number, "tacit learn (pairs)", "learn", "--no-train", "--pairs", str(pairs), "--json")
    )
    return {
        "device": number,
        "conversations": imported["added"],
        "pairs": sum(learned["made"].values()),
        "pairs_turned_away": sum(learned["rejected"].values()),
    }
