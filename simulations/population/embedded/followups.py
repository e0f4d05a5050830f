"""What users say after a reply: feedback on an axis, praise, questions back, asides, and new requests."""

from __future__ import annotations

from random import Random

from client.prompts import FollowUpKind
from simulations.population.embedded.style import Axis

# (axis, pole asked for) → wordings.
FEEDBACK: dict[tuple[Axis, str], tuple[str, ...]] = {
    ("expertise", "expert"): (
        "Use technical terms please.",
        "Give me the expert version.",
        "This is too basic for me.",
        "Be more technical.",
        "I know the field, so use the proper vocabulary.",
        "Write it for a specialist.",
        "That was too simple.",
    ),
    ("expertise", "plain"): (
        "Use simple words please.",
        "Give me the beginner version.",
        "This is too technical for me.",
        "Be less technical.",
        "I am new to the field, so use everyday words.",
        "Write it for a layman.",
        "That was full of jargon.",
    ),
    ("informativeness", "detailed"): (
        "Give me more detail please.",
        "This is too short.",
        "Make it longer.",
        "Tell me more than that.",
        "You left a lot out.",
        "I need a fuller answer.",
        "Expand on it.",
    ),
    ("informativeness", "concise"): (
        "Give me less detail please.",
        "This is too long.",
        "Make it shorter.",
        "Just the key points.",
        "You said far too much.",
        "I need a quicker answer.",
        "Cut it down.",
    ),
    ("tone", "formal"): (
        "Be more formal please.",
        "This is too chatty.",
        "Sound more professional.",
        "Drop the casual tone.",
        "Write it in a serious manner.",
        "Please be less playful.",
        "I find it too familiar.",
    ),
    ("tone", "friendly"): (
        "Be more friendly please.",
        "This is too stiff.",
        "Sound more relaxed.",
        "Drop the formal tone.",
        "Write it in a warm manner.",
        "Please be less serious.",
        "I find it too cold.",
    ),
    ("structure", "list"): (
        "Use bullet points please.",
        "Make it a list.",
        "I cannot read a wall of text.",
        "Put each point on its own line.",
        "Turn the paragraph into bullets.",
        "Give it to me as a list.",
        "List the steps.",
    ),
    ("structure", "prose"): (
        "Use full sentences in a paragraph please.",
        "Make it a paragraph.",
        "I cannot read a pile of bullets.",
        "Put it all in flowing text.",
        "Turn the bullets into a paragraph.",
        "Give it to me as running prose.",
        "Write it out without bullets.",
    ),
}
HELD_OUT_FEEDBACK: dict[tuple[Axis, str], tuple[str, ...]] = {
    ("expertise", "expert"): ("Please make it more technical.", "Use the vocabulary of a specialist."),
    ("expertise", "plain"): ("Please make it less technical.", "Use the words of a beginner."),
    ("informativeness", "detailed"): ("Please make it a fuller answer.", "I need more detail."),
    ("informativeness", "concise"): ("Please make it a quicker answer.", "I need less detail."),
    ("tone", "formal"): ("Please sound more formal.", "I find it too playful and chatty."),
    ("tone", "friendly"): ("Please sound more friendly.", "I find it too stiff and cold."),
    ("structure", "list"): ("Please turn it into a list.", "Put it in bullet points."),
    ("structure", "prose"): ("Please turn it into a paragraph.", "Put it in running text."),
}
OTHER: dict[FollowUpKind, tuple[str, ...]] = {
    FollowUpKind.POSITIVE: (
        "Thanks, that is perfect.",
        "Great, just what I needed.",
        "Thank you, very helpful.",
        "Lovely, thanks a lot.",
        "That works for me.",
        "Perfect, I will try it.",
        "Exactly right.",
    ),
    FollowUpKind.CLARIFICATION: (
        "What do you mean by that?",
        "Why is that?",
        "Are you sure about the second point?",
        "I think one point is wrong.",
        "Which of these comes first?",
        "Does that always hold?",
        "How often should I do that?",
    ),
    FollowUpKind.UNRELATED: (
        "It is raining here today.",
        "My brother just called.",
        "I had toast this morning.",
        "The bus is late again.",
        "What a long week.",
        "I am off to bed now.",
        "My neighbour is loud.",
    ),
}
HELD_OUT_OTHER: dict[FollowUpKind, tuple[str, ...]] = {
    FollowUpKind.POSITIVE: ("Thanks, just right.", "Lovely, very helpful.", "Perfect, that works."),
    FollowUpKind.CLARIFICATION: ("Why does that hold?", "Are you sure that is right?", "What comes first?"),
    FollowUpKind.UNRELATED: ("It is a long day here.", "My brother is late again.", "I had a call this morning."),
}


def voice_feedback(asked: dict[Axis, str], rng: Random, *, held_out: bool = False) -> str:
    """A follow-up that asks for a pole on each axis of `asked`, in random order."""
    table = HELD_OUT_FEEDBACK if held_out else FEEDBACK
    parts = [rng.choice(table[axis, pole]) for axis, pole in asked.items()]
    rng.shuffle(parts)
    return " ".join(parts)


def say(kind: FollowUpKind, rng: Random, *, held_out: bool = False) -> str:
    """A follow-up that is neither feedback on style nor a new request."""
    return rng.choice((HELD_OUT_OTHER if held_out else OTHER)[kind])
