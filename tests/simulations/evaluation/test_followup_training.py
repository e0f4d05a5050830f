"""The light classifier's training: the packaged weights come from it, and no held-out phrase goes into it."""

from __future__ import annotations

import numpy as np
import pytest

from client.followups.light import packaged_weights
from simulations.evaluation.followup_training import embedded_examples, seed_examples, train_light_classifier
from simulations.population.embedded.followups import HELD_OUT_FEEDBACK, HELD_OUT_OTHER


@pytest.mark.slow
def test_the_packaged_weights_are_made_by_the_recipe_that_they_name() -> None:
    made, packaged = train_light_classifier(), packaged_weights()
    assert made.recipe == packaged.recipe
    # Another machine's arithmetic may round otherwise; another recipe or other sentences would differ by far more.
    assert float(np.abs(made.hashed - packaged.hashed).max()) < 0.02 * float(np.abs(packaged.hashed).max())


def test_no_held_out_phrase_is_trained_on() -> None:
    held_out = {text for row in HELD_OUT_FEEDBACK.values() for text in row}
    held_out |= {text for row in HELD_OUT_OTHER.values() for text in row}
    trained = {one.followup.text for one in (*embedded_examples(), *seed_examples())}
    assert len(trained) > 500
    assert not trained & held_out
