"""What an attack came to, as `summary.json` keeps it under `attack`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from server.round_record import NodeFailure
from simulations.attacks.backdoor_success import BackdoorSuccess
from simulations.attacks.config import AttackConfig


def attack_entry(
    attack: AttackConfig, *, devices: int, refused: Sequence[NodeFailure], backdoor: BackdoorSuccess | None
) -> dict[str, object] | None:
    """None of a run that nobody attacks.

    Args:
        devices: that train, attackers included.
        refused: replies that the server could not use, in all rounds.
        backdoor: what was measured of it; None of another attack, or of an unmeasured run.
    """
    if not attack.is_on:
        return None
    attackers = attack.attackers(devices)
    of_attackers = [failure for failure in refused if failure.device in attackers]
    found: dict[str, object] = {
        "kind": attack.kind,
        "share": attack.share,
        "seed": attack.seed,
        "devices": len(attackers),
        "refused": len(of_attackers),
        "refused_of_honest": len(refused) - len(of_attackers),
        "reasons": dict(Counter(failure.reason for failure in of_attackers)),
    }
    if attack.kind == "backdoor":
        found |= {"trigger": attack.trigger, "target": attack.target}
        found["success"] = None if backdoor is None else backdoor.to_dict()
    return found
