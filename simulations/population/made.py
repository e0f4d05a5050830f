"""A population whose pairs were made by the device's pipeline. Making them costs minutes, so a run's directory keeps
them. The users are simulated: nobody's words are in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from server.whole_files import write_whole
from shared.conversation import PreferencePair
from shared.preference_files import read_preference_lines
from shared.preference_lines import PreferenceLine, format_preference_line

PAIRS_FILE = "made_pairs.jsonl"
STAGES_FILE = "made_pairs.json"


class MadePairsError(ValueError):
    """The files of made pairs are damaged or of other settings."""


@dataclass(frozen=True, kw_only=True, repr=False)
class MadePopulation:
    """Implements `simulations.population.protocol.Population`; picklable.

    Attributes:
        seed: of the embedded world.
        devices: (users,) each device's pairs; may be empty.
        stages: how each stage of the making did against the truth (`simulations.rlhi.stages`).
    """

    seed: int
    devices: tuple[tuple[PreferencePair, ...], ...]
    stages: Mapping[str, object] = field(default_factory=dict)
    name: str = "embedded, pairs made by the device"

    def __repr__(self) -> str:
        return f"MadePopulation({len(self)} users, {self.pair_count()} pairs)"

    def __len__(self) -> int:
        return len(self.devices)

    def pairs(self, index: int) -> tuple[PreferencePair, ...]:
        """The pairs of device `index`. Raises: IndexError: there is no such device."""
        if not 0 <= index < len(self):
            raise IndexError(f"the population has {len(self)} users")
        return self.devices[index]

    def pair_count(self) -> int:
        """Of all devices."""
        return sum(map(len, self.devices))

    def save(self, directory: Path, settings: str) -> None:
        """Writes the pairs, then what `load_made` knows them by. Raises: OSError.

        Args:
            settings: of their making; a directory with other settings is not loaded.
        """
        lines = [
            format_preference_line(PreferenceLine(user_id=str(index), pair=pair))
            for index, pairs in enumerate(self.devices)
            for pair in pairs
        ]
        head = {"settings": settings, "seed": self.seed, "users": len(self), "pairs": len(lines), "stages": self.stages}
        write_whole(directory / PAIRS_FILE, "".join(f"{line}\n" for line in lines).encode())
        write_whole(directory / STAGES_FILE, json.dumps(head, indent=1).encode())


def load_made(directory: Path, settings: str) -> MadePopulation | None:
    """The population that was saved in a directory; None where there is none.

    Raises:
        MadePairsError: it is damaged, or was made with other settings.
        PreferenceFileError: a line of it is malformed.
    """
    if not (directory / STAGES_FILE).exists():
        return None
    try:
        head = json.loads((directory / STAGES_FILE).read_bytes())
        if head["settings"] != settings:
            raise MadePairsError(f"the pairs in {directory} were made with other settings: name another directory")
        devices: list[list[PreferencePair]] = [[] for _ in range(int(head["users"]))]
        lines = read_preference_lines(directory / PAIRS_FILE) if head["pairs"] else ()
        for line in lines:
            devices[int(line.user_id or "")].append(line.pair)
        if len(lines) != head["pairs"]:
            raise IndexError
        return MadePopulation(seed=int(head["seed"]), devices=tuple(map(tuple, devices)), stages=head["stages"])
    except MadePairsError:
        raise
    except (KeyError, IndexError, TypeError, json.JSONDecodeError):
        raise MadePairsError(f"the made pairs in {directory} are damaged: start the run anew") from None
