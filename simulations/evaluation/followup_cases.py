"""What follow-up classifiers are measured on, beside RealHumanEval's labels.

- The embedded world's held-out phrases after replies on held-out topics, kinds in equal shares (as
  `simulations.pretraining.measures` draws them). There are 25 phrases and 3 wordings of questions: cases repeat words.
- FeedbackQA (Li et al., 2022, arXiv:2204.03025): people's written reactions to a retrieved answer. "excellent" and
  "acceptable" are positive, "could_improve" and "bad" negative. They are reviews ("This answer ..."), not chat.
- AB-ReDial (the user satisfaction of ReDial's recommendation dialogues): mean rating above 3 is positive, below 3
  negative, of 3 left out. The rating is of the reply, and the follow-up need not show it.

The last two know no kinds, only whether the person was content: `simulations.evaluation.followup_classification` says
how a kind is read so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

from client.followups import FollowUp, FollowUpKind
from shared.conversation import Message
from shared.preference_files import read_lines
from shared.preference_lines import JsonLine, parse_json_line
from simulations.evaluation.followup_labels import LabelledFollowUp
from simulations.population.embedded.followups import say, voice_feedback
from simulations.population.embedded.grammar import plan_reply, word_reply
from simulations.population.embedded.style import AXES, assistant_style
from simulations.population.embedded.topics import ask, topics

FEEDBACKQA_FILE = "feedbackqa.jsonl.gz"
ABREDIAL_FILE = "abredial.jsonl.gz"

NEUTRAL_RATING = 3.0
_FEEDBACKQA_LABELS = {"excellent": True, "acceptable": True, "could_improve": False, "bad": False}


@dataclass(frozen=True, kw_only=True)
class RatedFollowUp:
    """Attributes:
    group: the question or the conversation it belongs to; what resamples together.
    followup: in context.
    positive: whether the person was content with the reply.
    """

    group: str
    followup: FollowUp
    positive: bool


def embedded_cases(*, cases: int = 500, seed: int = 0, held_out: bool = True) -> tuple[LabelledFollowUp, ...]:
    """`cases` follow-ups after replies on held-out topics, every kind in turn, in held-out or in training phrases."""
    rng = Random(f"tacit follow-up cases {seed}")
    found = []
    for index in range(cases):
        topic, style = rng.choice(topics(held_out=True)), assistant_style(rng)
        kind = list(FollowUpKind)[index % len(FollowUpKind)]
        if kind is FollowUpKind.REATTEMPT:
            axis = rng.choice(AXES)
            text = voice_feedback({axis: style.flipped(axis)[axis]}, rng, held_out=held_out)
        elif kind is FollowUpKind.NEW_REQUEST:
            text = ask(rng.choice(topics(held_out=True)), rng, held_out=held_out)
        else:
            text = say(kind, rng, held_out=held_out)
        turns = (
            Message(role="user", content=ask(topic, rng)),
            Message(role="assistant", content=word_reply(plan_reply(topic, rng), style)),
        )
        found.append(LabelledFollowUp(user_id=None, followup=FollowUp(conversation=turns, text=text), kind=kind))
    return tuple(found)


def read_feedbackqa(directory: Path) -> tuple[RatedFollowUp, ...]:
    """FeedbackQA's reactions; a group is a question.

    Raises:
        PreferenceFileError: malformed lines, by file, line and field.
        OSError: the file is missing or cannot be read.
    """
    path = directory / FEEDBACKQA_FILE
    return read_lines(path, lambda text, number: _feedbackqa(parse_json_line(text, file=str(path), line=number)))


def read_abredial(directory: Path) -> tuple[RatedFollowUp, ...]:
    """AB-ReDial's next turns, those of a neutral mean left out; a group is a conversation.

    Errors as `read_feedbackqa` has them.
    """
    path = directory / ABREDIAL_FILE
    lines = read_lines(path, lambda text, number: _abredial(parse_json_line(text, file=str(path), line=number)))
    return tuple(line for line in lines if line is not None)


def _feedbackqa(line: JsonLine) -> RatedFollowUp:
    line.check_keys(
        required=("id", "source", "split", "question", "response", "followup", "label"),
        optional=(),
    )
    label = line.text("label")
    if label not in _FEEDBACKQA_LABELS:
        line.refuse("label", f"must be one of {', '.join(_FEEDBACKQA_LABELS)}")
    question = line.text("question")
    turns = (Message(role="user", content=question), Message(role="assistant", content=line.text("response")))
    return RatedFollowUp(
        group=question,
        followup=FollowUp(conversation=turns, text=line.text("followup")),
        positive=_FEEDBACKQA_LABELS[label],
    )


def _abredial(line: JsonLine) -> RatedFollowUp | None:
    line.check_keys(
        required=(
            "id", "source", "conversation_id", "context", "response", "followup", "satisfaction", "mean_satisfaction",
        ),
        optional=(),
    )  # fmt: skip
    rating = line.values["mean_satisfaction"]
    if isinstance(rating, bool) or not isinstance(rating, int | float) or not 1 <= rating <= 5:
        line.refuse("mean_satisfaction", "must be a number from 1 to 5")
    turns = (*line.messages("context"), Message(role="assistant", content=line.text("response")))
    followup = FollowUp(conversation=turns, text=line.text("followup"))
    if rating == NEUTRAL_RATING:
        return None
    return RatedFollowUp(group=line.text("conversation_id"), followup=followup, positive=rating > NEUTRAL_RATING)
