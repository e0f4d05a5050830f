"""Audit (d): what can be read of a device's pairs in its update, by three attacks on every sight of it.

span            which tokens were there (`span_check`)
told apart      which of a list of texts it was: the text whose update the one seen is most like
matching        a text that gives the update (`inversion_matching`); in a frame that is known but for two words,
                and blind
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np
from numpy.typing import NDArray

from client.update import training_config
from shared.adapter import AdaptedModel, attach_adapter
from shared.conversation import PreferencePair
from shared.language_model import load_language_model
from shared.privacy.clipping import clip_to_norm
from shared.round_plan import FederationPlan
from simulations.audits.audited_run import AuditedRun
from simulations.audits.inversion_matching import MatchingEffort, match_update, rouge
from simulations.audits.inversion_sights import Sight, device_update, norm_over_noise, seen, sights_of
from simulations.audits.inversion_victims import (
    FULL_PAIRS,
    People,
    Prior,
    area_under_curve,
    encoded,
    flat,
    interval,
    people_of,
    prior_of,
    tokens_of,
    true_positives_at,
)
from simulations.audits.persona_exposure_secrets import SecretSpace, secret_pair, secret_space
from simulations.audits.registry import AuditSettings, AuditSizes, NotApplicableError, Progress
from simulations.audits.result import AuditResult, Figure
from simulations.audits.span_check import frozen_factors, span_blocks, span_scores, token_inputs

_MATCHED_SIGHTS = ("clipped", "own share of the noise", "noise of the sum", "released")
_CONTROL_RANK = 256
_PRIOR_WEIGHT = 2.0
_NAME = "inversion"
_ROUND = 1

_Vector = NDArray[np.float64]
_Update = NDArray[np.float32]
Tell = Callable[[float], None]
_LIMITS = (
    "Round 1, from the fresh adapter. What these attacks do not find may still be there for a better one; ε bounds "
    "every attack, a failed attack bounds none."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Scene:
    plan: FederationPlan
    adapted: AdaptedModel
    people: People
    prior: Prior
    sights: Sequence[Sight]
    updates: Mapping[int, Sequence[_Update]]
    others: Sequence[_Update]
    seed: int
    sizes: AuditSizes


def audit(run: AuditedRun, settings: AuditSettings, progress: Progress) -> Sequence[AuditResult]:
    """Three results. Raises: NotApplicableError: the model or the plan leaves nothing to attack."""
    plan = run.plan
    if plan.pair_privacy is not None or plan.training.local_steps > 1 or plan.training.optimizer != "sgd":
        raise NotApplicableError("updates that are not one gradient are attacked only by the other audits")
    victims = settings.canaries or settings.sizes.inversion_victims
    people = people_of(run, victims=victims, others=settings.sizes.inversion_others)
    adapted = run.adapted
    model = adapted.language_model
    vocabulary = int(model.model.get_input_embeddings().weight.shape[0])
    rows = [encoded(model, plan, pair) for pairs in people.others for pair in pairs[:1]]
    others: list[_Update] = []
    for number, pairs in enumerate(people.others):
        others.append(_update(adapted, plan, pairs[: run.config.data.pairs_per_user]))
        progress(0.3 * (number + 1) / len(people.others), "other devices' updates")
    updates: dict[int, list[_Update]] = {1: [], FULL_PAIRS: []}
    for number, pairs in enumerate(people.victims):
        for used, found_updates in updates.items():
            found_updates.append(_update(adapted, plan, pairs[:used]))
        progress(0.3 + 0.1 * (number + 1) / len(people.victims), "victims' updates")
    scene = _Scene(
        updates=updates,
        plan=plan,
        adapted=adapted,
        people=people,
        prior=prior_of(rows, vocabulary=vocabulary),
        sights=sights_of(plan, strangers=len(others)),
        others=others,
        seed=settings.seed,
        sizes=settings.sizes,
    )
    found = [
        _span_result(run, scene, lambda done: progress(0.4 + 0.1 * done, "span check")),
        _apart_result(scene, lambda done: progress(0.5 + 0.1 * done, "telling texts apart")),
        _matching_result(scene, lambda done: progress(0.6 + 0.4 * done, "gradient matching")),
    ]
    adapted.load(adapted.beginning())
    return found


def _span_result(run: AuditedRun, scene: _Scene, progress: Tell) -> AuditResult:
    inputs = token_inputs(scene.adapted)
    figures: dict[str, Figure] = {}
    if not inputs:
        raise NotApplicableError("no adapted layer of this model reads tokens alone")
    for pairs_used in (1, FULL_PAIRS):
        for place, sight in enumerate(scene.sights):
            figures[_row(sight, pairs_used)] = _span_row(scene, inputs, sight, pairs_used)
            progress(0.4 * (pairs_used > 1) + 0.4 * (place + 1) / len(scene.sights))
    figures["control: raw, one pair, a rank as wide as the model"] = _span_control(run, scene)
    progress(1.0)
    return AuditResult(
        name=_NAME, unit=None, claim=None, delta=None, lower_bound=None, estimate=None, confidence=0.95,
        canaries=len(scene.people.victims), verdict="measured", figures=figures,
        observer="by row; knows model, plan, adapter, noise and how often people use each token",
        method="DAGER's span check (arXiv:2405.15586) on the first block's projections, for the plan's adapter "
        f"({scene.plan.adapter.method}, rank {scene.plan.adapter.rank}). AUC and share found at 1 % false, over tokens "
        "that are not in nearly everyone's text; 'guess' ranks by how common a token is, 'gain' is AUC of both "
        "together less that of the guess; [mean, low, high] over victims",
        limits=_LIMITS,
    )  # fmt: skip


def _span_row(scene: _Scene, inputs: Mapping[str, _Vector], sight: Sight, pairs_used: int) -> dict[str, Figure]:
    frozen = frozen_factors(scene.adapted)
    spec, state, prior = scene.adapted.spec, scene.adapted.beginning(), scene.prior
    guess = np.log(prior.frequency)
    rows: dict[str, list[float]] = {name: [] for name in ("auc", "found", "guess_auc", "gain")}
    whole, wrong, dimensions, room, signal = 0, 0, 0, 0, None
    recovered: list[float] = []
    for number, pairs in enumerate(scene.people.victims):
        update = scene.updates[pairs_used][number]
        vector, std = seen(sight, scene.plan, update, scene.others, seed=scene.seed + number)
        blocks = span_blocks(spec, state, vector, round_number=_ROUND, inputs=inputs, frozen=frozen)
        found = span_scores(blocks, noise_std=std)
        truth = tokens_of(encoded(scene.adapted.language_model, scene.plan, pair) for pair in pairs[:pairs_used])
        there = np.zeros(len(guess), dtype=bool)
        there[list(truth)] = True
        telling = prior.telling
        of_guess = area_under_curve(guess[telling], there[telling])
        both = _standard(found.scores) + _PRIOR_WEIGHT * _standard(guess)
        rows["auc"].append(area_under_curve(found.scores[telling], there[telling]))
        rows["found"].append(true_positives_at(found.scores[telling], there[telling]))
        rows["guess_auc"].append(of_guess)
        rows["gain"].append(area_under_curve(both[telling], there[telling]) - of_guess)
        dimensions, room = found.dimensions, found.room
        signal = norm_over_noise(clip_to_norm(update, scene.plan.clipping_norm), std)
        if found.recovered is not None:
            recovered.append(len(found.recovered & truth) / len(truth))
            wrong += len(found.recovered - truth)
            whole += found.recovered == truth
    return {
        "observer": sight.observer,
        **{name: _figure(values, scene.seed) for name, values in rows.items()},
        "span": f"{dimensions} of {room} dimensions",
        "tokens_proven": _figure(recovered, scene.seed) if recovered else None,
        "tokens_proven_wrongly": wrong if recovered else None,
        "all_tokens_proven": whole if recovered else None,
        "update_over_noise": signal,
    }


def _span_control(run: AuditedRun, scene: _Scene) -> dict[str, Figure]:
    """The same check where it must succeed: an adapter of so high a rank that the span has room."""
    width = int(scene.adapted.language_model.model.config.get_text_config().hidden_size)
    config = replace(
        run.config.plan.adapter, method="ffa-lora", rank=min(width, _CONTROL_RANK), ranks="same", basis="drawn"
    )
    adapted = attach_adapter(load_language_model(run.config.plan.model), config)
    plan = replace(scene.plan, adapter=config, user_privacy=None, secure_aggregation=None, sampling="random")
    updates = [_update(adapted, plan, pairs[:1]) for pairs in scene.people.victims]
    control = replace(scene, adapted=adapted, plan=plan, updates={1: updates})
    return _span_row(control, token_inputs(adapted), Sight(name="raw", observer="control", clipped=False), 1)


def _apart_result(scene: _Scene, progress: Tell) -> AuditResult:
    """Which of the candidates it was: the victim's text or one of the others'."""
    adapted, plan = scene.adapted, scene.plan
    candidates = [_unit(_update(adapted, plan, pairs[:1])) for pairs in scene.people.others]
    progress(0.5)
    figures: dict[str, Figure] = {}
    for pairs_used in (1, FULL_PAIRS):
        for sight in scene.sights:
            first, ranks = [], []
            for number, update in enumerate(scene.updates[pairs_used]):
                vector, _ = seen(sight, plan, update, scene.others, seed=scene.seed + number)
                own = float(_unit(scene.updates[1][number]) @ vector)
                # Those who are in the sum themselves are no lures.
                lures = [float(lure @ vector) for lure in candidates[sight.others :]]
                if len(lures) < _FEWEST_LURES:
                    continue
                above = sum(score >= own for score in lures)
                first.append(float(above == 0))
                ranks.append(above / len(lures))
            if first:
                figures[_row(sight, pairs_used)] = {
                    "observer": sight.observer,
                    "picked_first": _figure(first, scene.seed),
                    "by_chance": 1 / (len(lures) + 1),
                    "share_of_lures_above": _figure(ranks, scene.seed),
                    "lures": len(lures),
                }
    progress(1.0)
    return AuditResult(
        name=_NAME, unit=None, claim=None, delta=None, lower_bound=None, estimate=None, confidence=0.95,
        canaries=len(scene.people.victims), verdict="measured", figures=figures,
        observer="by row; knows model, plan and adapter, and has the victim's very text on a list with others'",
        method="the text whose own update the one seen is most like (inner product); a half of lures above is chance",
        limits=_LIMITS,
    )  # fmt: skip


def _matching_result(scene: _Scene, progress: Tell) -> AuditResult:
    model, plan = scene.adapted.language_model, scene.plan
    words = secret_space(model.tokenizer, length=2).words
    space = SecretSpace(words=words[: scene.sizes.matching_words], length=2)
    secrets = space.draw(
        Random(f"tacit inversion {scene.seed}"), min(scene.sizes.matched_victims, len(scene.people.victims))
    )
    effort = MatchingEffort(
        steps=scene.sizes.matching_steps,
        sweeps=scene.sizes.matching_sweeps,
        starts=scene.sizes.matching_starts,
        seed=scene.seed,
    )
    figures: dict[str, Figure] = {}
    # Raw and clipped updates point the same way, and that is all that matching looks at.
    sights = [sight for sight in scene.sights if sight.name in _MATCHED_SIGHTS]
    for place, sight in enumerate(sights):
        right, first, longest, guessed, like = [], [], [], [], []
        for number, secret in enumerate(secrets):
            pair = secret_pair(scene.people.victims[number][0].persona, secret, in_persona=False)
            row = encoded(model, plan, pair)
            truth = np.array(flat(row))
            known = _known_frame(scene, space, pair, truth)
            vector, _ = seen(sight, plan, _update(scene.adapted, plan, [pair]), scene.others, seed=scene.seed + number)
            found = match_update(
                scene.adapted, vector, row, known.tolist(), np.ones(len(scene.prior.count)), training_config(plan),
                effort=effort, allowed=_allowed(scene, space),
            )  # fmt: skip
            right.append(float((found.tokens[~known] == truth[~known]).mean()))
            like.append(found.likeness)
            one, line = rouge(*(model.chat.decode(tokens[~known].tolist()) for tokens in (found.tokens, truth)))
            first.append(one)
            longest.append(line)
            guessed.append(1 / len(space.words))
            progress((place + number / len(secrets)) / (len(sights) + 1))
        figures[f"{sight.name}: two words in a known frame"] = {
            "observer": sight.observer,
            "tokens_right": _figure(right, scene.seed),
            "rouge_1": _figure(first, scene.seed),
            "rouge_l": _figure(longest, scene.seed),
            "guess": guessed[0],
            "likeness": _figure(like, scene.seed),
        }
    figures["clipped: blind, one pair"] = _blind(scene, sights[0])
    progress(1.0)
    return AuditResult(
        name=_NAME, unit=None, claim=None, delta=None, lower_bound=None, estimate=None, confidence=0.95,
        canaries=len(secrets), verdict="measured", figures=figures,
        observer="by row; knows model, plan, adapter and the lengths of the pair's parts; in a known frame also every "
        f"token but two, and the {len(space.words)} words that the two are from",
        method="gradient matching (TAG, LAMP): mean cosine by factor, "
        f"{scene.sizes.matching_steps} steps over distributions in a frame and "
        f"{scene.sizes.blind_steps} blind, then token by token; the control is the row without noise in a known frame. "
        "ROUGE is F1 over words "
        "that were not known; [mean, low, high] over victims",
        limits=f"Victims attacked: {len(secrets)}; one pair a device, and moderate effort. {_LIMITS}",
    )  # fmt: skip


def _blind(scene: _Scene, sight: Sight) -> dict[str, Figure]:
    model, plan = scene.adapted.language_model, scene.plan
    row = encoded(model, plan, scene.people.victims[0][0])
    truth = np.array(flat(row))
    vector, _ = seen(sight, plan, scene.updates[1][0], (), seed=scene.seed)
    found = match_update(
        scene.adapted, vector, row, [False] * len(truth), scene.prior.count, training_config(plan),
        effort=MatchingEffort(steps=scene.sizes.blind_steps, sweeps=0, seed=scene.seed),
    )  # fmt: skip
    common = np.argsort(-scene.prior.count)[: len(set(truth.tolist()))]
    one, line = rouge(model.chat.decode(found.tokens.tolist()), model.chat.decode(truth.tolist()))
    return {
        "observer": sight.observer,
        "tokens_right": float((found.tokens == truth).mean()),
        "rouge_1": one,
        "rouge_l": line,
        "distinct_found": len(set(found.tokens.tolist()) & set(truth.tolist())) / len(set(truth.tolist())),
        "distinct_by_guess": len(set(common.tolist()) & set(truth.tolist())) / len(set(truth.tolist())),
        "likeness": found.likeness,
    }


_FEWEST_LURES = 9


def _allowed(scene: _Scene, space: SecretSpace) -> frozenset[int]:
    tokenizer = scene.adapted.language_model.tokenizer
    return frozenset(tokenizer.encode(f"are {word}", add_special_tokens=False)[-1] for word in space.words)


def _known_frame(
    scene: _Scene, space: SecretSpace, pair: PreferencePair, truth: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """(T,) where the row is the same with another secret."""
    for other in space.draw(Random("another"), 2):
        changed = secret_pair(pair.persona, other, in_persona=False)
        row = np.array(flat(encoded(scene.adapted.language_model, scene.plan, changed)))
        if row.shape == truth.shape and (row != truth).sum() == space.length:
            return np.asarray(row == truth)
    raise NotApplicableError("this tokenizer does not say secrets of equal length")


def _update(adapted: AdaptedModel, plan: FederationPlan, pairs: Sequence[PreferencePair]) -> _Update:
    return device_update(adapted, plan, adapted.beginning(), pairs, round_number=_ROUND, seed=0)


def _row(sight: Sight, pairs: int) -> str:
    return f"{sight.name}, {'one pair' if pairs == 1 else f'up to {pairs} pairs'}"


def _unit(update: _Update) -> _Vector:
    return update.astype(np.float64) / max(float(np.linalg.norm(update)), 1e-12)


def _standard(values: _Vector) -> _Vector:
    return np.asarray((values - values.mean()) / max(float(values.std()), 1e-12))


def _figure(values: Sequence[float], seed: int) -> list[Figure]:
    return [*interval(values, seed=seed)]
