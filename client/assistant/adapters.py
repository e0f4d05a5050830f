"""Which adapter the assistant answers with: the shared one as it last came, and this device's change of it.

A device that no server has asked yet begins where a federation would begin: the adapter that changes nothing. Its own
change is trained on top of that, and the first shared adapter of the same layout is taken in its place.
"""

from __future__ import annotations

from dataclasses import dataclass

from client.device import DeviceError
from client.personal_adapter import SharedAdapter
from client.personal_training import PersonalChange, load_with_personal
from client.vault_device import VaultDevice
from shared.adapter import AdaptedModel, attach_adapter
from shared.language_model import LanguageModel, ModelConfig
from shared.round_plan import FederationPlan


@dataclass(frozen=True, kw_only=True, eq=False)
class CurrentAdapter:
    """An adapter in a model.

    Attributes:
        adapted: the model with it, set to `shared` and so much of `personal` as its weight says.
        shared: what came last; of round 0 where nothing came yet.
        personal: this device's own change; None where it has none.
        stamp: of the files that it was made of (`KeptAdapters.stamp`).
    """

    adapted: AdaptedModel
    shared: SharedAdapter
    personal: PersonalChange | None
    stamp: tuple[int, ...]

    @property
    def is_shared(self) -> bool:
        """Whether a server sent it."""
        return self.shared.round_number > 0


def attach_current(base: LanguageModel, model: ModelConfig, device: VaultDevice) -> CurrentAdapter:
    """Puts the device's adapters into a model that has none.

    Args:
        base: is changed; give a twin (`LanguageModel.twin`).
        model: what `base` was loaded as.

    Raises:
        DeviceError: what is kept is damaged, or was made for another base model.
        AdapterError: the model cannot be adapted.
    """
    kept = device.adapters()
    stamp = kept.stamp()
    shared = kept.shared()
    plan = FederationPlan(model=model) if shared is None else shared.plan
    adapted = attach_adapter(base, plan.adapter)
    if shared is None:
        shared = SharedAdapter(
            plan=plan, spec_digest=adapted.spec.digest(), run="", round_number=0, vector=adapted.beginning()
        )
    elif adapted.spec.digest() != shared.spec_digest:
        raise DeviceError(
            f"the shared adapter that is kept here was made for the base model {shared.plan.model.name!r}, and this "
            f"profile's is {base.name!r}"
        )
    personal = kept.personal(shared.spec_digest)
    if personal is not None:
        load_with_personal(adapted, shared.vector, personal.vector, personal.weight)
    else:
        adapted.load(shared.vector)
        if adapted.spec.config.federation.personal:
            adapted.load_personal(device.personal_now().last(shared.run, shared.spec_digest))
    return CurrentAdapter(adapted=adapted, shared=shared, personal=personal, stamp=stamp)
