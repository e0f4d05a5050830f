"""A release's adapter as a file: one float32 vector, and the plan that it belongs to. `adapter.safetensors`.

Any reader of safetensors opens it. This one is stricter than those: it takes exactly the file that is written here.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from shared.flat_config import ConfigError
from shared.release import LARGEST_ADAPTER, ReleaseManifest, ReleaseManifestError
from shared.round_plan import FederationPlan

_LARGEST_HEADER = 2**17
_VECTOR, _PLAN = "vector", "plan"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ReleasePayload:
    """Attributes:
    plan: of the run.
    vector: (state_dimension,) float32, finite.
    """

    plan: FederationPlan
    vector: NDArray[np.float32]

    def to_bytes(self) -> bytes:
        """The file; the same bytes for the same payload."""
        # One key of metadata: several would stand in any order.
        metadata = {_PLAN: json.dumps(self.plan.to_run_config(), sort_keys=True)}
        content: bytes = save({_VECTOR: np.ascontiguousarray(self.vector, dtype="<f4")}, metadata=metadata)
        return content


def sha256(content: bytes) -> str:
    """A file's hash, 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def read_payload(content: bytes, manifest: ReleaseManifest) -> ReleasePayload:
    """The payload that a manifest names. Whose manifest that is must have been checked before.

    Raises:
        ReleaseManifestError: it is another file, another plan's, or not such a file; or a number is not finite.
    """
    if len(content) != manifest.size or sha256(content) != manifest.adapter:
        raise ReleaseManifestError("the adapter's file is not the one that the manifest names")
    payload = parse_payload(content)
    if payload.plan.digest() != manifest.plan or payload.plan.adapter.method != manifest.method:
        raise ReleaseManifestError("the plan in the adapter's file is not the one that the manifest names")
    return payload


def parse_payload(content: bytes) -> ReleasePayload:
    """The payload in a file, whoever made it. Raises: ReleaseManifestError."""
    try:
        length = int.from_bytes(content[:8], "little")
        if len(content) > LARGEST_ADAPTER or not 0 < length <= min(_LARGEST_HEADER, len(content) - 8):
            raise ValueError
        header = json.loads(content[8 : 8 + length])
        metadata, tensor = header.pop("__metadata__"), header.pop(_VECTOR)
        body = memoryview(content)[8 + length :]
        (count,) = tensor["shape"]
        if (
            header
            or set(metadata) != {_PLAN}
            or tensor != {"dtype": "F32", "shape": [count], "data_offsets": [0, len(body)]}
            or type(count) is not int
            or 4 * count != len(body)
        ):
            raise ValueError
        plan = FederationPlan.from_run_config(json.loads(metadata[_PLAN]))
    except ConfigError as error:
        raise ReleaseManifestError(f"the release is of a plan that this version cannot read: {error}") from None
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        raise ReleaseManifestError("the adapter's file is not a release's") from None
    vector = np.frombuffer(body, dtype="<f4").astype(np.float32)
    if not np.isfinite(vector).all():
        raise ReleaseManifestError("the adapter holds numbers that are not finite")
    return ReleasePayload(plan=plan, vector=vector)
