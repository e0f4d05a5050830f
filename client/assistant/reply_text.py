"""The text of a reply while its tokens come: in pieces that are final, whole characters, and nothing beyond a stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"  # what a tokenizer makes of bytes that are no whole character (yet)


class ReplyText:
    """Joined, the pieces are the text that the whole reply's tokens make, without white space around it.

    Held back until it is known what becomes of it: white space at the end, a character whose bytes have not all come,
    and what may be the beginning of a stop string.

    Attributes:
        is_stopped: whether a stop string came: the reply ends before it.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], stops: Sequence[str] = ()) -> None:
        """Args:
        decode: the text of token ids.
        stops: texts that end the reply, none of them empty.
        """
        self._decode = decode
        self._stops = tuple(stops)
        self._ids: list[int] = []
        self._given = ""
        self.is_stopped = False

    def __repr__(self) -> str:
        return f"ReplyText({len(self._ids)} tokens)"

    def add(self, token: int) -> str:
        """What is certain of the text now and was not before; often nothing."""
        self._ids.append(token)
        text = self._text()
        if self.is_stopped:
            return self._give(text)
        text = text.rstrip(_INCOMPLETE)
        return self._give(text[: len(text) - self._begun_stop(text)])

    def end(self) -> str:
        """The rest: no token comes any more."""
        return self._give(self._text())

    def _text(self) -> str:
        text = self._decode(self._ids).lstrip()
        found = [place for place in (text.find(stop) for stop in self._stops) if place >= 0]
        self.is_stopped = bool(found)
        return text[: min(found)] if found else text

    def _begun_stop(self, text: str) -> int:
        """How many characters at the end may be the beginning of a stop string."""
        return max(
            (
                size
                for stop in self._stops
                for size in range(1, min(len(stop), len(text) + 1))
                if text.endswith(stop[:size])
            ),
            default=0,
        )

    def _give(self, text: str) -> str:
        text = text.rstrip()
        # Some tokenizers write what came before otherwise while a character is incomplete: wait until they do not.
        if not text.startswith(self._given):
            return ""
        piece = text[len(self._given) :]
        self._given = text
        return piece
