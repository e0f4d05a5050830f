"""Servers that the tests of the page's API ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from client.serve import api_chat
from shared.language_model import LanguageModel
from tests.client.serve.browser import Served, served
from tests.tiny import language_model


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    """Random, so that it never ends a reply by itself."""
    return language_model("llama")


@pytest.fixture
def at(tmp_path: Path, model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(api_chat, "DEFAULT_MAX_TOKENS", 12)
    with served(tmp_path / "home", model) as running:
        yield running


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory, model: LanguageModel) -> Iterator[Served]:
    """Nothing is changed in this one."""
    with served(tmp_path_factory.mktemp("idle") / "home", model) as running:
        yield running
