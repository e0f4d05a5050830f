"""Labelled follow-ups: those of RealHumanEval's users, labelled by hand, and sentences written for training.

`GUIDELINE.md` says what each kind means and how the labels were made.
"""

from simulations.evaluation.followup_labels.labels import (
    LabelledFollowUp,
    read_realhumaneval_labels,
    split_by_user,
)
from simulations.evaluation.followup_labels.seeds import SeedFollowUp, seed_follow_ups

__all__ = ["LabelledFollowUp", "SeedFollowUp", "read_realhumaneval_labels", "seed_follow_ups", "split_by_user"]
