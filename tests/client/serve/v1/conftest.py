"""Servers that the official client speaks to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.causal_lm import LanguageModel
from tests.client.assistant.assistants import Home
from tests.client.serve.served import Served, serving
from tests.tiny import language_model


@pytest.fixture(scope="module")
def base() -> LanguageModel:
    return language_model()


@pytest.fixture
def home(tmp_path: Path, base: LanguageModel) -> Iterator[Home]:
    made = Home.make(tmp_path, base)
    yield made
    made.vault.close()


@pytest.fixture
def served(home: Home) -> Iterator[Served]:
    with serving(home) as running:
        yield running
