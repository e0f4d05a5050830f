"""A device, and a server that releases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.adapter import attach_adapter
from shared.language_model import ModelConfig
from shared.round_plan import FederationPlan
from tests.client.assistant.assistants import Home
from tests.client.releases.releasing import Server


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home.make(tmp_path)
    yield made
    made.vault.close()


@pytest.fixture
def server(home: Home, tmp_path: Path) -> Server:
    plan = FederationPlan(model=ModelConfig(name=home.base.name))
    return Server(tmp_path / "run" / "releases", attach_adapter(home.base.twin(), plan.adapter), plan)
