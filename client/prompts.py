"""Every prompt the device puts to a model, in one place so that it can be reviewed and versioned.

`tacit-tiny` is pretrained on these very functions; a change of wording is a new `PROMPTS_VERSION` and a new checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.conversation import Message

PROMPTS_VERSION = 1

_PERSONA = "About the user: {persona}"


def with_persona(messages: Sequence[Message], persona: str | None) -> tuple[Message, ...]:
    """The conversation as a model reads it under `persona`: the persona as a system message in front.

    A system message that is already there keeps its text, after the persona's. Without a persona nothing changes.
    """
    if persona is None or not persona.strip():
        return tuple(messages)
    text = _PERSONA.format(persona=persona.strip())
    if messages and messages[0].role == "system":
        return (Message(role="system", content=f"{text}\n{messages[0].content}"), *messages[1:])
    return (Message(role="system", content=text), *messages)
