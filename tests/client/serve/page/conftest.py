"""A browser, and servers whose page it opens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from client.serve import api_chat
from shared.language_model import LanguageModel, ModelConfig, load_language_model
from tests.client.serve.browser import (
    Served,
    chromium,
    served,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return load_language_model(ModelConfig())


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replies of at most this length."""
    monkeypatch.setattr(api_chat, "DEFAULT_MAX_TOKENS", 40)


@pytest.fixture
def at(tmp_path: Path, model: LanguageModel) -> Iterator[Served]:
    with served(tmp_path / "home", model) as running:
        yield running


@pytest.fixture
def tuned(tmp_path: Path, model: LanguageModel) -> Iterator[Served]:
    with served(tmp_path / "home", model, tuned=True) as running:
        yield running
