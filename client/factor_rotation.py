"""FedRot-LoRA on a device: trained factors are rotated onto the round's shared ones before they leave.

The product of the factors, and so what the device learned, stays as it is (`shared.lora_factors.rotate_to`).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shared.adapter_layout import layers_of, with_layers
from shared.adapter_spec import AdapterSpec
from shared.lora_factors import rotate_to

# Half way: the middle of the range that the paper (arXiv:2602.23638) finds to work, 0.4 to 0.6.
_SOFTNESS = 0.5


def rotated(
    spec: AdapterSpec, begun: NDArray[np.float32], trained: NDArray[np.float32], round_number: int
) -> NDArray[np.float32]:
    """(state_dimension,) `trained`, every layer rotated towards `begun`: by A in odd rounds, else by B."""
    by: Literal["a", "b"] = "a" if round_number % 2 == 1 else "b"
    pairs = zip(layers_of(spec, begun), layers_of(spec, trained), strict=True)
    return with_layers(spec, trained, tuple(rotate_to(old, new, by=by, softness=_SOFTNESS) for old, new in pairs))
