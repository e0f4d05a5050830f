"""How adapters can be federated: what each method trains, sends and keeps, and what it cannot be had with.

A method's `trained` factors are what a device's update holds. Those of `sent_down` are the state of a run, from which
every round starts and which is released. Where a method `sums`, the next state is a function of the state and of the
SUM of the updates alone: it can be had under masks, and noise on that sum protects everything that is computed from it.
Where it does not, the server must see each update by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

Factor = Literal["a", "b", "core", "residual"]
Method = Literal[
    "ffa-lora",
    "fedit",
    "rolora",
    "fedsa-lora",
    "fedsvd",
    "fed-sb",
    "fedask",
    "fedrot-lora",
    "hetlora",
    "flora",
    "fedex-lora",
    "lora-fair",
    "flexlora",
]
Requirement = Literal[
    "secure-aggregation",
    "user-privacy-central",
    "user-privacy-correlated",
    "user-privacy-distributed",
    "pair-privacy",
    "mixed-ranks",
    "robust-mean",
]
REQUIREMENTS: tuple[Requirement, ...] = get_args(Requirement)

# What is computed from single updates, and what follows from that.
_PRODUCTS = "it needs each device's product B·A, and a sum of factors does not hold the sum of their products"
_NO_SUM: dict[Requirement, str] = {
    "secure-aggregation": "",
    "user-privacy-central": "; noise on the sum of products would have as many numbers as the model",
    "user-privacy-correlated": "; noise on the sum of products would have as many numbers as the model",
    "user-privacy-distributed": "; noise on the sum of products would have as many numbers as the model",
    "robust-mean": "; a mean of vectors is not what it takes",
}


@dataclass(frozen=True, kw_only=True)
class AdapterMethod:
    """One method.

    Attributes:
        name, title, paper: as plans spell it, as people write it, and its arXiv number.
        idea: in a few words.
        trained: factors that a device trains and sends, by turns: round t takes `trained[(t - 1) % turns]`.
        sent_down: factors that are the state of the run.
        personal: factors that a device trains and never sends.
        sums: whether the next state follows from the sum of the updates.
        exact: whether the new shared model is the mean of the devices' models.
        single_updates: why it needs single updates, where it does.
        refused: reasons of its own, by requirement.
        nearest: the methods to take instead where this one cannot be had, the nearest first.
        splits: whether it splits a product anew, for which no layer may be narrower than the rank.
        basis_stays: whether what one device adds to the shared factors means the same under the next shared ones.
        newcomer: what a device that never took part gets from a release.
    """

    name: Method
    title: str
    paper: str
    idea: str
    trained: tuple[tuple[Factor, ...], ...]
    sent_down: tuple[Factor, ...]
    personal: tuple[Factor, ...] = ()
    sums: bool = True
    exact: bool = True
    single_updates: str = _PRODUCTS
    refused: Mapping[Requirement, str] = field(default_factory=dict)
    nearest: tuple[Method, ...] = ()
    splits: bool = False
    basis_stays: bool = False
    newcomer: str = "the shared adapter"

    def factors(self, round_number: int) -> tuple[Factor, ...]:
        """What the update of a round, from 1, holds."""
        return self.trained[(round_number - 1) % len(self.trained)]

    @property
    def turns(self) -> int:
        """After how many rounds the same factors are trained again."""
        return len(self.trained)

    @property
    def has(self) -> tuple[Factor, ...]:
        """Every factor that a device holds beside the base model's weights."""
        frozen: tuple[Factor, ...] = ("a", "b", "core") if "core" in self.sent_down else ("a", "b")
        return (*frozen, "residual") if "residual" in self.sent_down else frozen

    def refusal(self, requirement: Requirement) -> str | None:
        """Why this method cannot be had with a requirement; None where it can."""
        if requirement in self.refused:
            return self.refused[requirement]
        if not self.sums and requirement in _NO_SUM:
            return self.single_updates + (_NO_SUM[requirement] if self.single_updates == _PRODUCTS else "")
        return None

    def instead(self, requirements: Sequence[Requirement]) -> Method | None:
        """The nearest method that can be had with all the requirements."""
        for name in self.nearest:
            if not any(METHODS[name].refusal(requirement) for requirement in requirements):
                return name
        return None


_ONE_RANK = "its paper gives all devices one rank, and its equations need it"
_TURNS = "its rounds release different factors in turn, and correlated noise is made for one vector over all rounds"


_ALL: tuple[AdapterMethod, ...] = (
    AdapterMethod(
        name="ffa-lora",
        title="FFA-LoRA",
        paper="2403.12313",
        idea="A is frozen, B is averaged",
        trained=(("b",),),
        sent_down=("b",),
        basis_stays=True,
    ),
    AdapterMethod(
        name="fedit",
        title="FedIT",
        paper="2305.05644",
        idea="A and B are averaged, each by itself",
        trained=(("a", "b"),),
        sent_down=("a", "b"),
        exact=False,
    ),
    AdapterMethod(
        name="rolora",
        title="RoLoRA",
        paper="2502.01755",
        idea="B and A are trained and averaged in turn",
        trained=(("b",), ("a",)),
        sent_down=("a", "b"),
        refused={"user-privacy-correlated": _TURNS},
        nearest=("ffa-lora",),
    ),
    AdapterMethod(
        name="fedsa-lora",
        title="FedSA-LoRA",
        paper="2410.01463",
        idea="A is averaged, B stays on its device",
        trained=(("a",),),
        sent_down=("a",),
        personal=("b",),
        exact=False,
        basis_stays=True,
        refused={
            "pair-privacy": "B, trained without noise on the same pairs and kept, steers every later A",
            "mixed-ranks": _ONE_RANK,
        },
        nearest=("fedit", "ffa-lora"),
        newcomer="the base model, until it has trained a B of its own",
    ),
    AdapterMethod(
        name="fedsvd",
        title="FedSVD",
        paper="2505.12805",
        idea="B is averaged, then B·A is split anew with orthonormal A",
        trained=(("b",),),
        sent_down=("a", "b"),
        splits=True,
        refused={
            "user-privacy-correlated": "each round's noise would lie in another basis than that of the round before"
        },
        nearest=("ffa-lora",),
    ),
    AdapterMethod(
        name="fed-sb",
        title="Fed-SB",
        paper="2502.15371",
        idea="only the r by r core R of B·R·A is trained and averaged",
        trained=(("core",),),
        sent_down=("core",),
        splits=True,
        basis_stays=True,
    ),
    AdapterMethod(
        name="fedask",
        title="FedASK",
        paper="2507.09990",
        idea="B is averaged, then B·A is split anew in balance, from two sketches",
        trained=(("b",),),
        sent_down=("a", "b"),
        splits=True,
        refused={
            "user-privacy-correlated": "each round's noise would lie in another basis than that of the round before",
            "mixed-ranks": _ONE_RANK,
        },
        nearest=("fedsvd", "ffa-lora"),
    ),
    AdapterMethod(
        name="fedrot-lora",
        title="FedRot-LoRA",
        paper="2602.23638",
        idea="each device rotates its factors onto the last shared ones; A and B are averaged",
        trained=(("a", "b"),),
        sent_down=("a", "b"),
        exact=False,
        refused={"mixed-ranks": _ONE_RANK},
        nearest=("fedit",),
    ),
    AdapterMethod(
        name="hetlora",
        title="HetLoRA",
        paper="2401.06432",
        idea="A and B are padded and averaged with weights that grow with the product's norm",
        trained=(("a", "b"),),
        sent_down=("a", "b"),
        sums=False,
        exact=False,
        single_updates="each update's weight depends on its own norm, so that none has a bounded share of the result",
        nearest=("fedit",),
    ),
    AdapterMethod(
        name="flora",
        title="FLoRA",
        paper="2409.05976",
        idea="factors are stacked, their product goes into the base, and adapters begin anew",
        trained=(("a", "b"),),
        sent_down=("a", "b", "residual"),
        sums=False,
        nearest=("fedsvd", "ffa-lora"),
        newcomer="a merged base: the release is an adapter as wide as that takes, up to the model itself",
    ),
    AdapterMethod(
        name="fedex-lora",
        title="FedEx-LoRA",
        paper="2410.09432",
        idea="A and B are averaged, and what that misses goes into the base",
        trained=(("a", "b"),),
        sent_down=("a", "b", "residual"),
        sums=False,
        refused={"mixed-ranks": _ONE_RANK},
        nearest=("fedsvd", "flora", "ffa-lora"),
        newcomer="a merged base: the release is an adapter as wide as that takes, up to the model itself",
    ),
    AdapterMethod(
        name="lora-fair",
        title="LoRA-FAIR",
        paper="2411.14961",
        idea="A and B are averaged, and B is corrected towards the mean of the products",
        trained=(("a", "b"),),
        sent_down=("a", "b"),
        sums=False,
        exact=False,
        nearest=("fedsvd", "ffa-lora"),
    ),
    AdapterMethod(
        name="flexlora",
        title="FlexLoRA",
        paper="2402.11505",
        idea="the mean of the products is cut to its largest singular values",
        trained=(("a", "b"),),
        sent_down=("a", "b"),
        splits=True,
        sums=False,
        exact=False,
        nearest=("fedsvd", "ffa-lora"),
    ),
)
METHODS: Mapping[Method, AdapterMethod] = {method.name: method for method in _ALL}
