"""Forgetting a conversation on the whole device: the vault's part, and the adapter that was trained on it.

An adapter cannot be told to forget. Where a pair of the conversation, or a persona that it gave to, was trained on, the
keys of all that was trained here are destroyed in the transaction that forgets (`client.vault.learned`): it is noise
from then on, whoever is training meanwhile and wherever it is killed. Its files are removed afterwards, and another is
trained on what is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from client.vault.forgetting import Excluded, Forgotten
from client.vault.vault import Vault
from client.vault_device import VaultDevice

if TYPE_CHECKING:
    from client.learning import Learning  # loads PyTorch


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


def train_anew(device: VaultDevice, learning: Learning | None) -> AdapterAfter:
    """After what was trained here was thrown away: its files go, and another is trained on what is left.

    Args:
        learning: None leaves the device without one.

    Raises:
        VaultError, DeviceError, TrainingError: what was thrown away stays so.
    """
    device.remove_what_is_noise()
    return AdapterAfter(removed=True, retrained=learning is not None and learning.train()[1] is not None)


def _adapter_without(device: VaultDevice, derived: Excluded, learning: Learning | None) -> AdapterAfter:
    return train_anew(device, learning) if derived.learned else AdapterAfter(removed=False, retrained=False)
