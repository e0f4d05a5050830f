"""The rows beside a run: what it is compared with, on the users that it was measured on.

| row | what |
|---|---|
| base | the base model, whose wins over itself are one half |
| local-only | each user measured trains an adapter alone, on a few pairs of their own |
| central-dpo, central-sft | TRL's trainers on the pairs of all who train, without privacy |
| feddpo | the same federation without privacy: FedAvg of both factors after a few local steps |
| ours | the run |

The embedded world's learning rates are chosen on tuning users. Recorded people have none to spare, so that there the
rate is the one that is given, and the folds of the run are trained anew.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from client.update import training_config
from shared.adapter import AdaptedModel, attach_adapter
from shared.conversation import PreferencePair
from shared.flat_config import ConfigError
from shared.language_model import load_language_model
from simulations.baselines.central import CentralTraining, Objective, train_centrally
from simulations.baselines.rows_file import Budget, Name, Row, RowsFile, figures_of
from simulations.evaluation.cold_start import evaluate_personal
from simulations.evaluation.cross_validation import Fold
from simulations.evaluation.embedded import evaluate_embedded
from simulations.population.embedded.population import EmbeddedPopulation
from simulations.population.recorded import RecordedPopulation
from simulations.run.config import RunConfig, without_masks
from simulations.run.data import load_population
from simulations.run.directory import BASELINES_DIRECTORY, RunFiles
from simulations.run.measurement import held_out_users, make_folds, measure_embedded, measure_recorded
from simulations.run.progress import RunProgress
from simulations.run.run import start_run

_TUNING_USERS, _TUNING_PAIRS = 96, 600
_BATCH = 16
# Three steps of Adam on both factors, and the mean itself: the setting of FedIT in `tacit-sim methods compare`.
_FEDDPO: Mapping[str, object] = {
    "adapter.method": "fedit",
    "adapter.basis": "drawn",
    "training.local-steps": 3,
    "training.optimizer": "adam",
    "training.learning-rate": 0.02,
    "federation.clipping-norm": 8.0,
    "federation.server-learning-rate": 1.0,
    "federation.sampling": "random",
}
_OF_PRIVACY = ("user-privacy.", "pair-privacy.", "privacy.", "run.epsilon", "attack.")


def run_baselines(
    directory: Path, names: Sequence[Name], budget: Budget, *, shown: RunProgress
) -> dict[str, dict[str, object]]:
    """Measures rows beside a finished run; those that its `baselines.json` has, with this budget, are not made again.

    Raises:
        ConfigError: no finished run is there, or it has no figures to be compared with.
        ReleaseError: another process is in it; PreferenceFileError, OSError: as runs raise them.
    """
    maker = RowMaker(directory, budget, shown)
    with RunFiles(directory).locked():
        file = RowsFile(directory, budget)
        for name in names:
            if not file.is_made(name):
                file.add(name, maker.make(name))
        return file.rows


class RowMaker:
    """Makes the rows beside one run, and writes none; what several need is made once."""

    def __init__(self, directory: Path, budget: Budget, shown: RunProgress) -> None:
        """Raises: ConfigError: no finished run with figures is there, or its rows are not made yet."""
        self._ours = figures_of(directory)
        config = RunFiles(directory).read_config()
        if config.rlhi.enabled:
            raise ConfigError("rows beside a run whose devices make their pairs are not made yet: run without [rlhi]")
        self._config, self._directory, self._budget, self._shown = config, directory, budget, shown
        self._population, _ = load_population(config.data)
        self._plan = config.plan_for(self._population)
        self._whole: AdaptedModel | None = None

    def make(self, name: Name) -> Row:
        """A row. Raises: as `run_baselines`."""
        began = time.perf_counter()
        utility, about = self._measure(name)
        return Row(about=about, seconds=time.perf_counter() - began, utility=utility)

    def _measure(self, name: Name) -> tuple[Mapping[str, object], str]:
        """A row's figures, and what it is."""
        if name == "ours":
            return self._ours, "the run"
        if name == "base":
            return {key: _base_of(metric) for key, metric in self._ours.items()}, "the base model"
        if name == "feddpo":
            return self._feddpo()
        if name == "local-only":
            return self._local()
        return self._central("dpo" if name == "central-dpo" else "sft")

    def _feddpo(self) -> tuple[Mapping[str, object], str]:
        flat = {key: value for key, value in without_masks(self._config.to_flat()).items() if value is not None}
        flat = {key: value for key, value in flat.items() if not key.startswith(_OF_PRIVACY)}
        rounds = min(self._plan.rounds, self._budget.rounds or self._plan.rounds)
        config = RunConfig.from_flat({**flat, **_FEDDPO, "federation.rounds": rounds})
        directory = self._directory / BASELINES_DIRECTORY / "feddpo"
        files = RunFiles(directory)
        summary = files.read_summary() if files.path.exists() and files.read_config() == config.located() else None
        if summary is None:
            command = f"(beside {self._directory.name})"
            summary = start_run(config, directory, overwrite=True, command=command, shown=self._shown)
        about = f"FedAvg of both factors after 3 local steps of Adam, {rounds} rounds without privacy or masks"
        return cast("Mapping[str, object]", summary["utility"]), about

    def _local(self) -> tuple[Mapping[str, object], str]:
        ours = self._ours
        if isinstance(self._population, RecordedPopulation):
            gain = cast("Mapping[str, object] | None", ours.get("pair_accuracy_gain_over_local"))
            if gain is None:
                raise ConfigError("the run did not measure people who train alone: evaluation.local-only was off")
            own = cast("Mapping[str, float]", ours["pair_accuracy"])["tuned"] - cast(float, gain["tuned"])
            return {"pair_accuracy": _metric(own)}, "each tested person trains alone on the pairs of theirs not tested"
        evaluation = self._config.evaluation
        users, pairs = min(self._budget.local_users, evaluation.users), max(evaluation.personal_pairs, 6)
        held_out = replace(held_out_users(evaluation, self._population.seed), users=users, pairs_per_user=pairs)
        adapted = attach_adapter(load_language_model(self._plan.model), self._plan.adapter)
        with self._shown.stage(f"{users} users train alone", total=users) as stage:
            found = evaluate_personal(
                adapted, adapted.beginning(), held_out, training_config(self._plan), questions=evaluation.questions,
                seed=evaluation.seed, progress=lambda done: stage.advance(done, f"{done} of {users}", line=False),
            )  # fmt: skip
        figure = found.personal
        about = f"{users} of the held-out users, each alone on {pairs} pairs of their own"
        return {"win_rate_greedy": _metric(figure.value, [figure.low, figure.high])}, about

    def _central(self, objective: Objective) -> tuple[Mapping[str, object], str]:
        adapted = self._adapter_of_both_factors()
        plan = replace(self._plan, adapter=adapted.spec.config)
        evaluation = self._config.evaluation
        rates = self._budget.rates
        if isinstance(self._population, RecordedPopulation):
            folds = make_folds(self._population, evaluation)

            def federate(training: RecordedPopulation, _fold: Fold) -> NDArray[np.float32]:
                return self._train(adapted, _pairs_of(training), objective, rates[0])

            with self._shown.stage(f"{objective} on everyone's pairs, fold by fold", total=max(1, len(folds))) as stage:
                measured = measure_recorded(
                    adapted, self._population, folds, plan, replace(evaluation, local_only=False), federate,
                    progress=lambda fold: stage.advance(fold.done, f"{fold.done} of {fold.folds}", line=False),
                )  # fmt: skip
            return measured.utility, f"TRL on the pairs of everyone else, learning rate {rates[0]:g}"
        pairs = _pairs_of(self._population)
        rate = self._best_rate(adapted, pairs, objective, self._population.seed) if len(rates) > 1 else rates[0]
        vector = self._train(adapted, pairs, objective, rate)
        with self._shown.stage(f"asking {evaluation.users} users held out", total=1) as stage:
            measured = measure_embedded(
                adapted, vector, plan, replace(evaluation, seen_users=0, personal_users=0), trained=self._population,
                progress=lambda done, steps: stage.advance(done / steps, f"{done} of {steps} parts", line=False),
            )  # fmt: skip
        used = min(len(pairs), self._budget.pairs)
        return measured.utility, f"TRL on {used:,} pairs of all who train, learning rate {rate:g}"

    def _best_rate(
        self, adapted: AdaptedModel, pairs: Sequence[PreferencePair], objective: Objective, world_seed: int
    ) -> float:
        """By the wins of tuning users, who are in no table."""
        tuning = EmbeddedPopulation(seed=world_seed, users=_TUNING_USERS, split="tuning")
        wins: dict[float, float] = {}
        for rate in self._budget.rates:
            self._train(adapted, pairs[:_TUNING_PAIRS], objective, rate)
            found = evaluate_embedded(adapted, tuning, questions_per_user=1, temperatures=(0.0,), seed=0)
            wins[rate] = found.result("own", 0.0).win.value
        return max(wins, key=lambda rate: wins[rate])

    def _train(
        self, adapted: AdaptedModel, pairs: Sequence[PreferencePair], objective: Objective, rate: float
    ) -> NDArray[np.float32]:
        terms = training_config(self._plan)
        how = CentralTraining(
            objective=objective, learning_rate=rate, epochs=self._budget.epochs, batch_size=_BATCH, beta=terms.beta,
            nll_weight=terms.nll_weight, seed=self._plan.seed,
        )  # fmt: skip
        drawn = _drawn(pairs, self._budget.pairs, self._plan.seed)
        title = f"TRL's {objective.upper()} on {len(drawn):,} pairs, learning rate {rate:g}"
        with self._shown.stage(title, total=1) as stage:
            return train_centrally(
                adapted, drawn, how, limits=terms,
                progress=lambda done, steps: stage.advance(done / steps, f"{done} of {steps} steps", line=False),
            )  # fmt: skip

    def _adapter_of_both_factors(self) -> AdaptedModel:
        if self._whole is None:
            both = replace(self._plan.adapter, method="fedit", basis="drawn")
            self._whole = attach_adapter(load_language_model(self._plan.model), both)
        return self._whole


def _pairs_of(population: EmbeddedPopulation | RecordedPopulation) -> list[PreferencePair]:
    return [pair for index in range(len(population)) for pair in population.pairs(index)]


def _drawn(pairs: Sequence[PreferencePair], most: int, seed: int) -> list[PreferencePair]:
    if len(pairs) <= most:
        return list(pairs)
    places = np.random.default_rng(seed).choice(len(pairs), size=most, replace=False)
    return [pairs[int(place)] for place in sorted(places)]


def _metric(value: float, ci95: list[float] | None = None) -> dict[str, object]:
    return {
        "base": None, "tuned": value, "own_persona": value, "no_persona": None, "other_persona": None, "ci95": ci95
    }  # fmt: skip


def _base_of(metric: object) -> dict[str, object]:
    value = cast("Mapping[str, float | None]", metric).get("base")
    return {
        "base": value, "tuned": value, "own_persona": value, "no_persona": None, "other_persona": None, "ci95": None
    }  # fmt: skip
