"""The persona as a model reads it, from the vault."""

from __future__ import annotations

from client.vault.vault import Vault
from shared.causal_lm import LanguageModel


def persona_text(vault: Vault, model: LanguageModel) -> str | None:
    """What is stated of the user, within the tokens that a persona may have; None where nothing is known.

    Raises:
        VaultError: the vault does not answer.
    """

    def count(text: str) -> int:
        return len(model.tokenizer(text, add_special_tokens=False)["input_ids"])

    return vault.personas.load().persona().to_text(count_tokens=count)
