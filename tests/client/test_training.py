import gc
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import client.training
from client.packing import UnsupportedArchitectureError
from client.pair_scores import pair_margins, score_pairs
from client.training import (
    LocalUpdate,
    NonFiniteTrainingError,
    NoPairsError,
    PairCache,
    PairPrivacy,
    TrainingConfig,
    train_locally,
)
from shared.adapter import AdaptedModel, attach_adapter
from shared.adapter_spec import AdapterConfig
from shared.conversation import PreferencePair
from shared.language_model import LanguageModelError, ModelConfig, load_language_model
from shared.privacy.noise import SeededTestNoise
from tests.tiny import CONFIGS, STORIES, language_model, message, multi_turn_pair, needs_stories, pair

PAIRS = [*(pair(index) for index in range(4)), multi_turn_pair()]


class NoNoise:
    """A source that training without privacy must not touch."""

    def uniform(self, size: int) -> NDArray[np.float64]:
        raise AssertionError("training without privacy drew noise")

    normal = uniform

    def words(self, size: int) -> NDArray[np.uint64]:
        raise AssertionError("training without privacy drew noise")


def adapted_model(architecture: str = "llama", dtype: torch.dtype = torch.float32) -> AdaptedModel:
    attention = "eager" if architecture == "gemma2" else "sdpa"
    return attach_adapter(language_model(architecture, attention=attention, dtype=dtype), AdapterConfig(rank=2))


def zeros(adapted: AdaptedModel) -> NDArray[np.float32]:
    return np.zeros(adapted.spec.dimension, dtype=np.float32)


def train(
    adapted: AdaptedModel,
    pairs: list[PreferencePair],
    config: TrainingConfig,
    *,
    start: NDArray[np.float32] | None = None,
    seed: int = 0,
    cache: PairCache | None = None,
) -> LocalUpdate:
    begin = zeros(adapted) if start is None else start
    return train_locally(adapted, begin, pairs, config, noise=NoNoise(), seed=seed, cache=cache)


# An NLL term of little weight: on random weights a heavy one may lower margins, which these tests look at.
SMALL = TrainingConfig(learning_rate=1e-3, nll_weight=0.5)


@pytest.mark.parametrize("architecture", sorted(CONFIGS))
def test_one_step_on_every_architecture_goes_downhill(architecture: str) -> None:
    adapted = adapted_model(architecture)
    first = train(adapted, PAIRS, SMALL)
    assert first.vector.shape == (adapted.spec.dimension,)
    assert first.vector.dtype == np.float32
    assert np.linalg.norm(first.vector) > 0
    second = train(adapted, PAIRS, SMALL, start=first.vector)
    assert second.loss < first.loss
    assert pair_margins(adapted, first.vector, PAIRS, SMALL).mean() > 0


def test_the_step_is_the_learning_rate_times_the_gradient_of_the_mean_loss() -> None:
    adapted = adapted_model()
    step = 1e-3
    update = train(adapted, PAIRS, TrainingConfig(learning_rate=step))
    direction = update.vector.astype(np.float64) / np.linalg.norm(update.vector)
    losses = [
        train(
            adapted, PAIRS, TrainingConfig(learning_rate=1e-9), start=(sign * 1e-3 * direction).astype(np.float32)
        ).loss
        for sign in (1, -1)
    ]
    slope = (losses[0] - losses[1]) / 2e-3
    assert slope == pytest.approx(-np.linalg.norm(update.vector) / step, rel=0.02)


@pytest.mark.parametrize("per_pass", [1, 2, 8])
def test_passes_change_nothing_but_memory(per_pass: int) -> None:
    adapted = adapted_model()
    whole = train(adapted, PAIRS, TrainingConfig(learning_rate=1.0, pairs_per_pass=50))
    parts = train(adapted, PAIRS, TrainingConfig(learning_rate=1.0, pairs_per_pass=per_pass))
    np.testing.assert_allclose(parts.vector, whole.vector, atol=2e-4)
    assert parts.loss == pytest.approx(whole.loss)
    assert (parts.forwards, parts.tokens) == (whole.forwards, whole.tokens)


@pytest.mark.parametrize("count", [1, 2, 50])
def test_one_to_fifty_pairs(count: int) -> None:
    adapted = adapted_model()
    update = train(adapted, [pair(index, persona=f"number {index}") for index in range(count)], SMALL)
    assert update.pairs == count
    assert update.forwards == 2 * count
    assert np.isfinite(update.vector).all()


def test_more_than_the_plan_allows_are_drawn_by_the_seed() -> None:
    adapted = adapted_model()
    config = TrainingConfig(learning_rate=1e-3, max_pairs=2)
    many = [pair(index) for index in range(7)]
    first = train(adapted, many, config, seed=0)
    assert first.pairs == 2
    np.testing.assert_array_equal(first.vector, train(adapted, many, config, seed=0).vector)
    assert any(not np.array_equal(first.vector, train(adapted, many, config, seed=seed).vector) for seed in (1, 2, 3))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"local_steps": 3},
        {"optimizer": "adam", "learning_rate": 1e-3, "local_steps": 2},
        {"batch_size": 2, "local_steps": 4},
    ],
)
def test_training_repeats_from_its_arguments(settings: dict[str, object]) -> None:
    config = TrainingConfig(**{"learning_rate": 1e-3, **settings})  # type: ignore[arg-type]
    adapted = adapted_model()
    first = train(adapted, PAIRS, config, seed=4)
    torch.manual_seed(99)
    np.testing.assert_array_equal(first.vector, train(adapted_model(), PAIRS, config, seed=4).vector)
    np.testing.assert_array_equal(first.vector, train(adapted, PAIRS, config, seed=4).vector)


def test_several_steps_go_further_and_cost_what_they_cost() -> None:
    adapted = adapted_model()
    one = train(adapted, PAIRS, SMALL)
    three = train(adapted, PAIRS, TrainingConfig(learning_rate=1e-3, local_steps=3))
    assert np.linalg.norm(three.vector) > 1.5 * np.linalg.norm(one.vector)
    assert one.forwards == 5 + 5  # reference and policy
    assert three.forwards == 5 + 3 * 5
    assert three.tokens == 2 * one.tokens


def test_small_batches_go_through_every_pair() -> None:
    adapted = adapted_model()
    update = train(adapted, PAIRS, TrainingConfig(learning_rate=1e-3, batch_size=2, local_steps=2))
    assert update.forwards == 5 + 2 * 2


def test_a_cache_saves_the_reference_passes_and_changes_nothing() -> None:
    adapted = adapted_model()
    cache = PairCache(capacity=100)
    first = train(adapted, PAIRS, SMALL, cache=cache)
    second = train(adapted, PAIRS, SMALL, cache=cache)
    assert (first.forwards, second.forwards) == (10, 5)
    assert len(cache) == 5
    np.testing.assert_array_equal(first.vector, second.vector)
    # Other limits are other tokens.
    cut = TrainingConfig(learning_rate=1e-3, max_completion_tokens=4)
    assert train(adapted, PAIRS, cut, cache=cache).forwards == 10
    assert "yeast" not in repr(cache)


def test_a_cache_forgets_the_pairs_used_longest_ago() -> None:
    adapted = adapted_model()
    cache = PairCache(capacity=2)
    train(adapted, PAIRS[:3], SMALL, cache=cache)
    assert len(cache) == 2
    assert train(adapted, [PAIRS[2]], SMALL, cache=cache).forwards == 1
    assert train(adapted, [PAIRS[0]], SMALL, cache=cache).forwards == 2


def test_a_cache_drops_what_is_known_of_pairs_that_are_gone() -> None:
    adapted = adapted_model()
    cache = PairCache(capacity=9)
    train(adapted, PAIRS[:3], SMALL, cache=cache)
    cache.keep_only([PAIRS[0], PAIRS[4]])
    assert len(cache) == 1
    assert train(adapted, [PAIRS[0]], SMALL, cache=cache).forwards == 1


def test_nothing_is_left_behind() -> None:
    adapted = adapted_model()
    start = np.full(adapted.spec.dimension, 0.01, dtype=np.float32)
    train(adapted, PAIRS, SMALL, start=start)
    np.testing.assert_array_equal(adapted.read(), start)
    assert all(parameter.grad is None for parameter in adapted.shared_parameters())
    gc.collect()
    graph = [thing for thing in gc.get_objects() if isinstance(thing, torch.Tensor) and thing.grad_fn is not None]
    assert graph == []


def test_no_pairs_and_no_privacy_is_an_error_of_its_own() -> None:
    with pytest.raises(NoPairsError):
        train(adapted_model(), [], SMALL)


def test_a_base_model_that_is_not_finite_is_said_to_be_damaged() -> None:
    adapted = adapted_model()
    with torch.no_grad():
        adapted.language_model.model.model.norm.weight.fill_(float("inf"))
    with pytest.raises(LanguageModelError, match="damaged") as caught:
        train(adapted, PAIRS, SMALL)
    assert not isinstance(caught.value, UnsupportedArchitectureError)


def test_a_loss_that_is_not_finite_is_a_typed_error_without_content() -> None:
    adapted = adapted_model()
    start = np.full(adapted.spec.dimension, 1e30, dtype=np.float32)
    with pytest.raises(NonFiniteTrainingError, match="loss") as caught:
        train(adapted, PAIRS, SMALL, start=start)
    assert "yeast" not in str(caught.value)


def test_a_gradient_that_is_not_finite_is_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    adapted = adapted_model()
    adapted.shared_parameters()[0].register_hook(lambda gradient: gradient * float("nan"))  # type: ignore[no-untyped-call]
    with pytest.raises(NonFiniteTrainingError, match="gradient"):
        train(adapted, PAIRS, SMALL)
    assert all(parameter.grad is None for parameter in adapted.shared_parameters())


def test_an_update_that_is_not_finite_is_a_typed_error() -> None:
    with pytest.raises(NonFiniteTrainingError):
        train(adapted_model(), PAIRS, TrainingConfig(learning_rate=1e38, local_steps=3))


def test_accuracy_counts_a_fresh_adapter_as_undecided() -> None:
    adapted = adapted_model()
    first = train(adapted, PAIRS, TrainingConfig(learning_rate=0.05, nll_weight=0.5))
    assert first.accuracy == 0.5
    assert train(adapted, PAIRS, SMALL, start=first.vector).accuracy > 0.5


def test_a_fresh_adapter_loses_log_two_and_the_nll() -> None:
    adapted = adapted_model()
    pure = train(adapted, PAIRS, TrainingConfig(learning_rate=1e-3, nll_weight=0.0))
    assert pure.loss == pytest.approx(np.log(2), abs=1e-5)
    assert train(adapted, PAIRS, SMALL).loss > pure.loss


def test_truncation_is_reported() -> None:
    update = train(
        adapted_model(), PAIRS, TrainingConfig(learning_rate=1e-3, max_prompt_tokens=60, max_completion_tokens=4)
    )
    assert update.prompts_cut > 0
    assert update.completions_cut == 5


def test_scores_are_those_of_the_plain_computation() -> None:
    adapted = adapted_model()
    vector = np.random.default_rng(0).normal(0, 0.05, adapted.spec.dimension).astype(np.float32)
    scores = score_pairs(adapted, vector, PAIRS, TrainingConfig(beta=0.3))
    from client.prompts import with_persona

    prompts = [with_persona(one.prompt, one.persona) for one in PAIRS]
    model = adapted.language_model
    chosen, rejected = (model.score(prompts, [getattr(one, side) for one in PAIRS]) for side in ("chosen", "rejected"))
    with adapted.disabled():
        base_chosen, base_rejected = (
            model.score(prompts, [getattr(one, side) for one in PAIRS]) for side in ("chosen", "rejected")
        )
    policy = (chosen.log_probabilities - rejected.log_probabilities).double().numpy()
    base = (base_chosen.log_probabilities - base_rejected.log_probabilities).double().numpy()
    np.testing.assert_allclose(scores.summed_differences(), policy, atol=2e-4)
    np.testing.assert_allclose(scores.summed_differences(of_reference=True), base, atol=2e-4)
    np.testing.assert_allclose(scores.margins(), 0.3 * (policy - base), atol=2e-4)
    mean = chosen.log_probabilities / chosen.tokens - rejected.log_probabilities / rejected.tokens
    np.testing.assert_allclose(scores.mean_differences(), mean.double().numpy(), atol=1e-5)
    np.testing.assert_array_equal(scores.margins(), pair_margins(adapted, vector, PAIRS, TrainingConfig(beta=0.3)))
    assert pair_margins(adapted, vector, [], SMALL).shape == (0,)


def test_a_half_precision_base_trains() -> None:
    adapted = adapted_model(dtype=torch.bfloat16)
    half = train(adapted, PAIRS, SMALL)
    full = train(adapted_model(), PAIRS, SMALL)
    cosine = half.vector @ full.vector / (np.linalg.norm(half.vector) * np.linalg.norm(full.vector))
    assert cosine > 0.95
    private = TrainingConfig(pair_privacy=PairPrivacy(noise_multiplier=1.0, sample_rate=1.0, max_grad_norm=1.0))
    assert np.isfinite(
        train_locally(adapted, zeros(adapted), PAIRS, private, noise=SeededTestNoise(0), seed=0).vector
    ).all()


@pytest.mark.parametrize(
    "settings",
    [
        {"local_steps": 0},
        {"batch_size": 0},
        {"max_pairs": 0},
        {"beta": 0.0},
        {"learning_rate": 0.0},
        {"nll_weight": -1.0},
        {"optimizer": "magic"},
        {"batch_size": 2, "pair_privacy": PairPrivacy(noise_multiplier=1, sample_rate=1, max_grad_norm=1)},
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"at least 1|above 0|must be|leave batch_size out"):
        TrainingConfig(**settings)  # type: ignore[arg-type]


@needs_stories
@pytest.mark.parametrize("private", [False, True])
def test_real_weights_learn_a_preference(private: bool) -> None:
    adapted = attach_adapter(load_language_model(ModelConfig(name=str(STORIES), device="cpu")), AdapterConfig())
    stories = [
        PreferencePair(
            prompt=(message("user", f"Tell me about a {thing}."),),
            chosen=(message("assistant", f"The {thing} was happy and played in the park."),),
            rejected=(message("assistant", f"One day, a {thing} was very sad and went home."),),
            persona="likes happy stories",
        )
        for thing in ("dog", "cat", "bird", "girl", "boy", "frog")
    ]
    privacy = PairPrivacy(noise_multiplier=0.05, sample_rate=1.0, max_grad_norm=1.0) if private else None
    config = TrainingConfig(learning_rate=0.02, local_steps=4, max_pairs=5, pair_privacy=privacy)
    update = train_locally(adapted, zeros(adapted), stories[:5], config, noise=SeededTestNoise(0), seed=0)
    held_out = pair_margins(adapted, update.vector, stories[5:], config)
    assert held_out[0] > 0
    assert (pair_margins(adapted, update.vector, stories[:5], config) > 0).all()


def test_training_writes_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    train(adapted_model(), PAIRS, SMALL)
    assert list(tmp_path.iterdir()) == []
    assert client.training.__all__ == sorted(client.training.__all__, key=lambda name: (name[0].islower(), name))
