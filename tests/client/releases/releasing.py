"""A server that makes releases, and what a device has of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client.assistant.assistant import ReplySettings
from client.releases import install_release
from shared.adapter import AdaptedModel
from shared.messages import TrainRequest
from shared.release import ADAPTER_FILE, MANIFEST_FILE, ReleaseManifest
from shared.release_payload import ReleasePayload, sha256
from shared.round_plan import FederationPlan
from shared.signing_key import SigningKey
from tests.client.assistant.assistants import Home, random_state

KEY, STRANGER = SigningKey.from_bytes(bytes(range(32))), SigningKey.from_bytes(bytes(32))


RUN, OTHER_RUN = "a" * 32, "b" * 32


SHORT = ReplySettings(max_new_tokens=24)


@dataclass
class Server:
    """Makes releases of a run, one after the other."""

    directory: Path
    adapted: AdaptedModel
    plan: FederationPlan
    run: str = RUN
    made: int = 1_800_000_000
    seed: int = 0
    chain: list[ReleaseManifest] = field(default_factory=list)

    def vector(self, number: int) -> NDArray[np.float32]:
        return random_state(self.adapted, seed=self.seed + number)

    def release(self, number: int, *, key: SigningKey = KEY, vector: object = None, **changes: object) -> Path:
        """Its directory. It follows the one made before, whatever that is."""
        spec = self.adapted.spec
        values = self.vector(number) if vector is None else vector
        content = ReleasePayload(plan=self.plan, vector=values).to_bytes()  # type: ignore[arg-type]
        manifest = ReleaseManifest(
            run=self.run,
            round_number=number,
            plan=self.plan.digest(),
            specification=spec.digest(),
            base_name=spec.base_name,
            base_fingerprint=spec.base_fingerprint,
            method=spec.config.method,
            adapter=sha256(content),
            size=len(content),
            previous=self.chain[-1].digest() if self.chain else "",
            made=self.made + number,
            server=key.public,
        )
        manifest = replace(manifest, **changes).signed(key)  # type: ignore[arg-type]
        self.chain.append(manifest)
        place = self.directory / f"{number:04d}"
        place.mkdir(parents=True)
        (place / ADAPTER_FILE).write_bytes(content)
        (place / MANIFEST_FILE).write_text(manifest.to_json())
        return place

    def request(self, round_number: int) -> TrainRequest:
        """Of a round, which begins with the release before it."""
        spec = self.adapted.spec
        return TrainRequest(
            run=self.run, device=0, round_number=round_number, attempt=1, plan=self.plan, spec_digest=spec.digest(),
            base_fingerprint=spec.base_fingerprint, training_seed=0, vector=self.vector(round_number - 1),
        )  # fmt: skip


def install(
    home: Home, path: Path, *, older: bool = False, base: object = None, servers: tuple[str, ...] = (KEY.public,)
) -> object:
    return install_release(
        path,
        servers=servers,
        kept=home.device.adapters(),
        load=lambda: base or home.base.twin(),  # type: ignore[arg-type,return-value]
        older=older,
    )


def used(home: Home) -> tuple[str, int]:
    found = home.device.adapters().shared()
    assert found is not None
    return found.run[0], found.release


def here(home: Home) -> list[int]:
    return [one.release for one in home.device.adapters().all_shared()]
