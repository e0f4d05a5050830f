"""Forgetting a conversation on the whole device: the vault's part, and the adapter that was trained on it.

An adapter cannot be told to forget. Where a pair of the conversation, or a persona that it gave to, was trained on, the
device's own adapters are destroyed (with the keys of all copies) and trained anew on what is left.
"""

from __future__ import annotations

from dataclasses import dataclass

from client.learning import Learning
from client.vault.forgetting import Excluded, Forgotten
from client.vault.vault import Vault
from client.vault_device import VaultDevice


@dataclass(frozen=True, kw_only=True)
class AdapterAfter:
    """What became of this device's own adapters.

    Attributes:
        removed: whether there were any that may have learned from the conversation; they are gone.
        retrained: whether another was trained on what is left.
    """

    removed: bool
    retrained: bool


def forget_conversation(
    vault: Vault, device: VaultDevice, conversation_id: str, learning: Learning | None
) -> tuple[Forgotten, AdapterAfter]:
    """Removes a conversation and all that came from it, here and in the vault's files.

    Args:
        learning: trains the adapter anew; None leaves the device without one.

    Raises:
        UnknownError: there is no such conversation.
        VaultError, DeviceError, TrainingError: what of it was done stays done; run it again.
    """
    forgotten = vault.forget(conversation_id)
    return forgotten, _adapter_without(device, forgotten.derived, learning)


def exclude_conversation(
    vault: Vault, device: VaultDevice, conversation_id: str, learning: Learning | None
) -> tuple[Excluded, AdapterAfter]:
    """Marks a conversation private, for good; the rest as `forget_conversation`."""
    excluded = vault.mark_private(conversation_id)
    return excluded, _adapter_without(device, excluded, learning)


def _adapter_without(device: VaultDevice, derived: Excluded, learning: Learning | None) -> AdapterAfter:
    if not (derived.used_pairs or derived.persona_parts):
        return AdapterAfter(removed=False, retrained=False)
    removed = device.forget_personal()
    retrained = removed and learning is not None and learning.train()[1] is not None
    return AdapterAfter(removed=removed, retrained=retrained)
