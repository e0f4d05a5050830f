"""Who attacks is fixed by a seed, no device is told of it, and what cannot be attacked is refused with its reason."""

from __future__ import annotations

import tomllib

import pytest

from shared.flat_config import ConfigError, from_tables
from simulations.attacks.config import AttackConfig
from simulations.population.embedded.population import EmbeddedPopulation
from simulations.run.config import RunConfig


def test_the_attackers_are_a_share_of_the_devices_and_the_same_for_a_seed() -> None:
    attack = AttackConfig(kind="sign-flip", share=0.2)

    assert len(attack.attackers(50)) == 10
    assert attack.attackers(50) == AttackConfig(kind="backdoor", share=0.2).attackers(50)
    assert attack.attackers(50) <= set(range(50))
    assert attack.attackers(50) != AttackConfig(kind="sign-flip", share=0.2, seed=1).attackers(50)
    assert AttackConfig(share=0.2).attackers(50) == frozenset()


def test_a_share_that_is_nobody_is_refused_before_anything_is_trained() -> None:
    made = RunConfig.from_flat({"attack.kind": "label-flip", "attack.share": 0.1})

    assert made.plan_for(EmbeddedPopulation(seed=0, users=20)).devices == 20
    with pytest.raises(ConfigError, match=r"attack\.share: of 4 devices is nobody"):
        made.plan_for(EmbeddedPopulation(seed=0, users=4))


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"attack.kind": "rumour"}, r"attack\.kind.*sign-flip"),
        ({"attack.share": 0.0}, r"attack\.share"),
        ({"attack.share": 1.0}, r"attack\.share"),
        ({"attack.seed": -1}, r"attack\.seed"),
        ({"attack.target": ""}, r"attack\.target"),
        ({"attack.trigger": " so "}, r"attack\.trigger"),
        ({"attack.kind": "scaled", "data.source": "jsonl", "data.path": "x"}, "nobody is real, not with 'jsonl'"),
        ({"attack.kind": "scaled", "run.engine": "ray"}, r"run\.engine 'inline'.*not with 'ray'"),
        ({"attack.kind": "label-flip", "run.engine": "deployed"}, r"run\.engine 'inline'"),
        *(
            ({"attack.kind": kind, "federation.aggregation": "secure"}, f"{kind!r} rewrites what a reply holds")
            for kind in ("sign-flip", "scaled", "garbage")
        ),
    ],
)
def test_what_cannot_be_attacked_is_refused_by_name(keys: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        RunConfig.from_flat(keys)


@pytest.mark.parametrize("kind", ["label-flip", "backdoor"])
def test_attacks_by_pairs_work_under_masks(kind: str) -> None:
    made = RunConfig.from_flat({"attack.kind": kind, "federation.aggregation": "secure"})

    assert made.attack.kind == kind


def test_the_attack_is_in_the_run_and_not_in_the_plan() -> None:
    plain, made = RunConfig(), RunConfig.from_flat({"attack.kind": "backdoor", "attack.share": 0.3})

    assert made.plan.digest() == plain.plan.digest()
    assert RunConfig.from_flat(from_tables(tomllib.loads(made.to_toml()))) == made
    assert made.differences(plain) == ("attack.kind", "attack.share")  # so a resumed run is refused another
