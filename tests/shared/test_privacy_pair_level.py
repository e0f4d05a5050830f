import json

import pytest
from dp_accounting import get_epsilon_gaussian

from shared.privacy.guarantee import format_epsilon
from shared.privacy.pair_level import pair_level_epsilon, pair_level_guarantee


def test_full_batch_steps_equal_the_exact_gaussian() -> None:
    # k steps at noise z without sampling are one Gaussian at z / sqrt(k).
    epsilon = pair_level_epsilon(noise_multiplier=4.0, sample_rate=1.0, steps=16, delta=1e-5)
    exact = get_epsilon_gaussian(1.0, 1e-5)
    assert exact <= epsilon <= exact * 1.01


def test_figures_of_known_settings() -> None:
    # Noise multipliers measured for epsilon 8, 4, 2 at q = 1/2 and 20 steps in all.
    for noise, epsilon in ((1.55, 8.0), (2.63, 4.0), (4.67, 2.0)):
        assert pair_level_epsilon(noise_multiplier=noise, sample_rate=0.5, steps=20, delta=1e-5) == pytest.approx(
            epsilon, rel=0.02
        )


def test_epsilon_grows_with_steps_and_rate_and_falls_with_noise() -> None:
    base = pair_level_epsilon(noise_multiplier=1.5, sample_rate=0.3, steps=10, delta=1e-5)
    assert pair_level_epsilon(noise_multiplier=1.5, sample_rate=0.3, steps=20, delta=1e-5) > base
    assert pair_level_epsilon(noise_multiplier=1.5, sample_rate=0.6, steps=10, delta=1e-5) > base
    assert pair_level_epsilon(noise_multiplier=2.0, sample_rate=0.3, steps=10, delta=1e-5) < base
    assert pair_level_epsilon(noise_multiplier=1.5, sample_rate=0.3, steps=0, delta=1e-5) == 0.0


@pytest.mark.parametrize(
    ("noise", "rate", "steps", "delta"),
    [(0.0, 0.5, 1, 1e-5), (1.0, 0.0, 1, 1e-5), (1.0, 1.1, 1, 1e-5), (1.0, 0.5, -1, 1e-5), (1.0, 0.5, 1, 0.0)],
)
def test_figures_out_of_range_are_refused(noise: float, rate: float, steps: int, delta: float) -> None:
    with pytest.raises(ValueError, match=r"accounting needs|delta must be"):
        pair_level_epsilon(noise_multiplier=noise, sample_rate=rate, steps=steps, delta=delta)


def test_guarantee_says_unit_observers_and_what_it_does_not_cover() -> None:
    guarantee = pair_level_guarantee(
        noise_multiplier=2.0, sample_rate=0.5, local_steps=2, max_participations=5, max_pairs=40, delta=1e-5
    )
    steps = pair_level_epsilon(noise_multiplier=2.0, sample_rate=0.5, steps=10, delta=1e-5)
    assert guarantee.epsilon_server == guarantee.epsilon_model_observer == steps
    sentence = guarantee.sentence()
    assert sentence.startswith("One preference pair, its content replaced by nothing")
    assert "the server and everyone else" in sentence
    assert "at most 40 pairs a round" in sentence
    assert "de-duplication" in sentence
    assert format_epsilon(steps) in sentence
    assert "persona" in sentence
    assert "\n" not in sentence
    assert json.loads(json.dumps(guarantee.as_json()))["unit"] == "pair"


@pytest.mark.parametrize(("noise_multiplier", "steps"), [(1e-4, 1), (0.05, 1000)])
def test_so_little_noise_that_epsilon_means_nothing_is_refused_at_once(noise_multiplier: float, steps: int) -> None:
    with pytest.raises(ValueError, match="more noise or fewer releases"):
        pair_level_epsilon(noise_multiplier=noise_multiplier, sample_rate=0.5, steps=steps, delta=1e-5)
