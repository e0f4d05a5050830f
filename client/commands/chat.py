"""`tacit chat`: the assistant in the terminal.

PyTorch and the rest are imported by the command, so that `--help` answers at once.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from client.commands.opening import err, opened, piped_text, told
from client.commands.terminal_text import plain_text

if TYPE_CHECKING:
    from types import FrameType

    from client.assistant.assistant import Assistant, ReplySettings, ReplyStream
    from client.importers.imported import Branch
    from client.vault.vault import Vault
    from shared.conversation import Message

_HELP = """/again    another reply to what you said last
/new      a new conversation
/private  nothing is learned from this conversation, for good
/quit     leave (or Ctrl-D); Ctrl-C stops a reply"""


def chat_command(
    once: Annotated[
        str | None, typer.Option("--once", help="Say this, print the reply and leave; - reads it from standard input.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Keep nothing of what is said.")] = False,
    tuned: Annotated[
        bool, typer.Option("--tuned/--base", help="With what was learned, or the base model under your persona.")
    ] = True,
    max_tokens: Annotated[int, typer.Option(help="Of a reply.", min=1)] = 1024,
    temperature: Annotated[float, typer.Option(help="0 always gives the likeliest words.", min=0.0, max=2.0)] = 0.7,
    seed: Annotated[int | None, typer.Option(help="Of what is drawn, to get a reply again.", min=0)] = None,
) -> None:
    """Talk with your assistant. What is said is kept in your vault, encrypted, and goes nowhere else.

    In the conversation, /help lists what else can be done: another reply, a new conversation, making it private.

    Words on a command line (--once WORDS) are seen by whoever lists this machine's processes, and stay in your shell's
    history: --once - reads them from standard input.

    Examples:

      tacit chat

      tacit chat --private

      git diff | tacit chat --once -
    """
    with told("the conversation is kept up to the last whole reply"), opened() as (profile, vault):
        from client.assistant.assistant import Assistant, ReplySettings
        from shared.language_model import load_language_model

        said = piped_text() if once == "-" else once
        if said is not None and not said.strip():
            raise typer.BadParameter("there is nothing to say", param_hint="--once")
        with err.status(f"loading {profile.settings.model.name}"):
            assistant = Assistant(profile, vault, load_language_model(profile.settings.model))
        problem = assistant.state().problem
        if problem:
            err.print(plain_text(problem), markup=False, highlight=False, soft_wrap=True)
        settings = ReplySettings(max_new_tokens=max_tokens, temperature=temperature)
        chat = _Chat(assistant=assistant, vault=None if private else vault, settings=settings, tuned=tuned, seed=seed)
        if said is not None:
            if not chat.say(said):
                raise typer.Exit(130)
            return
        _talk(chat)


@dataclass(kw_only=True, repr=False)
class _Chat:
    """A conversation in the terminal.

    Attributes:
        vault: where it is kept; None keeps nothing.
        conversation_id: once it is kept.
        messages: what was said so far, whole replies only.
        left: replies to the last request that another was asked for instead of.
        branches: choices that were made: replies left for one that the conversation then went on from.
    """

    assistant: Assistant
    vault: Vault | None
    settings: ReplySettings
    tuned: bool
    seed: int | None
    conversation_id: str | None = None
    is_private: bool = False
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    messages: tuple[Message, ...] = ()
    left: tuple[Message, ...] = ()
    branches: tuple[Branch, ...] = ()

    def say(self, text: str) -> bool:
        """Answers; whether the reply is whole. One that was stopped is as if nothing had been said."""
        from client.whole_text import whole_text
        from shared.conversation import Message

        # Half of a surrogate pair is how Python reads bytes that are no UTF-8.
        asked = Message(role="user", content=whole_text(text))
        reply = self._answer((*self.messages, asked))
        if reply is None:
            return False
        self._choose()
        self.messages = (*self.messages, asked, reply)
        self._keep()
        return True

    def again(self) -> None:
        """Another reply to the last request. The old one is left for it, if the conversation goes on from there."""
        if not self.messages:
            err.print("nothing was said yet", highlight=False)
            return
        reply = self._answer(self.messages[:-1])
        if reply is None or reply == self.messages[-1]:
            return
        self.left = (*self.left, self.messages[-1])
        self.messages = (*self.messages[:-1], reply)
        self._keep()

    def make_private(self) -> None:
        """Nothing is learned from this conversation, for good."""
        self.is_private = True
        if self.vault is not None and self.conversation_id is not None:
            self.vault.mark_private(self.conversation_id)

    def next(self) -> _Chat:
        """A new conversation with the same assistant."""
        return _Chat(
            assistant=self.assistant, vault=self.vault, settings=self.settings, tuned=self.tuned, seed=self.seed
        )

    def _answer(self, messages: tuple[Message, ...]) -> Message | None:
        import secrets
        from dataclasses import replace

        from shared.conversation import Message

        seed = secrets.randbits(63) if self.seed is None else self.seed
        stream = self.assistant.stream(messages, replace(self.settings, seed=seed), tuned=self.tuned)
        pieces = []
        with _stopped_by_ctrl_c(stream):
            for piece in stream:
                pieces.append(piece)
                _write(piece)
        _write("\n")
        if not stream.is_whole:
            err.print("stopped: this is not kept", highlight=False)
            return None
        if not stream.finished:
            err.print("cut at the limit: --max-tokens gives more", highlight=False)
        return Message(role="assistant", content="".join(pieces))

    def _choose(self) -> None:
        """The conversation goes on from its last reply: it was preferred to those that were left for it."""
        from client.importers.imported import Branch

        at = len(self.messages) - 1
        chosen = [Branch(at=at, kept=1, left=(one,), kind="regenerated") for one in self.left]
        self.branches, self.left = (*self.branches, *chosen), ()

    def _keep(self) -> None:
        from client.assistant.keeping import new_chat_id, request_digest
        from client.vault.errors import VaultError
        from shared.conversation import Conversation

        if self.vault is None:
            return
        name = self.conversation_id or new_chat_id()
        kept = Conversation(conversation_id=name, messages=self.messages, started=self.started)
        try:
            with self.vault.conversations.together():
                digest = request_digest(self.messages[:-1])
                self.vault.conversations.put(kept, source="chats", digest=digest, private=self.is_private)
                self.vault.choices.put(name, self.branches)
        except VaultError as error:
            err.print(f"not kept: {error}", markup=False, highlight=False, soft_wrap=True)
        else:
            self.conversation_id = name


def _talk(chat: _Chat) -> None:
    if sys.stdin.isatty():
        with suppress(ImportError):  # Windows has none
            import readline  # noqa: F401 - lines can be edited; what was typed is not written to a file

        err.print(f"{chat.assistant.base.name}. /help lists commands", markup=False, highlight=False)
        if chat.vault is None:
            err.print("nothing of this is kept", highlight=False)
    while True:
        try:
            line = input("> " if sys.stdin.isatty() else "").strip()
        except EOFError:
            return
        except KeyboardInterrupt:
            _write("\n")  # what was typed is given up, as in a shell
            continue
        if line in ("/quit", "/exit"):
            return
        if line == "/help":
            err.print(_HELP, markup=False, highlight=False)
        elif line == "/again":
            chat.again()
        elif line == "/new":
            chat = chat.next()
        elif line == "/private":
            chat.make_private()
            err.print("nothing is learned from this conversation", highlight=False)
        elif line.startswith("/"):
            err.print("there is no such command: /help lists them", highlight=False)
        elif line:
            chat.say(line)


@contextmanager
def _stopped_by_ctrl_c(stream: ReplyStream) -> Iterator[None]:
    """Ctrl-C closes the reply, between two tokens: an exception could come anywhere in the model."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stream.stop()

    before = None
    with suppress(ValueError):  # only the main thread hears signals
        before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        stream.close()
        if before is not None:
            signal.signal(signal.SIGINT, before)


def _write(text: str) -> None:
    """To the terminal, which no reply may drive."""
    sys.stdout.write(plain_text(text))
    sys.stdout.flush()
