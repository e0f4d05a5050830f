"""A follow-up classifier that asks the language model, with the prompt it was pretrained or instructed for."""

from __future__ import annotations

from collections.abc import Sequence

from client.followups import FollowUp, FollowUpLabel
from client.prompts import classify_follow_up, read_follow_up_kind
from shared.generation import ReplyGenerator

MAX_NEW_TOKENS = 16  # the longest kind's name, in any tokenizer


class ModelFollowUpClassifier:
    """Labels follow-ups by a model's greedy answer. The confidence is 1 for an answer that names one kind, else 0."""

    def __init__(self, model: ReplyGenerator, *, batch_size: int = 64) -> None:
        """Args:
            model: writes the answers.
            batch_size: answers written together.

        Raises:
            ValueError: a batch size below 1.
        """
        if batch_size < 1:
            raise ValueError("batch_size must be at least 1")
        self._model = model
        self._batch_size = batch_size

    @property
    def name(self) -> str:
        return f"model {self._model.name}"

    def classify(self, followups: Sequence[FollowUp]) -> list[FollowUpLabel]:
        """One label a follow-up, in their order; its kind is None where the model's answer names none or several."""
        if not followups:
            return []
        answers = self._model.generate_replies(
            [classify_follow_up(followup.conversation, followup.text) for followup in followups],
            max_new_tokens=MAX_NEW_TOKENS,
            batch_size=self._batch_size,
        )
        kinds = [read_follow_up_kind(answer.text) for (answer,) in answers]
        return [FollowUpLabel(kind=kind, confidence=float(kind is not None)) for kind in kinds]
