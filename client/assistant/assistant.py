"""The assistant: one model that answers a person, with what has been learned and under their persona.

Memory: the base model's weights once; an adapter's, twice while a new one is taken; and of each of the two, with and
without adapter, up to 128 MiB of keys and values of the conversation that it answered last (`ReadPrefix`).
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from threading import Event, Lock
from typing import Self

from client.assistant.adapters import CurrentAdapter, attach_current
from client.assistant.persona_text import persona_text
from client.assistant.reply_text import ReplyText
from client.device import DeviceError
from client.profile import Profile
from client.prompts import with_persona
from client.vault.vault import Vault
from client.vault_device import VaultDevice
from shared.adapter_spec import AdapterError
from shared.causal_lm import LanguageModel
from shared.conversation import Message
from shared.decoding import ReadPrefix
from shared.generation import GeneratedReply

CHAT_TEMPERATURE = 0.7
"""What chats sample at unless they are told otherwise: greedily, a second reply would be the first one again."""


class NotARequestError(ValueError):
    """A conversation does not end with something that the user said."""


@dataclass(frozen=True, kw_only=True)
class ReplySettings:
    """How a reply is written.

    Attributes:
        max_new_tokens: of the reply; fewer where the context has no room for them (`LanguageModel.fit_prompt`).
        temperature: 0 is greedy.
        top_p: drawn are the likeliest tokens that reach this together; 1 leaves all.
        seed: of the sampling.
        stop: texts that end the reply and are not in it. They are looked for in the text without its leading space.
    """

    max_new_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1 or self.seed < 0:
            raise ValueError("max_new_tokens must be at least 1, and the seed not negative")
        if not (math.isfinite(self.temperature) and self.temperature >= 0) or not 0 < self.top_p <= 1:
            raise ValueError("temperature must not be negative, and top_p in (0, 1]")
        if not all(self.stop):
            raise ValueError("a stop text must not be empty")


@dataclass(frozen=True, kw_only=True)
class AssistantState:
    """What answers now. Nothing of it is private but that there is a personal adapter.

    Attributes:
        model: name of the base model.
        is_shared: whether an adapter that a server sent is used.
        run, round_number: where that came from; "" and 0 where there is none.
        personal_weight: how much of the user's own adapter is used; None where there is none.
        problem: why the base model answers although there should be an adapter, in plain words; "" where all is well.
    """

    model: str
    is_shared: bool = False
    run: str = ""
    round_number: int = 0
    personal_weight: float | None = None
    problem: str = ""

    @property
    def is_tuned(self) -> bool:
        """Whether anything that was learned is used."""
        return self.is_shared or bool(self.personal_weight)


class ReplyStream(Iterator[str]):
    """The pieces of one reply's text; joined, they are the reply. One thread takes them, any may close it.

    The model is another's turn only when the pieces were taken to the end, or the stream was closed.

    Attributes:
        prompt_tokens: that the model reads.
        completion_tokens: written so far; the one that ends a turn does not count.
        finished: whether the model ended the reply, or a stop text did; False before, and where the limit cut it or it
            was closed.
        is_whole: whether all of it was written, if only to the limit; False before, and where it was closed.
    """

    def __init__(self, *, prompt_tokens: int) -> None:
        self.prompt_tokens = prompt_tokens
        self.completion_tokens = 0
        self.finished = False
        self.is_whole = False
        self._closed = Event()
        self._pieces: Generator[str, None, None] | None = None

    def __repr__(self) -> str:
        return f"ReplyStream({self.completion_tokens} tokens, finished={self.finished})"

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        if self._pieces is None:
            raise StopIteration
        return next(self._pieces)

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed.is_set()

    def stop(self) -> None:
        """Ends the reply at the next token: its pieces end there. Safe in a signal's handler."""
        self._closed.set()

    def close(self) -> None:
        """Ends the reply: at once, or, while another thread waits for a piece, at the next token."""
        self.stop()
        if self._pieces is not None:
            try:
                self._pieces.close()
            except ValueError:  # it is running in another thread, which asks `is_closed`
                return


class Assistant:
    """One model, one reply at a time; used by all threads of the process.

    Attributes:
        base: the model without any adapter. It stays as it is and never runs here: take twins of it.
    """

    def __init__(self, profile: Profile, vault: Vault, base: LanguageModel) -> None:
        """Args:
        base: as `profile.settings.model` says; nothing must be attached to it, now or later.
        """
        self.base = base
        self._profile = profile
        self._vault = vault
        self._device = VaultDevice(profile, vault)
        self._turn = Lock()
        base.fingerprint()  # the twins of adapters need it, and reading all weights takes seconds
        self._plain = base.twin()
        self._plain_prefix, self._tuned_prefix = ReadPrefix(), ReadPrefix()
        self._current: CurrentAdapter | None = None
        self._stamp: tuple[int, ...] = ()
        self._state = AssistantState(model=base.name)
        self.refresh()

    def __repr__(self) -> str:
        return f"Assistant({self._state!r})"

    def stream(
        self, messages: Sequence[Message], settings: ReplySettings, *, tuned: bool = True, persona: bool = True
    ) -> ReplyStream:
        """A reply as it is written. The model's turn begins with the first piece that is asked for.

        Whoever holds an unfinished stream must close it before the same thread asks for another.

        Args:
            messages: end with the user's. The persona is added here.
            tuned: with the adapter; False is the base model.
            persona: False reads the messages as they are.

        Raises:
            NotARequestError: the conversation does not end with the user's message.
            ChatTemplateError: the model's template cannot express it.
            VaultError: the persona cannot be read.
            LanguageModelError: from the stream: the architecture cannot be decoded.
        """
        if not messages or messages[-1].role != "user":
            raise NotARequestError("the conversation must end with the user's message")
        about = persona_text(self._vault, self._plain) if persona else None
        prompt, limit = self._plain.fit_prompt(with_persona(messages, about), max_new_tokens=settings.max_new_tokens)
        made = ReplyStream(prompt_tokens=len(prompt))
        made._pieces = self._write(made, prompt, limit, settings, tuned=tuned)
        return made

    def reply(
        self, messages: Sequence[Message], settings: ReplySettings, *, tuned: bool = True, persona: bool = True
    ) -> GeneratedReply:
        """The whole reply; not finished where the limit cut it. Raises: as `stream`."""
        written = self.stream(messages, settings, tuned=tuned, persona=persona)
        text = "".join(written)
        return GeneratedReply(text=text, finished=written.finished)

    def refresh(self) -> None:
        """Takes the adapters as they are now, if they have changed. Called before every reply.

        One that cannot be used leaves the base model answering, and `state` says why. A vault that does not answer
        leaves everything as it is.
        """
        with self._turn:
            self._refresh()

    def state(self) -> AssistantState:
        """What answered last, or will, if the adapters have not changed. Never waits."""
        return self._state

    def forget_caches(self) -> None:
        """Drops keys and values of what was said. Waits for the reply that is being written."""
        with self._turn:
            self._plain_prefix.forget()
            self._tuned_prefix.forget()

    def _write(
        self, made: ReplyStream, prompt: list[int], limit: int, settings: ReplySettings, *, tuned: bool
    ) -> Generator[str, None, None]:
        with self._turn:
            if made.is_closed:
                return
            self._refresh()
            current = self._current if tuned else None
            model = self._plain if current is None else current.adapted.language_model
            text = ReplyText(lambda ids: str(model.tokenizer.decode(ids, skip_special_tokens=True)), settings.stop)
            tokens = model.stream_tokens(
                prompt,
                max_new_tokens=limit,
                temperature=settings.temperature,
                top_p=settings.top_p,
                seed=settings.seed,
                prefix=self._plain_prefix if current is None else self._tuned_prefix,
                given_up=lambda: made.is_closed,
            )
            try:
                while not made.finished:
                    try:
                        token = next(tokens)
                    except StopIteration as ended:
                        made.finished = bool(ended.value)
                        break
                    made.completion_tokens += 1
                    piece = text.add(token)
                    made.finished = text.is_stopped
                    if piece:
                        yield piece
                rest = text.end()
                if rest and not made.is_closed:
                    yield rest
                made.is_whole = made.finished or not made.is_closed
            finally:
                tokens.close()

    def _refresh(self) -> None:
        try:
            stamp = self._device.adapters().stamp()
        except DeviceError:
            return
        if stamp == self._stamp:
            return
        self._tuned_prefix.forget()
        self._current, self._stamp = None, stamp
        state = AssistantState(model=self.base.name)
        if stamp:
            try:
                found = attach_current(self.base.twin(), self._profile.settings.model, self._device)
            except (AdapterError, DeviceError) as error:
                state = AssistantState(model=self.base.name, problem=f"the base model answers alone: {error}")
            else:
                self._current = found
                state = AssistantState(
                    model=self.base.name,
                    is_shared=found.is_shared,
                    run=found.shared.run,
                    round_number=found.shared.round_number,
                    personal_weight=None if found.personal is None else found.personal.weight,
                )
        self._state = state
