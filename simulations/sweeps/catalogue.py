"""The sweeps that come with Tacit, by name: files of `presets/`, and those whose cells other modules know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from shared.adapter_methods import METHODS, Method
from shared.flat_config import ConfigError, Scalar
from simulations.method_comparison import setting_config, settings_without_privacy
from simulations.rlhi.ablations import VARIANTS, variant_config
from simulations.run.config import RunConfig, read_preset
from simulations.run.expected_cost import Budget
from simulations.sweeps.definition import SEED_KEYS, Cell, SweepDefinition, read_sweep

_PRESETS = Path(__file__).parent / "presets"
_MADE_ELSEWHERE: Mapping[str, str] = {
    "methods": "Every aggregation method at two cohort sizes, as `tacit-sim methods compare` has them; about an hour.",
    "ablations": "RLHI, and RLHI with one thing changed, as `tacit-sim ablate` has them; hours.",
}
# Each cell is a kind of its own, so that the first of a kind is nearly every run.
_BUDGET = Budget(run_gib=2.0)
_SMALL_METHODS: Mapping[str, object] = {
    "data.users": 24, "federation.cohort-size": 8, "federation.rounds": 2, "evaluation.users": 16,
    "evaluation.seen-users": 0, "evaluation.personal-users": 0,
}  # fmt: skip
_SMALL_RLHI: Mapping[str, object] = {
    "data.users": 10, "federation.cohort-size": 5, "federation.rounds": 2, "evaluation.users": 16,
    "evaluation.questions": 1, "evaluation.temperature": 0.0,
}  # fmt: skip


def sweep_descriptions() -> dict[str, str]:
    """Name → what the sweep is for: the first comment of its file."""
    files = {
        path.stem: path.read_text(encoding="utf-8").partition("\n\n")[0].replace("\n# ", " ").removeprefix("# ").strip()
        for path in _PRESETS.glob("*.toml")
    }
    return dict(sorted({**files, **_MADE_ELSEWHERE}.items()))


def find_sweep(named: str) -> SweepDefinition:
    """A preset's name, or a file.

    Raises:
        ConfigError: there is neither; or the file is no sweep.
    """
    if named == "methods":
        return _methods()
    if named == "ablations":
        return _ablations()
    file = _PRESETS / f"{named}.toml"
    if named in sweep_descriptions():
        return read_sweep(file)
    if not Path(named).is_file():
        raise ConfigError(f"there is neither a sweep nor a file {named!r}: there are {', '.join(sweep_descriptions())}")
    return read_sweep(Path(named))


def _methods() -> SweepDefinition:
    settings = {one.name: one for one in settings_without_privacy(cast("list[Method]", list(METHODS)))}

    def config(name: str, changes: Mapping[str, object]) -> Mapping[str, object]:
        return setting_config(settings[name], 0, changes, memory=Path("memory"))

    return _made(tuple(settings), config, seeds=2, small=_SMALL_METHODS, few=("ffa-lora-10", "fedit-10"))


def _ablations() -> SweepDefinition:
    base = read_preset("rlhi")

    def config(name: str, changes: Mapping[str, object]) -> Mapping[str, object]:
        return variant_config(name, 0, {**base, **changes}, memory=Path("memory"))

    return _made(tuple(VARIANTS), config, seeds=3, small=_SMALL_RLHI, few=("full", "sft"))


def _made(
    names: tuple[str, ...],
    config: Callable[[str, Mapping[str, object]], Mapping[str, object]],
    *,
    seeds: int,
    small: Mapping[str, object],
    few: tuple[str, ...],
) -> SweepDefinition:
    smoke = SweepDefinition(
        cells=_cells({name: config(name, small) for name in names}), default_cells=few, seeds=(0,), budget=_BUDGET
    )
    return SweepDefinition(
        cells=_cells({name: config(name, {}) for name in names}),
        default_cells=names,
        seeds=tuple(range(seeds)),
        budget=_BUDGET,
        smoke=smoke,
    )


def _cells(flats: Mapping[str, Mapping[str, object]]) -> dict[str, Cell]:
    """Cells of whole configurations: what varies is what is not the same in all of them."""
    free = (*SEED_KEYS, "run.memory", "run.processes")
    whole = {name: RunConfig.from_flat(flat).to_flat() for name, flat in flats.items()}
    first = next(iter(whole.values()))
    varying = [key for key in first if key not in free and any(flat[key] != first[key] for flat in whole.values())]
    return {
        name: Cell(
            name=name,
            swept=cast("dict[str, Scalar]", {key: whole[name][key] for key in varying}),
            flat={key: value for key, value in flat.items() if key not in free},
        )
        for name, flat in flats.items()
    }
