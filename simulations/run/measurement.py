"""What a run's result is worth: the figures of `summary.json` under `utility`, by the kind of data.

Each metric is `{base, tuned, own_persona, no_persona, other_persona, ci95}`, null where it has no such figure; `tuned`
is the tuned model under each user's own persona where there are personas, and `ci95` its interval over users. A pair is
told by the tuned model's implicit reward, and by the base through log-probability, summed or per token, whichever does
better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from client.training import TrainingConfig
from client.update import training_config
from shared.adapter import AdaptedModel
from shared.flat_config import ConfigError
from shared.round_plan import FederationPlan
from simulations.evaluation.cold_start import ChosenUsers, evaluate_personal, trained_users
from simulations.evaluation.cross_validation import Fold, cross_validation_folds
from simulations.evaluation.embedded import (
    Condition,
    EmbeddedEvaluation,
    evaluate_embedded,
    other_persona,
    persona_prompts,
)
from simulations.evaluation.pair_accuracy import FoldProgress, cross_validate, evaluate_pairs
from simulations.evaluation.pair_scoring import AdapterScorer
from simulations.evaluation.statistics import Estimate
from simulations.evaluation.vote_tally import Method, PairAccuracy, PairAccuracyError
from simulations.evaluation.worst_decile import worst_decile, worst_decile_interval
from simulations.population.embedded.population import EmbeddedPopulation
from simulations.population.recorded import RecordedPair, RecordedPopulation
from simulations.rlhi.config import RlhiConfig
from simulations.rlhi.memory import RememberingModel
from simulations.rlhi.personas import SimulatedUser, persona_accuracy, simulated_users
from simulations.run.config import EvaluationConfig

Metric = dict[str, float | list[float] | None]
Federate = Callable[[RecordedPopulation, Fold], NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Attributes:
    users_test: users that were tested.
    utility: metric → figures.
    details: everything that was measured, as plain values.
    not_measured: why there are no figures, if there are none.
    """

    users_test: int
    utility: dict[str, Metric] = field(default_factory=dict)
    details: dict[str, object] = field(default_factory=dict)
    not_measured: str | None = None


def check_held_out(config: EvaluationConfig, *, world_seed: int) -> None:
    """Raises: ConfigError: the embedded world has no such users or questions."""
    try:
        persona_prompts(held_out_users(config, world_seed), "other", config.questions)
        if config.by_round:
            persona_prompts(held_out_users(replace(config, users=config.by_round), world_seed), "other", 1)
    except ValueError as error:
        raise ConfigError(f"evaluation: {error}") from None


def make_folds(population: RecordedPopulation, config: EvaluationConfig) -> tuple[Fold, ...]:
    """The folds that were asked for, or as many as there are people and questions for; none with fewer than two."""
    users = sum(bool(recorded) for recorded in population.devices)
    groups = len(population.groups())
    if min(users, groups) < 2:
        return ()
    user_folds, group_folds = min(config.user_folds, users), min(config.group_folds, groups)
    return cross_validation_folds(
        population,
        user_folds=user_folds,
        group_folds=group_folds,
        cells=config.cells if user_folds == group_folds else "all",
        seed=config.seed,
    )


def make_scorer(adapted: AdaptedModel, plan: FederationPlan) -> AdapterScorer:
    """Judges pairs, and trains alone with the federation's own steps."""
    training: TrainingConfig = training_config(plan)
    steps = [plan.server_step(number) for number in range(1, plan.rounds + 1)]
    return AdapterScorer(adapted, training, server_steps=steps, clipping_norm=plan.clipping_norm)


def measure_embedded(
    adapted: AdaptedModel,
    vector: NDArray[np.float32],
    plan: FederationPlan,
    config: EvaluationConfig,
    *,
    trained: EmbeddedPopulation,
    rlhi: RlhiConfig | None = None,
    base_model: RememberingModel | None = None,
    progress: Callable[[int, int], None],
) -> Measurement:
    """Replies and pairs of users held out, under their own persona, none, and another user's.

    Args:
        vector: (d,) the adapter to measure.
        trained: the users whose devices trained it.
        rlhi: how personas are had; None takes the world's own.
        base_model: remembers what the base was asked before.
        progress: told (steps done, steps in all).
    """
    world_seed = trained.seed
    held_out = held_out_users(config, world_seed)
    temperatures = (0.0, config.temperature) if config.temperature > 0 else (0.0,)
    steps = 2 * len(temperatures) + len(_CONDITIONS) + 4 * bool(config.seen_users) + config.personal_users
    adapted.load(vector)
    inferred = _infer_personas(adapted, config, rlhi, world_seed, base_model)
    personas = None if inferred is None else [one.persona for one in inferred]
    replies = evaluate_embedded(
        adapted,
        held_out,
        personas=personas,
        base_model=base_model,
        questions_per_user=config.questions,
        temperatures=temperatures,
        seed=config.seed,
        progress=lambda done: progress(done, steps),
    )
    scorer = make_scorer(adapted, plan)
    accuracy: dict[Condition, PairAccuracy] = {}
    for place, condition in enumerate(_CONDITIONS):
        accuracy[condition] = evaluate_pairs(
            _held_out_pairs(held_out, condition, personas), scorer, vector, seed=config.seed
        )
        progress(2 * len(temperatures) + place + 1, steps)
    utility: dict[str, Metric] = {}
    for temperature in temperatures:
        utility |= _reply_metrics(replies, temperature)
    own = accuracy["own"].accuracy["federated"]
    utility["pair_accuracy"] = _metric(
        base=_base_accuracy(accuracy["own"]),
        own=own.value,
        none=accuracy["none"].accuracy["federated"].value,
        other=accuracy["other"].accuracy["federated"].value,
        ci95=_interval(own),
    )
    done = 2 * len(temperatures) + len(_CONDITIONS)
    more: dict[str, object] = {}
    adapted.load(vector)
    for name, chosen in _seen_and_strangers(plan, trained, config).items():
        group = evaluate_embedded(
            adapted,
            chosen,
            base_model=base_model,
            questions_per_user=config.questions,
            temperatures=(0.0,),
            seed=config.seed,
            progress=lambda part: progress(done + part, steps),  # noqa: B023  # called at once
        )
        done += 2
        utility |= {f"{metric}_{name}": found for metric, found in _reply_metrics(group, 0.0).items()}
        more[name] = {"users": group.users}
    if config.personal_users:
        newcomers = replace(held_out, users=config.personal_users, pairs_per_user=config.personal_pairs)
        personal = evaluate_personal(
            adapted, vector, newcomers, training_config(plan), questions=config.questions, seed=config.seed,
            progress=lambda users: progress(done + users, steps),
        )  # fmt: skip
        utility["win_rate_greedy_shared_of_newcomers"] = _metric(
            base=0.5, own=personal.shared.value, ci95=[personal.shared.low, personal.shared.high]
        )
        utility["win_rate_greedy_personal_of_newcomers"] = _metric(
            base=0.5, own=personal.personal.value, ci95=[personal.personal.low, personal.personal.high]
        )
        more["personal"] = asdict(personal)
    details: dict[str, object] = {
        **more,
        "replies": replies.to_dict(),
        "personas": None if inferred is None else persona_accuracy(inferred).to_json(),
        "pair_accuracy": {condition: found.to_json() for condition, found in accuracy.items()},
    }
    return Measurement(users_test=config.users, utility=utility, details=details)


def measure_recorded(
    adapted: AdaptedModel,
    population: RecordedPopulation,
    folds: Sequence[Fold],
    plan: FederationPlan,
    config: EvaluationConfig,
    federate: Federate,
    *,
    progress: Callable[[FoldProgress], None],
) -> Measurement:
    """Cross-validated accuracy on people's own pairs: every vote is tested by a federation that saw neither user nor
    question. The run's own adapter, which saw everybody, is not tested.

    Args:
        folds: from `make_folds`.
        federate: trains a fold.
        progress: told after every fold.
    """
    if not folds:
        return Measurement(
            users_test=0,
            not_measured="held-out pairs need at least 2 people with pairs and 2 questions",
        )
    try:
        found = cross_validate(
            population,
            folds,
            make_scorer(adapted, plan),
            federate,
            with_local=config.local_only,
            progress=progress,
            seed=config.seed,
        )
    except PairAccuracyError as error:
        return Measurement(users_test=0, not_measured=str(error))
    tuned = found.accuracy["federated"]
    metric = _metric(base=_base_accuracy(found), own=tuned.value, ci95=_interval(tuned))
    worst = _worst_people(found, config.seed)
    if not any(pair.pair.persona for pair in population.recorded_pairs()):
        metric["own_persona"] = worst["own_persona"] = None
    utility = {"pair_accuracy": metric, "pair_accuracy_worst_decile": worst}
    for rival in ("base_per_token", "base_summed", "local", "longer"):
        if rival in found.differences:
            gain = found.differences[rival]
            utility[f"pair_accuracy_gain_over_{rival}"] = _metric(own=gain.value, ci95=_interval(gain))
    return Measurement(users_test=len(found.users), utility=utility, details={"pair_accuracy": found.to_json()})


_CONDITIONS: tuple[Condition, ...] = ("own", "none", "other")


def held_out_users(config: EvaluationConfig, world_seed: int) -> EmbeddedPopulation:
    """Those of the embedded world that are measured, and did not train."""
    return EmbeddedPopulation(
        seed=world_seed, users=config.users, pairs_per_user=config.pairs_per_user, split=config.split
    )


def _seen_and_strangers(
    plan: FederationPlan, trained: EmbeddedPopulation, config: EvaluationConfig
) -> dict[str, ChosenUsers]:
    """Users whose devices trained, and as many of the same split whose devices are not in the federation."""
    if not config.seen_users:
        return {}
    seen = trained_users(plan, most=config.seen_users)
    wider = replace(trained, users=len(trained) + len(seen))
    return {
        "seen_users": ChosenUsers(population=trained, indices=seen),
        "strangers": ChosenUsers(population=wider, indices=tuple(range(len(trained), len(wider)))),
    }


def _base_accuracy(found: PairAccuracy) -> float:
    return found.accuracy[_base_method(found)].value


def _base_method(found: PairAccuracy) -> Method:
    methods: tuple[Method, Method] = ("base_summed", "base_per_token")
    return max(methods, key=lambda method: found.accuracy[method].value)


def _worst_people(found: PairAccuracy, seed: int) -> Metric:
    """Over the tenth of people whose own pairs are told worst, people counting alike however many pairs they have."""
    tuned = [user.accuracy["federated"] for user in found.users]
    return _metric(
        base=worst_decile([user.accuracy[_base_method(found)] for user in found.users]),
        own=worst_decile(tuned),
        ci95=list(worst_decile_interval(tuned, seed=seed)),
    )


def _infer_personas(
    adapted: AdaptedModel,
    config: EvaluationConfig,
    rlhi: RlhiConfig | None,
    world_seed: int,
    base_model: RememberingModel | None,
) -> list[SimulatedUser] | None:
    """The held-out users as their devices know them: from what they said, by the base model."""
    if rlhi is None or rlhi.personas == "given":
        return None
    with adapted.disabled():
        return simulated_users(
            base_model or adapted.language_model,
            seed=world_seed,
            split=config.split,
            users=config.users,
            history_length=rlhi.history,
        )


def _held_out_pairs(
    population: EmbeddedPopulation, condition: Condition, personas: Sequence[str | None] | None
) -> Sequence[RecordedPair]:
    """The users' pairs with the personas exchanged for the condition's."""
    users = [population.user(index) for index in range(len(population))]
    recorded = []
    for index, user in enumerate(users):
        own = user.persona if personas is None else personas[index]
        persona = {"own": own, "none": None}.get(condition, other_persona(users, index, personas))
        recorded += [
            RecordedPair(user_id=user.identity, group=f"pair {place}", pair=replace(pair, persona=persona))
            for place, pair in enumerate(population.pairs(index))
        ]
    return recorded


def _reply_metrics(replies: EmbeddedEvaluation, temperature: float) -> dict[str, Metric]:
    how = "greedy" if temperature == 0 else "sampled"
    own, none, other = (replies.result(condition, temperature) for condition in _CONDITIONS)
    gain = replies.personalization[temperature]
    return {
        f"win_rate_{how}": _metric(
            base=0.5, own=own.win.value, none=none.win.value, other=other.win.value, ci95=[own.win.low, own.win.high]
        ),
        f"own_minus_other_win_rate_{how}": _metric(own=gain.value, ci95=[gain.low, gain.high]),
        f"style_fit_{how}": _metric(
            base=own.base_fit,
            own=own.tuned_fit.value,
            none=none.tuned_fit.value,
            other=other.tuned_fit.value,
            ci95=[own.tuned_fit.low, own.tuned_fit.high],
        ),
        f"style_fit_worst_decile_{how}": _metric(
            base=own.base_worst_decile,
            own=own.tuned_worst_decile.value,
            none=none.tuned_worst_decile.value,
            other=other.tuned_worst_decile.value,
            ci95=[own.tuned_worst_decile.low, own.tuned_worst_decile.high],
        ),
        f"coherent_{how}": _metric(
            base=own.base_coherent, own=own.tuned_coherent, none=none.tuned_coherent, other=other.tuned_coherent
        ),
    }


def _metric(
    *,
    own: float,
    base: float | None = None,
    none: float | None = None,
    other: float | None = None,
    ci95: list[float] | None = None,
) -> Metric:
    return {
        "base": base,
        "tuned": own,
        "own_persona": own,
        "no_persona": none,
        "other_persona": other,
        "ci95": ci95,
    }


def _interval(estimate: Estimate) -> list[float]:
    return [estimate.low, estimate.high]
