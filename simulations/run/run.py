"""Runs a configuration to its end: data, rounds, measurement, summary. A finished round is never trained again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from server.ledger import count_charges
from server.releases import ADAPTER_DIRECTORY, ReleaseError, RunDirectory, read_rounds
from server.round_record import RoundRecord
from server.rounds import Observe
from shared.adapter import AdaptedModel, attach_adapter
from shared.flat_config import ConfigError
from shared.language_model import load_language_model
from shared.plan_guarantees import planned_guarantees
from shared.round_plan import FederationPlan
from simulations.attacks.backdoor_success import BackdoorSuccess, measure_backdoor
from simulations.attacks.config import AttackConfig
from simulations.attacks.poisoning import attacked, poisoned, unwarned
from simulations.engines.deployed import run_deployed
from simulations.engines.inline import run_inline
from simulations.engines.ray import run_ray
from simulations.evaluation.cross_validation import Fold
from simulations.evaluation.pair_accuracy import FoldProgress
from simulations.population.embedded.population import EmbeddedPopulation
from simulations.population.made import MadePopulation, load_made
from simulations.population.protocol import Population
from simulations.population.recorded import RecordedPopulation
from simulations.rlhi.making import make_population, making_settings
from simulations.rlhi.memory import RememberingModel
from simulations.run.by_round import keep_release, measure_rounds
from simulations.run.config import RunConfig, RunSettings
from simulations.run.data import load_population
from simulations.run.directory import RunFiles
from simulations.run.measurement import (
    Measurement,
    check_held_out,
    held_out_users,
    make_folds,
    measure_embedded,
    measure_recorded,
)
from simulations.run.progress import RunProgress, Stage, describe_data, describe_round
from simulations.run.summary import RunCost, summarise


def start_run(config: RunConfig, path: Path, *, overwrite: bool, command: str, shown: RunProgress) -> dict[str, object]:
    """Runs `config` into a new directory; returns `summary.json`.

    Raises:
        ConfigError, ReleaseError: see `RunFiles`; what engines, data and models raise. Finished rounds stand.
    """
    files = RunFiles(path)
    files.check_new(overwrite=overwrite)
    population, data = load_population(config.data)
    config = replace(config, data=data).located()
    if isinstance(population, RecordedPopulation):
        shown.say(describe_data(population.load_report()))
    folds = _check(config, population, shown)
    with files.locked():
        files.begin(config, command=command, overwrite=overwrite)
        made = _made(config, population, files, shown)
        return _run(config, made, folds, files, resumed_after=None, shown=shown)


def check_run(config: RunConfig) -> None:
    """Whether a configuration can be run over its population, keep its promise and be measured; nothing is trained.

    Raises:
        ConfigError: it cannot; and what data raise.
    """
    population, data = load_population(config.data)
    with RunProgress(Console(quiet=True)) as quiet:
        _check(replace(config, data=data), population, quiet)


def resume_run(path: Path, changes: dict[str, object], *, shown: RunProgress) -> tuple[dict[str, object], bool]:
    """Goes on with the run in a directory, with the configuration it began with.

    Args:
        changes: flat keys; only those may differ that `RunConfig.differences` leaves free.

    Returns:
        `summary.json`, and whether anything was left to do.

    Raises:
        As `start_run`.
    """
    files = RunFiles(path)
    files.check_resumable()
    with files.locked():
        began = files.read_config()
        config = RunConfig.from_flat({**began.to_flat(), **changes}).located()
        different = config.differences(began)
        if different:
            raise ConfigError(f"a run is resumed as it began; these differ: {', '.join(different)}")
        finished = files.read_summary()
        if finished is not None:
            return finished, False
        population, data = load_population(config.data)
        config = replace(config, data=data)
        folds = _check(config, population, shown)
        records = read_rounds(path)
        resumed_after = records[-1].round_number if records else 0
        made = _made(config, population, files, shown)
        shown.say(f"resuming {path} after round {resumed_after} of {config.plan.rounds}")
        return _run(config, made, folds, files, resumed_after=resumed_after, shown=shown), True


def _made(
    config: RunConfig, population: EmbeddedPopulation | RecordedPopulation, files: RunFiles, shown: RunProgress
) -> EmbeddedPopulation | MadePopulation | RecordedPopulation:
    """The population with pairs of the devices' own making where that is asked for; what was made once is kept."""
    if not config.rlhi.enabled or not isinstance(population, EmbeddedPopulation):
        return population
    model = load_language_model(config.plan.model)
    settings = making_settings(
        config.rlhi, fingerprint=model.fingerprint(), seed=population.seed, users=len(population)
    )
    found = load_made(files.path, settings)
    if found is None:
        with shown.stage(f"{len(population)} devices make their pairs", total=1) as stage:
            found = make_population(
                config.rlhi,
                RememberingModel(model, _memory(config, files)),
                seed=population.seed,
                users=len(population),
                progress=stage.advance,
            )
        found.save(files.path, settings)
    shown.say(f"{found.pair_count()} pairs made by {len(found)} devices")
    return found


def _memory(config: RunConfig, files: RunFiles) -> Path:
    """Where the base model's replies are kept: with the run, which goes on with them when it was killed, or shared."""
    return files.memory if config.run.memory is None else Path(config.run.memory)


def _base_model(config: RunConfig, adapted: AdaptedModel, files: RunFiles) -> RememberingModel | None:
    """The base that remembers what it was asked, where another run or stage may have asked it."""
    if not config.rlhi.enabled and config.run.memory is None:
        return None
    return RememberingModel(adapted.language_model, _memory(config, files))


def run_federation(
    settings: RunSettings,
    plan: FederationPlan,
    population: Population,
    *,
    directory: Path,
    resume: bool,
    observe: Observe,
    answered: Callable[[], None],
    attack: AttackConfig,
) -> None:
    """Runs a plan on the engine that the settings name. Only `inline` tells of every device that answered, and can be
    attacked."""
    if settings.engine == "ray":
        run_ray(
            plan, population, directory=directory, resume=resume, processes=settings.processes,
            address=settings.ray_address, observe=observe,
        )  # fmt: skip
    elif settings.engine == "deployed":
        run_deployed(plan, population, directory=directory, resume=resume, observe=observe)
    else:
        with unwarned(attack, plan.devices):
            run_inline(
                plan, poisoned(population, attack), directory=directory, resume=resume, processes=settings.processes,
                together=settings.batched_clients, observe=observe, answered=answered,
                tamper=partial(attacked, attack=attack, plan=plan),
            )  # fmt: skip


def _check(
    config: RunConfig, population: EmbeddedPopulation | RecordedPopulation, shown: RunProgress
) -> tuple[Fold, ...]:
    """Before anything is trained: what is planned can be done, promised and measured. Returns the folds, if any."""
    plan = config.plan_for(population)
    try:
        planned_guarantees(plan)
    except ValueError as error:
        raise ConfigError(f"privacy: {error}") from None
    if config.evaluation.skip:
        return ()
    if isinstance(population, EmbeddedPopulation):
        check_held_out(config.evaluation, world_seed=population.seed)
        return ()
    folds = make_folds(population, config.evaluation)
    for fold in folds:
        config.plan_for(fold.training(population))
    wanted = config.evaluation.user_folds * config.evaluation.group_folds
    if folds and config.evaluation.cells == "all" and len(folds) < wanted:
        shown.say(f"too few people or questions for {wanted} folds: {len(folds)} are made")
    return folds


def _run(
    config: RunConfig,
    population: EmbeddedPopulation | MadePopulation | RecordedPopulation,
    folds: tuple[Fold, ...],
    files: RunFiles,
    *,
    resumed_after: int | None,
    shown: RunProgress,
) -> dict[str, object]:
    began = time.perf_counter()
    plan = config.plan_for(population)
    _train(config, plan, population, files.path, f"training on {len(population)} devices", shown)
    adapted = attach_adapter(load_language_model(plan.model), plan.adapter)
    vector = _last_release(files.path, plan, adapted)
    measurement = _measure(config, plan, population, folds, adapted, vector, files, shown)
    backdoor = _try_backdoor(config, population, adapted, vector, files, shown)
    _measure_rounds(config, population, adapted, files, shown)
    summary = summarise(
        config=config,
        plan=plan,
        population=population,
        adapted=adapted,
        records=read_rounds(files.path),
        fold_records=[record for fold in sorted(files.folds.glob("*")) for record in read_rounds(fold)],
        requests=count_charges(files.path),
        measurement=measurement,
        backdoor=backdoor,
        cost=RunCost(wall_seconds=time.perf_counter() - began, resumed_after=resumed_after),
        command=files.read_command(),
    )
    files.write_summary(summary)
    return summary


def _train(
    config: RunConfig,
    plan: FederationPlan,
    population: Population,
    directory: Path,
    description: str,
    shown: RunProgress,
) -> None:
    done = len(read_rounds(directory))
    if done == plan.rounds and (directory / ADAPTER_DIRECTORY).is_dir():
        return
    cohort = min(plan.cohort_size, plan.devices)
    with shown.stage(description, total=plan.rounds) as stage:

        def observe(record: RoundRecord) -> None:
            nonlocal done
            done = record.round_number
            if config.evaluation.by_round and isinstance(population, EmbeddedPopulation | MadePopulation):
                keep_release(directory, done)
            stage.advance(done, describe_round(record))

        def answered() -> None:
            stage.step(1 / cohort, limit=done + 1)

        stage.advance(done, "starting", line=False)
        run_federation(
            config.run, plan, population, directory=directory, resume=True, observe=observe, answered=answered,
            attack=config.attack,
        )  # fmt: skip


def _last_release(directory: Path, plan: FederationPlan, adapted: AdaptedModel) -> NDArray[np.float32]:
    release = RunDirectory(directory, plan=plan, spec=adapted.spec).open(resume=True)
    if release is None:
        raise ReleaseError(f"{directory} holds no release")
    return release.vector


def _measure(
    config: RunConfig,
    plan: FederationPlan,
    population: EmbeddedPopulation | MadePopulation | RecordedPopulation,
    folds: tuple[Fold, ...],
    adapted: AdaptedModel,
    vector: NDArray[np.float32],
    files: RunFiles,
    shown: RunProgress,
) -> Measurement:
    evaluation = config.evaluation
    if evaluation.skip:
        return Measurement(users_test=0, not_measured="evaluation.skip is on")
    if not isinstance(population, RecordedPopulation):
        with shown.stage(f"asking {evaluation.users} users held out", total=1) as stage:
            return measure_embedded(
                adapted,
                vector,
                plan,
                evaluation,
                trained=EmbeddedPopulation(seed=population.seed, users=len(population)),
                rlhi=config.rlhi if config.rlhi.enabled else None,
                base_model=_base_model(config, adapted, files),
                progress=lambda done, steps: stage.advance(done / steps, f"{done} of {steps} parts", line=False),
            )

    def federate(training: RecordedPopulation, fold: Fold) -> NDArray[np.float32]:
        directory = files.folds / str(fold.index)
        of_fold = config.plan_for(training)
        _train(config, of_fold, training, directory, f"fold {fold.index + 1}: training without its users", shown)
        return _last_release(directory, of_fold, adapted)

    with shown.stage("cross-validation", total=max(1, len(folds))) as stage:
        return measure_recorded(
            adapted, population, folds, plan, evaluation, federate, progress=lambda fold: _show_fold(stage, fold)
        )


def _measure_rounds(
    config: RunConfig,
    population: EmbeddedPopulation | MadePopulation | RecordedPopulation,
    adapted: AdaptedModel,
    files: RunFiles,
    shown: RunProgress,
) -> None:
    evaluation = config.evaluation
    if not evaluation.by_round or evaluation.skip or isinstance(population, RecordedPopulation):
        return
    with shown.stage(f"asking {evaluation.by_round} of them after every round", total=1) as stage:
        measure_rounds(
            files.path,
            adapted,
            held_out_users(replace(evaluation, users=evaluation.by_round), population.seed),
            RememberingModel(adapted.language_model, _memory(config, files)),
            seed=evaluation.seed,
            progress=lambda done, steps: stage.advance(done / steps, f"{done} of {steps} rounds", line=False),
        )


def _try_backdoor(
    config: RunConfig,
    population: EmbeddedPopulation | MadePopulation | RecordedPopulation,
    adapted: AdaptedModel,
    vector: NDArray[np.float32],
    files: RunFiles,
    shown: RunProgress,
) -> BackdoorSuccess | None:
    if config.attack.kind != "backdoor" or config.evaluation.skip or isinstance(population, RecordedPopulation):
        return None
    adapted.load(vector)
    with shown.stage(f"trying the backdoor on {config.evaluation.users} users held out", total=3) as stage:
        return measure_backdoor(
            adapted,
            held_out_users(config.evaluation, population.seed),
            config.attack,
            base_model=_base_model(config, adapted, files),
            questions=config.evaluation.questions,
            progress=lambda done, steps: stage.advance(done, f"{done} of {steps} parts", line=False),
        )


def _show_fold(stage: Stage, fold: FoldProgress) -> None:
    stage.advance(
        fold.done,
        f"fold {fold.done}/{fold.folds} · {fold.votes} held-out pairs · federated {fold.accuracy['federated']:.0%}, "
        f"base {fold.accuracy['base_summed']:.0%}, longer {fold.accuracy['longer']:.0%}",
    )
