"""What the base model has read: the pipeline's tasks, one dominant style, and nothing that is held out."""

from __future__ import annotations

from random import Random

import pytest

from client.prompts import FollowUpKind
from shared.conversation import Message
from simulations.population.embedded.followups import FEEDBACK, HELD_OUT_FEEDBACK, HELD_OUT_OTHER, OTHER
from simulations.population.embedded.parser import read_reply
from simulations.population.embedded.personas import HELD_OUT_WORDINGS, WORDINGS, read_persona
from simulations.population.embedded.style import AXES, DEFAULT_STYLE
from simulations.population.embedded.topics import HELD_OUT_QUESTIONS, QUESTIONS, topics
from simulations.pretrain import make_tokenizer
from simulations.pretraining.examples import Mixture, make_example
from simulations.pretraining.recipe import PretrainConfig
from simulations.pretraining.tokenizer import encode_scored

EXAMPLES = [make_example(Random(f"test {index}"), Mixture()) for index in range(3000)]
TEXT = "\n".join(message.content for example in EXAMPLES for message in example.turns)


def flat(table: dict[tuple[str, str], tuple[str, ...]]) -> set[str]:
    return {wording for wordings in table.values() for wording in wordings}


@pytest.mark.parametrize(
    ("seen", "held_out"),
    [
        (flat(dict(WORDINGS)), flat(dict(HELD_OUT_WORDINGS))),  # type: ignore[arg-type]
        (flat(dict(FEEDBACK)), flat(dict(HELD_OUT_FEEDBACK))),  # type: ignore[arg-type]
        ({text for texts in OTHER.values() for text in texts}, {t for ts in HELD_OUT_OTHER.values() for t in ts}),
        ({topic.name for topic in topics(held_out=False)}, {topic.name for topic in topics(held_out=True)}),
    ],
    ids=["persona wordings", "feedback phrases", "other follow-ups", "topics"],
)
def test_held_out_vocabulary_never_occurs_in_pretraining(seen: set[str], held_out: set[str]) -> None:
    assert not seen & held_out
    assert [text for text in sorted(held_out) if text in TEXT] == []
    assert sum(text in TEXT for text in seen) == len(seen), "the check finds what does occur"


def test_held_out_question_wordings_never_occur_in_pretraining() -> None:
    assert not set(QUESTIONS) & set(HELD_OUT_QUESTIONS)
    for start in ("Can you tell me how to", "Any advice about", "I want to know the best way"):
        assert start not in TEXT


def test_only_assistant_messages_are_learned() -> None:
    for example in EXAMPLES:
        assert example.scored[-1]
        for message, scored in zip(example.turns, example.scored, strict=True):
            assert message.role == "assistant" or not scored


def first_replies() -> list[tuple[str | None, str, str]]:
    """(persona or None, question, reply) of plain chats."""
    found = []
    for example in EXAMPLES:
        turns = list(example.turns)
        persona = turns.pop(0).content if turns[0].role == "system" else None
        if example.scored[len(example.turns) - len(turns) + 1] and turns[0].content.endswith(("?", ".")):
            found.append((persona, turns[0].content, turns[1].content))
    return found


def test_first_replies_have_one_dominant_style_and_seldom_obey_the_persona() -> None:
    chats = first_replies()
    assert len(chats) > 800
    default = obeyed = personas = 0
    for persona, question, reply in chats:
        reading = read_reply(reply, question)
        if not reading.coherent:
            continue  # another task's answer
        default += reading.fit(DEFAULT_STYLE) == 4
        wanted = read_persona(persona) if persona else {}
        if len(wanted) == 4 and any(wanted[axis] != DEFAULT_STYLE[axis] for axis in AXES):
            personas += 1
            obeyed += all(reading.poles[axis] == wanted[axis] for axis in AXES)
    assert 0.35 < default / len(chats) < 0.55
    assert 0.12 < obeyed / personas < 0.30


def test_every_label_of_a_follow_up_occurs() -> None:
    answers = {example.turns[-1].content for example in EXAMPLES}
    assert {kind.value for kind in FollowUpKind} <= answers


def test_tokens_and_labels_are_what_the_chat_template_marks() -> None:
    tokenizer = make_tokenizer(PretrainConfig())
    for example in EXAMPLES[:100]:
        scored = [message.role == "assistant" for message in example.turns]
        ids, labels = encode_scored(tokenizer, example.turns, scored)
        chat = [{"role": message.role, "content": message.content} for message in example.turns]
        marked = tokenizer.apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True)
        assert marked["input_ids"] == ids
        assert marked["assistant_masks"] == [int(label != -100) for label in labels]
        assert [label for label in labels if label != -100] == [
            token for token, mark in zip(ids, marked["assistant_masks"], strict=True) if mark
        ]


def test_any_text_survives_the_tokenizer() -> None:
    tokenizer = make_tokenizer(PretrainConfig())
    for text in ("naïve café 東京 🙂", "  two  spaces\n\ttab"):
        turns = [Message(role="user", content=text)]
        ids, _ = encode_scored(tokenizer, turns, [False])
        assert tokenizer.decode(ids[1:-1]) == text
