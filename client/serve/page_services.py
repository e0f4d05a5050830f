"""What the page's endpoints work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from client.ab import Comparisons
from client.assistant.assistant import Assistant
from client.profile import Profile
from client.serve.learning_job import LearningJob
from client.serve.running import ReplyRunner
from client.vault.vault import Vault
from client.vault_device import VaultDevice


@dataclass(frozen=True, kw_only=True, eq=False)
class PageServices:
    """Attributes:
    assistant: who answers.
    runner: whose turn it is.
    vault: what is kept.
    profile: whose it is.
    device: its adapters and its ledger.
    job: learns in the background.
    stop: stops the server, once its answer is on its way.
    comparisons: that wait for a vote.
    """

    assistant: Assistant
    runner: ReplyRunner
    vault: Vault
    profile: Profile
    device: VaultDevice
    job: LearningJob
    stop: Callable[[], None]
    comparisons: Comparisons = field(default_factory=Comparisons)


def learn_anew(services: PageServices) -> None:
    """What was trained here was thrown away: nothing answers with it from now on, and another is trained meanwhile."""
    services.assistant.forget_caches()
    services.assistant.refresh()
    services.job.retrain()
