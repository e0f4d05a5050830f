"""Assistants over tiny random models, and adapters that a server sent or their user's device trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client.assistant.assistant import Assistant
from client.persona.book import PersonaBook
from client.personal_training import PersonalChange
from client.profile import Profile, ProfileSettings
from client.unlocking import open_vault
from client.vault.keys import KeyFile
from client.vault.vault import Vault
from client.vault_device import VaultDevice
from shared.adapter import AdaptedModel, attach_adapter
from shared.causal_lm import LanguageModel
from shared.conversation import Message
from shared.language_model import ModelConfig
from shared.messages import TrainRequest
from shared.round_plan import FederationPlan
from tests.tiny import language_model, message

PERSONA = "Likes short answers."
REQUEST = (message("user", "How does bread rise?"),)


@dataclass(frozen=True)
class Home:
    """A profile, its open vault, its model, and what a server has of that model."""

    profile: Profile
    vault: Vault
    base: LanguageModel
    device: VaultDevice

    @classmethod
    def make(cls, directory: Path, base: LanguageModel | None = None) -> Home:
        base = base or language_model()
        key_file = directory / "home.key"
        settings = ProfileSettings(model=ModelConfig(name=base.name), key_file=key_file)
        profile = Profile.create(directory / "home", settings, KeyFile(key_file))
        vault = open_vault(profile)
        return cls(profile=profile, vault=vault, base=base, device=VaultDevice(profile, vault))

    def assistant(self) -> Assistant:
        return Assistant(self.profile, self.vault, self.base)

    def believe(self, statement: str = PERSONA) -> None:
        self.vault.personas.save(PersonaBook().write(statement))

    def share(self, *, seed: int = 0, round_number: int = 1, scale: float = 0.3) -> AdaptedModel:
        """A server's adapter arrives; the model with it."""
        adapted = self._attached()
        vector = random_state(adapted, seed=seed, scale=scale)
        self.device.keep_shared(
            TrainRequest(
                run="a" * 32,
                device=0,
                round_number=round_number,
                attempt=1,
                plan=self._plan(),
                spec_digest=adapted.spec.digest(),
                base_fingerprint=adapted.spec.base_fingerprint,
                training_seed=0,
                vector=vector,
            )
        )
        adapted.load(vector)
        return adapted

    def train(self, *, seed: int = 1, weight: float = 0.5) -> PersonalChange:
        """The device has trained an adapter of its user's own."""
        adapted = self._attached()
        adapted.personal_only()
        size = adapted.read_personal().size
        vector = (0.3 * np.random.default_rng(seed).standard_normal(size)).astype(np.float32)
        change = PersonalChange(vector=vector, weight=weight, losses={0.0: 1.0, weight: 0.5}, trained=6, held_out=3)
        self.device.adapters().keep_personal(adapted.spec.digest(), change)
        return change

    def _plan(self) -> FederationPlan:
        return FederationPlan(model=self.profile.settings.model)

    def _attached(self) -> AdaptedModel:
        return attach_adapter(self.base.twin(), self._plan().adapter)


def random_state(adapted: AdaptedModel, *, seed: int, scale: float = 0.3) -> NDArray[np.float32]:
    """An adapter's state that changes every reply."""
    size = adapted.read().size
    return (scale * np.random.default_rng(seed).standard_normal(size)).astype(np.float32)


def greedy(model: LanguageModel, messages: tuple[Message, ...], *, tokens: int = 24) -> str:
    """What a model says, by the library's own way."""
    return model.generate([messages], max_new_tokens=tokens)[0][0]
