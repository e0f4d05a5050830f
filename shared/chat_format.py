"""How a conversation becomes the tokens a model reads: chat templates, roles that one lacks, and what is scored."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from shared.conversation import Message

_LOG = logging.getLogger(__name__)

DEFAULT_CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + '\\n\\n' }}"
    "{% elif message['role'] == 'user' %}{{ 'User: ' + message['content'] + '\\n' }}"
    "{% else %}{{ 'Assistant: ' + message['content'] + (eos_token or '') + '\\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
"""What a base model without a template of its own reads: the system text and an empty line, then one line a turn,
`User: ...` or `Assistant: ...`, the assistant's closed by the end-of-sequence token."""

_PROBE = "tacit-probe-7f3a"


class ChatTemplateError(ValueError):
    """A chat template cannot express a conversation. The message says which rule broke, never the text."""


@dataclass(frozen=True, kw_only=True)
class ScoredTokens:
    """A completion's tokens, and which of them are the assistant's own.

    Attributes:
        ids: (tokens,).
        scored: (tokens,) True on the assistant's words and on the token that ends its turn.
    """

    ids: tuple[int, ...]
    scored: tuple[bool, ...]


class ChatFormat:
    """A tokenizer with its chat template. Every conversation goes through `encode_prompt` and `encode_completion`."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, *, model_name: str, chat_template: str | None = None
    ) -> None:
        """Takes the template given, else the tokenizer's own, else the documented default with a warning.

        Raises:
            ChatTemplateError: the template does not even express one user message.
        """
        self.tokenizer = tokenizer
        self._model_name = model_name
        self._template = chat_template or tokenizer.chat_template
        if self._template is None:
            self._template = DEFAULT_CHAT_TEMPLATE
            if self._tokenizer_opens_with_bos():
                self._template = "{{ bos_token }}" + self._template
            _LOG.warning(
                "the model %r has no chat template, so it is probably a base model: turns are written as 'User: ...' "
                "and 'Assistant: ...' lines; pass a chat template of your own to change that",
                model_name,
            )
        self._control = _control_tokens(tokenizer)
        self._folds_system = False
        self._folds_system = not self._expresses_system_messages()
        self.end_of_turn_ids = self._find_end_of_turn()

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
        """The conversation as text. System messages go into the first user turn where the template has no such role.

        A control token that somebody wrote into a message (`<|im_start|>`) is written with a space in it, so that it
        stays text: otherwise whoever writes a message, or the page that it was copied from, could open a turn in
        another's name. Turns written as plain `User:` lines (`DEFAULT_CHAT_TEMPLATE`) have no such protection. Halves
        of surrogate pairs become "?".

        Raises:
            ChatTemplateError: the template refuses the order of the roles.
        """
        turns = fold_system_messages(messages) if self._folds_system else tuple(messages)
        rows = [{"role": turn.role, "content": self._defused(turn.content)} for turn in turns]
        roles = ", ".join(turn.role for turn in turns)
        try:
            text = self.tokenizer.apply_chat_template(
                rows, chat_template=self._template, tokenize=False, add_generation_prompt=add_generation_prompt
            )
        except Exception:
            # Jinja's own error may quote the conversation: its text and its traceback stay here.
            raise ChatTemplateError(f"the chat template of {self._model_name!r} refuses the roles: {roles}") from None
        return str(text)

    def encode_prompt(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of the conversation, up to where the assistant's reply begins."""
        return self._tokenize(self.render(messages, add_generation_prompt=True))

    def encode_completion(self, prompt: Sequence[Message], completion: Sequence[Message]) -> ScoredTokens:
        """Token ids of what follows `encode_prompt(prompt)`, and which of them are scored.

        The conversation is rendered turn by turn; what each turn adds to the text before it is that turn's tokens. User
        turns and the headers of turns are read by the model but not scored. What follows the last end-of-turn token
        (ChatML's newline) is left out: a model never has to produce it.

        Raises:
            ChatTemplateError: rendering a longer conversation changes the text of a shorter one, so that no token can
                be said to belong to one turn.
        """
        before = self.render(prompt, add_generation_prompt=True)
        ids: list[int] = []
        scored: list[bool] = []
        for index, message in enumerate(completion):
            is_reply = message.role == "assistant"
            after = self.render((*prompt, *completion[: index + 1]), add_generation_prompt=not is_reply)
            if not after.startswith(before):
                raise ChatTemplateError(
                    f"the chat template of {self._model_name!r} rewrites earlier turns when a turn is added, so the "
                    f"assistant's tokens cannot be told apart in a completion of {len(completion)} messages; pass a "
                    "chat template that only appends"
                )
            added = self._tokenize_after(before, after)
            spoken = self._through_end_of_turn(added) if is_reply else 0
            if is_reply and index == len(completion) - 1:
                added = added[:spoken]
            ids += added
            scored += [position < spoken for position in range(len(added))]
            before = after
        return ScoredTokens(ids=tuple(ids), scored=tuple(scored))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of a reply: without special tokens and without white space around it."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True)).strip()

    def digest(self) -> str:
        """SHA-256 (hex) over the template and the tokenizer's vocabulary and special tokens."""
        said = [self._template, self.tokenizer.get_vocab(), self.tokenizer.special_tokens_map, self._tokenize(_PROBE)]
        return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()

    def _defused(self, content: str) -> str:
        # Half of a surrogate pair is no text: a tokenizer fails on it, and its error quotes the whole.
        text = content.encode("utf-8", "replace").decode("utf-8")
        return text if self._control is None else self._control.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)

    def _tokenize(self, text: str) -> list[int]:
        # Not verbose: what is longer than the context is cut later, and said there.
        return list(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def _tokenize_after(self, before: str, after: str) -> list[int]:
        # Tokenising the whole text gives a SentencePiece tokenizer no reason to open the turn with a space of its own.
        # Where a token would straddle the boundary, the turn is tokenised by itself: the prompt's ids must not change.
        head, whole = self._tokenize(before), self._tokenize(after)
        if whole[: len(head)] == head:
            return whole[len(head) :]
        return self._tokenize(after[len(before) :])

    def _through_end_of_turn(self, ids: Sequence[int]) -> int:
        """How many of an assistant turn's tokens are its words and its end-of-turn token."""
        ends = [position for position, token in enumerate(ids) if token in self.end_of_turn_ids]
        return ends[-1] + 1 if ends else len(ids)

    def _tokenizer_opens_with_bos(self) -> bool:
        bos = self.tokenizer.bos_token_id
        return bos is not None and list(self.tokenizer("a")["input_ids"])[:1] == [bos]

    def _expresses_system_messages(self) -> bool:
        user = Message(role="user", content="a")
        try:
            text = self.render((Message(role="system", content=_PROBE), user), add_generation_prompt=True)
        except ChatTemplateError:
            self.render((user,), add_generation_prompt=True)
            return False
        return _PROBE in text  # some templates drop the role without a word

    def _find_end_of_turn(self) -> frozenset[int]:
        """Special tokens that the template puts after an assistant's words; the tokenizer's own end of sequence."""
        user = Message(role="user", content="a")
        text = self.render((user, Message(role="assistant", content=_PROBE)), add_generation_prompt=False)
        tail = self._tokenize(text[text.rfind(_PROBE) + len(_PROBE) :])
        special = set(self.tokenizer.all_special_ids)
        special |= {token for token, added in self.tokenizer.added_tokens_decoder.items() if added.special}
        found = [token for token in tail if token in special][:1]
        return frozenset(int(token) for token in (*found, self.tokenizer.eos_token_id) if token is not None)


def _control_tokens(tokenizer: PreTrainedTokenizerBase) -> re.Pattern[str] | None:
    """Matches the tokenizer's special tokens in a text; None where it has none that could be written by accident."""
    special = {str(token) for token in tokenizer.all_special_tokens}
    special |= {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    written = sorted((token for token in special if len(token) > 1), key=lambda token: (-len(token), token))
    return re.compile("|".join(map(re.escape, written))) if written else None


def fold_system_messages(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The same conversation without a system role: its text opens the first user turn, an empty line between."""
    system = [message.content for message in messages if message.role == "system"]
    turns = [message for message in messages if message.role != "system"]
    if not system:
        return tuple(turns)
    for index, turn in enumerate(turns):
        if turn.role == "user":
            turns[index] = Message(role="user", content="\n\n".join([*system, turn.content]))
            return tuple(turns)
    return (Message(role="user", content="\n\n".join(system)), *turns)


def shorten_prompt(
    chat: ChatFormat, messages: Sequence[Message], *, max_tokens: int
) -> tuple[list[int], tuple[Message, ...], bool]:
    """Cuts a prompt from the left, keeping the system message (the persona) and the last user turn.

    Whole turns go first, oldest first, so that what remains is a conversation that begins with the user. If the system
    message and the last turn alone are too long, the beginning of the last turn goes, token by token. A system message
    that fills the limit by itself is cut on the right, to half of the limit.

    Args:
        max_tokens: at least 1.

    Returns:
        `(ids, kept, was_cut)`: at most `max_tokens` ids, the messages they come from, whether anything was cut.
    """
    ids = chat.encode_prompt(messages)
    if len(ids) <= max_tokens:
        return ids, tuple(messages), False
    system = tuple(message for message in messages if message.role == "system")
    turns = [message for message in messages if message.role != "system"]
    starts = [place for place, turn in enumerate(turns) if place > 0 and turn.role == "user"]

    def encoded(start: int) -> list[int]:
        return chat.encode_prompt((*system, *turns[start:]))

    # Fewer turns never have more tokens: a long conversation is read a few times, and not once a turn.
    fitting = bisect_left(starts, True, key=lambda start: len(encoded(start)) <= max_tokens)
    if fitting < len(starts):
        return encoded(starts[fitting]), (*system, *turns[starts[fitting] :]), True
    if starts:
        ids = encoded(starts[-1])
    turns = turns[-1:]
    kept = (*system, *turns)
    # Everything before the last turn's own words is the system message and the header of the turn.
    head = _shared_prefix(ids, chat.encode_prompt((*system, Message(role="user", content="\n#"))))
    head = head[: max_tokens // 2] if len(head) >= max_tokens else head
    return head + ids[len(ids) - (max_tokens - len(head)) :], kept, True


def _shared_prefix(first: Sequence[int], second: Sequence[int]) -> list[int]:
    count = 0
    while count < min(len(first), len(second)) and first[count] == second[count]:
        count += 1
    return list(first[:count])
