import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from client.prepared_pairs import CostMeter, PreparedPair, prepare_pairs
from client.private_step import PairPrivacy, PrivateStep
from client.training import LocalUpdate, TrainingConfig, take_plain_step, take_private_step, train_locally
from shared.adapter import AdaptedModel, attach_adapter
from shared.adapter_spec import AdapterConfig
from shared.conversation import PreferencePair
from shared.privacy.noise import AesCtrNoise, SeededTestNoise
from tests.tiny import CONFIGS, language_model, multi_turn_pair, pair

PAIRS = [*(pair(index) for index in range(5)), multi_turn_pair()]
NO_NOISE = 1e-12  # a multiplier: the type refuses zero


class CountingNoise:
    """Predictable noise that remembers what was asked of it."""

    def __init__(self, seed: int = 0) -> None:
        self._source = SeededTestNoise(seed)
        self.normals = 0
        self.uniforms = 0

    def uniform(self, size: int) -> NDArray[np.float64]:
        self.uniforms += size
        return self._source.uniform(size)

    def words(self, size: int) -> NDArray[np.uint64]:
        return self._source.words(size)

    def normal(self, size: int) -> NDArray[np.float64]:
        self.normals += size
        return self._source.normal(size)


def adapted_model(architecture: str = "llama") -> AdaptedModel:
    attention = "eager" if architecture == "gemma2" else "sdpa"
    adapted = attach_adapter(language_model(architecture, attention=attention), AdapterConfig(rank=2))
    adapted.load(start_of(adapted))
    return adapted


def start_of(adapted: AdaptedModel) -> NDArray[np.float32]:
    return np.random.default_rng(5).normal(0, 0.05, adapted.spec.dimension).astype(np.float32)


def private_config(
    *, noise: float = 1.0, rate: float = 1.0, norm: float = 1.0, max_pairs: int = 6, steps: int = 1, per_pass: int = 8
) -> TrainingConfig:
    return TrainingConfig(
        learning_rate=1.0,
        max_pairs=max_pairs,
        local_steps=steps,
        pairs_per_pass=per_pass,
        pair_privacy=PairPrivacy(noise_multiplier=noise, sample_rate=rate, max_grad_norm=norm),
    )


def train(
    pairs: list[PreferencePair], config: TrainingConfig, *, seed: int = 0, adapted: AdaptedModel | None = None
) -> LocalUpdate:
    adapted = adapted or adapted_model()
    return train_locally(adapted, start_of(adapted), pairs, config, noise=SeededTestNoise(seed), seed=0)


def pair_gradients(adapted: AdaptedModel, prepared: list[PreparedPair]) -> list[Tensor]:
    """Every pair's gradient by plain autograd on that pair alone: (d,) each."""
    gradients = []
    for one in prepared:
        take_plain_step(adapted, [one], TrainingConfig(), CostMeter())
        gradients.append(torch.cat([p.grad.reshape(-1) for p in adapted.shared_parameters() if p.grad is not None]))
        for parameter in adapted.shared_parameters():
            parameter.grad = None
    return gradients


@pytest.mark.parametrize("architecture", sorted(CONFIGS))
def test_per_pair_gradients_equal_autograd_on_each_pair_alone(
    architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapted = adapted_model(architecture)
    config = private_config()
    prepared = prepare_pairs(adapted, PAIRS, config.limits(), meter=CostMeter())
    expected = pair_gradients(adapted, prepared)
    assert config.pair_privacy is not None
    caught: list[Tensor] = []

    def catch(step: PrivateStep, pairs: int) -> None:
        caught.append(
            torch.cat([p.grad_sample.flatten(1) for p in adapted.shared_parameters()], dim=1)  # type: ignore[attr-defined]
        )

    monkeypatch.setattr(PrivateStep, "clip_and_accumulate", catch)
    optimizer = torch.optim.SGD(adapted.shared_parameters(), lr=1.0)
    with PrivateStep(adapted, optimizer, config.pair_privacy, expected_batch_size=6, noise=SeededTestNoise(0)) as step:
        take_private_step(adapted, prepared, config, step, CostMeter())
    # Rows were sorted by length: the order of `batches_by_length`.
    order = sorted(range(len(prepared)), key=lambda index: len(prepared[index].encoded))
    assert caught[0].shape == (6, adapted.spec.dimension)
    torch.testing.assert_close(caught[0], torch.stack([expected[index] for index in order]), rtol=1e-3, atol=1e-4)


def test_each_pair_is_clipped_before_the_sum() -> None:
    adapted = adapted_model()
    norm = 0.7
    prepared = prepare_pairs(adapted, PAIRS, TrainingConfig().limits(), meter=CostMeter())
    gradients = pair_gradients(adapted, prepared)
    assert all(gradient.norm() > norm for gradient in gradients[:3])
    clipped = torch.stack([gradient * min(1.0, norm / float(gradient.norm())) for gradient in gradients]).sum(0)
    for per_pass in (1, 4, 8):  # the passes it is computed in change nothing
        update = train(PAIRS, private_config(noise=NO_NOISE, norm=norm, max_pairs=6, per_pass=per_pass))
        np.testing.assert_allclose(update.vector, -clipped.numpy() / 6, atol=2e-5)


def test_one_pair_more_or_less_moves_the_sum_by_at_most_the_norm() -> None:
    norm = 0.5
    config = private_config(noise=NO_NOISE, norm=norm, max_pairs=6)
    whole = train(PAIRS, config).vector * 6
    for index in range(len(PAIRS)):
        without = train(PAIRS[:index] + PAIRS[index + 1 :], config).vector * 6
        # All pairs are drawn and their gradients are longer than the norm, so the bound is met, not just kept.
        assert np.linalg.norm(whole - without) == pytest.approx(norm, rel=1e-3)


@pytest.mark.parametrize(("noise", "norm"), [(1.0, 1.0), (2.0, 0.25), (0.5, 3.0)])
def test_the_noise_has_the_right_scale_and_no_other(noise: float, norm: float) -> None:
    adapted = adapted_model()
    config = private_config(noise=noise, norm=norm, max_pairs=6)
    silent = train(PAIRS, private_config(noise=NO_NOISE, norm=norm, max_pairs=6), adapted=adapted).vector
    drawn = np.concatenate([train(PAIRS, config, seed=seed, adapted=adapted).vector - silent for seed in range(4)])
    expected = noise * norm / 6
    count = drawn.size

    def is_plausible(scale: float) -> bool:
        # The sample variance of a normal has relative standard deviation sqrt(2 / n).
        return bool(abs((drawn.std() / scale) ** 2 - 1) < 5 * np.sqrt(2 / count))

    assert count > 2000
    assert is_plausible(expected)
    assert not is_plausible(expected * 2 / 3)
    assert not is_plausible(expected * 3 / 2)


def test_no_pairs_at_all_is_a_step_of_noise_alone() -> None:
    config = private_config(noise=2.0, norm=0.5, max_pairs=4)
    update = train([], config, seed=3)
    assert update.pairs == update.forwards == update.tokens == 0
    assert np.isnan(update.loss)
    assert np.isnan(update.accuracy)
    source = SeededTestNoise(3)
    source.uniform(0)
    expected = source.normal(update.vector.size) * 2.0 * 0.5 / 4
    np.testing.assert_allclose(np.sort(update.vector), np.sort(-expected), atol=1e-6)


def test_an_empty_draw_adds_noise_all_the_same() -> None:
    config = private_config(rate=1e-9, max_pairs=4)
    noise = CountingNoise()
    adapted = adapted_model()
    update = train_locally(adapted, start_of(adapted), PAIRS, config, noise=noise, seed=0)
    assert update.pairs == 6
    assert noise.uniforms == 6
    assert noise.normals == adapted.spec.dimension
    assert np.isfinite(update.vector).all()
    assert update.vector.any()


def test_every_step_draws_again_and_adds_noise_again() -> None:
    noise = CountingNoise()
    adapted = adapted_model()
    train_locally(adapted, start_of(adapted), PAIRS, private_config(rate=0.5, steps=3), noise=noise, seed=0)
    assert noise.uniforms == 3 * 6
    assert noise.normals == 3 * adapted.spec.dimension


def test_pairs_are_drawn_at_the_rate_of_the_plan() -> None:
    adapted = adapted_model()
    privacy = PairPrivacy(noise_multiplier=1.0, sample_rate=0.3, max_grad_norm=1.0)
    optimizer = torch.optim.SGD(adapted.shared_parameters(), lr=1.0)
    with PrivateStep(adapted, optimizer, privacy, expected_batch_size=3, noise=AesCtrNoise(bytes(32))) as step:
        sizes = np.array([len(step.draw(50)) for _ in range(400)])
    assert sizes.mean() == pytest.approx(15, abs=4 * np.sqrt(50 * 0.21 / 400))
    assert sizes.var() == pytest.approx(50 * 0.21, rel=0.35)  # binomial, not a fixed size


def test_the_denominator_is_the_plans_not_the_devices() -> None:
    few = train(PAIRS[:2], private_config(noise=NO_NOISE, max_pairs=6))
    half = train(PAIRS[:2], private_config(noise=NO_NOISE, max_pairs=12))
    np.testing.assert_allclose(few.vector, 2 * half.vector, atol=1e-6)


def test_no_pair_is_left_out_by_count() -> None:
    # Leaving pairs out beyond a count would let one pair more change two.
    capped = train(PAIRS, private_config(noise=NO_NOISE, max_pairs=2))
    assert capped.pairs == 6
    np.testing.assert_allclose(capped.vector, 3 * train(PAIRS, private_config(noise=NO_NOISE)).vector, atol=1e-5)


def test_a_pair_without_finite_gradient_counts_as_zero_and_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    adapted = adapted_model()
    config = private_config(noise=NO_NOISE, max_pairs=6)
    whole = train(PAIRS[1:], config, adapted=adapted).vector
    import client.training

    genuine = client.training.prepare_pairs

    def spoiled(*args: object, **kwargs: object) -> list[PreparedPair]:
        prepared = genuine(*args, **kwargs)  # type: ignore[arg-type]
        first = prepared[0]
        bad = PreparedPair(encoded=first.encoded, reference_chosen=float("nan"), reference_rejected=0.0)
        return [bad, *prepared[1:]]

    monkeypatch.setattr(client.training, "prepare_pairs", spoiled)
    np.testing.assert_allclose(train(PAIRS, config, adapted=adapted).vector, whole, atol=1e-5)


def test_nothing_is_left_behind_even_after_an_error() -> None:
    adapted = adapted_model()
    assert PairPrivacy(noise_multiplier=1, sample_rate=1, max_grad_norm=1) is not None
    train(PAIRS, private_config(), adapted=adapted)
    optimizer = torch.optim.SGD(adapted.shared_parameters(), lr=1.0)
    privacy = PairPrivacy(noise_multiplier=1.0, sample_rate=1.0, max_grad_norm=1.0)
    with (
        pytest.raises(RuntimeError, match="inside"),
        PrivateStep(adapted, optimizer, privacy, expected_batch_size=3, noise=SeededTestNoise(0)) as step,
        step.collecting(),
    ):
        raise RuntimeError("inside")
    for parameter in adapted.shared_parameters():
        assert parameter.grad is None
        assert not {"grad_sample", "summed_grad", "_forward_counter"} & set(vars(parameter))
    for module in adapted.shared_modules():
        assert not module._forward_hooks
        assert not module.training
        assert not hasattr(module, "activations")
    # And a second private run on the same model works.
    train(PAIRS, private_config(), adapted=adapted)


def test_released_noise_is_the_secret_keys() -> None:
    adapted = adapted_model()
    config = private_config()

    def vector(key: bytes) -> NDArray[np.float32]:
        noise = AesCtrNoise(key)
        return train_locally(adapted, start_of(adapted), PAIRS, config, noise=noise, seed=0).vector

    np.testing.assert_array_equal(vector(bytes(32)), vector(bytes(32)))
    assert not np.allclose(vector(bytes(32)), vector(bytes([1] * 32)))


@pytest.mark.parametrize(
    "settings",
    [
        {"noise_multiplier": 0.0, "sample_rate": 0.5, "max_grad_norm": 1.0},
        {"noise_multiplier": 1.0, "sample_rate": 0.0, "max_grad_norm": 1.0},
        {"noise_multiplier": 1.0, "sample_rate": 1.5, "max_grad_norm": 1.0},
        {"noise_multiplier": 1.0, "sample_rate": 0.5, "max_grad_norm": 0.0},
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        PairPrivacy(**settings)
