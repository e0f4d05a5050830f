"""A base model that remembers on disk what it was asked: runs that differ in one setting ask it the same thousands of
questions. For simulated users only, whose words are nobody's.

A call is known by a hash of the model's fingerprint, the prompts and the settings. What was written once is read again,
in whatever process; a file that is cut short counts as not there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import torch

from server.whole_files import write_whole
from shared.causal_lm import LanguageModel
from shared.conversation import Message
from shared.generation import CompletionScores, GeneratedReply, GenerationSettings


class RememberingModel:
    """`shared.causal_lm.LanguageModel`'s writing and scoring, each call done once.

    Implements `client.pair_making.OwnModel`.
    """

    def __init__(self, model: LanguageModel, directory: Path) -> None:
        """Args:
            model: without an adapter, or with one that is switched off whenever this is asked.
            directory: made if it is missing.

        Raises:
            OSError: it cannot be made.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self._model = model
        self._directory = directory
        self._fingerprint = model.fingerprint()

    @property
    def name(self) -> str:
        return self._model.name

    def generate_replies(
        self, conversations: Sequence[Sequence[Message]], **settings: Unpack[GenerationSettings]
    ) -> list[list[GeneratedReply]]:
        # The batch size is not part of what is asked: it changes no reply but by rounding.
        asked = {name: value for name, value in settings.items() if name != "batch_size"}
        file = self._file("replies", [_plain(conversations), asked])
        known = _read(file)
        if isinstance(known, list) and len(known) == len(conversations):
            return [[GeneratedReply(text=text, finished=end) for text, end in replies] for replies in known]
        found = self._model.generate_replies(conversations, **settings)
        _write(file, [[[reply.text, reply.finished] for reply in replies] for replies in found])
        return found

    def score(
        self, prompts: Sequence[Sequence[Message]], completions: Sequence[Sequence[Message]], *, batch_size: int = 16
    ) -> CompletionScores:
        file = self._file("scores", [_plain(prompts), _plain(completions)])
        known = _read(file)
        if isinstance(known, list) and len(known) == 2 and len(known[0]) == len(prompts):
            return CompletionScores(log_probabilities=torch.tensor(known[0]), tokens=torch.tensor(known[1]))
        found = self._model.score(prompts, completions, batch_size=batch_size)
        _write(file, [found.log_probabilities.tolist(), found.tokens.tolist()])
        return found

    def holds(self, reply: str) -> bool:
        return self._model.holds(reply)

    def _file(self, kind: str, asked: object) -> Path:
        digest = hashlib.sha256(json.dumps([kind, self._fingerprint, asked], sort_keys=True).encode()).hexdigest()
        return self._directory / f"{digest}.json"


def _plain(conversations: Sequence[Sequence[Message]]) -> list[list[list[str]]]:
    return [[[message.role, message.content] for message in turns] for turns in conversations]


def _read(file: Path) -> object:
    try:
        return json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _write(file: Path, value: object) -> None:
    write_whole(file, json.dumps(value).encode())
