"""The persona as a model reads it, from the vault."""

from __future__ import annotations

from dataclasses import dataclass

from client.persona.statements import Statement
from client.vault.vault import Vault
from shared.causal_lm import LanguageModel


@dataclass(frozen=True, kw_only=True, repr=False)
class PersonaRead:
    """The persona at one moment.

    Attributes:
        text: as a model reads it; None where nothing is known.
        statements: that it is made of, and those that it has no room for.
    """

    text: str | None = None
    statements: tuple[Statement, ...] = ()

    def __repr__(self) -> str:
        return f"PersonaRead({len(self.statements)} statements)"


def read_persona(vault: Vault, model: LanguageModel) -> PersonaRead:
    """What is stated of the user, within the tokens that a persona may have.

    Raises:
        VaultError: the vault does not answer.
    """

    def count(text: str) -> int:
        return len(model.tokenizer(text, add_special_tokens=False)["input_ids"])

    persona = vault.personas.load().persona()
    return PersonaRead(text=persona.to_text(count_tokens=count), statements=tuple(persona.statements))


def persona_text(vault: Vault, model: LanguageModel) -> str | None:
    """The text alone; None where nothing is known. Raises: as `read_persona`."""
    return read_persona(vault, model).text
