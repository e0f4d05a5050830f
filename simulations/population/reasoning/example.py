"""One example: a problem, a solution that goes wrong at a known step, the user's follow-up, and a better solution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.conversation import Conversation, Message, PreferencePair


@dataclass(frozen=True, kw_only=True, repr=False)
class ReasoningExample:
    """A solution with a mistake, and what a user says of it.

    A reply shows its steps one a line, "Step 1: ...", counting from 1, so that a follow-up can name one.

    Attributes:
        example_id: unique within a source; not a text.
        source: "generated: FAMILY" or "prm800k".
        problem: what the user asks.
        steps: of the wrong reply, in order.
        first_wrong_step: the place in `steps`, from 0, of the first one that is wrong.
        follow_up: the user's message, which names that step.
        corrected_steps: the same up to the wrong step, and right from there on; None where no correction is known.
        correction_is_complete: whether `corrected_steps` reach the right answer, or stop after the corrected step.
        answer: the right answer, as `simulations.population.reasoning.answers.check_answer` takes it.
    """

    example_id: str
    source: str
    problem: str
    steps: tuple[str, ...]
    first_wrong_step: int
    follow_up: str
    corrected_steps: tuple[str, ...] | None
    correction_is_complete: bool
    answer: str

    def __post_init__(self) -> None:
        if not 0 <= self.first_wrong_step < len(self.steps):
            raise ValueError("the first wrong step must be one of the steps")
        if self.corrected_steps is not None:
            at = self.first_wrong_step
            if len(self.corrected_steps) <= at or self.corrected_steps[:at] != self.steps[:at]:
                raise ValueError("a correction must keep the steps before the wrong one and go on")
            if self.corrected_steps[at] == self.steps[at]:
                raise ValueError("a correction must change the wrong step")

    def __repr__(self) -> str:
        known = "no correction" if self.corrected_steps is None else f"corrected in {len(self.corrected_steps)}"
        return f"ReasoningExample({len(self.steps)} steps, wrong from step {self.first_wrong_step + 1}, {known})"

    @property
    def reply(self) -> str:
        """The wrong solution, whole, as the assistant said it."""
        return show_steps(self.steps)

    @property
    def revision(self) -> str | None:
        """The corrected solution, or its beginning (`correction_is_complete`); None where no correction is known."""
        return None if self.corrected_steps is None else show_steps(self.corrected_steps)

    def as_conversation(self) -> Conversation:
        """Request, wrong reply, follow-up: what a device would have logged."""
        return Conversation(
            conversation_id=self.example_id,
            messages=(
                Message(role="user", content=self.problem),
                Message(role="assistant", content=self.reply),
                Message(role="user", content=self.follow_up),
            ),
        )

    def as_pair(self) -> PreferencePair:
        """The revision over the wrong reply, under the request alone: a user-guided rewrite.

        A correction that stops after the corrected step is compared with the wrong reply up to its wrong step, so that
        neither side is preferred for coming to an end.

        Raises:
            ValueError: no correction is known.
        """
        if self.corrected_steps is None:
            raise ValueError("a reasoning example without a correction makes no pair")
        wrong = self.steps if self.correction_is_complete else self.steps[: self.first_wrong_step + 1]
        return PreferencePair(
            prompt=(Message(role="user", content=self.problem),),
            chosen=(Message(role="assistant", content=show_steps(self.corrected_steps)),),
            rejected=(Message(role="assistant", content=show_steps(wrong)),),
            origin="rewrite",
        )


def show_steps(steps: Sequence[str]) -> str:
    """Steps as a reply's text."""
    return "\n".join(f"Step {number}: {step}" for number, step in enumerate(steps, start=1))
