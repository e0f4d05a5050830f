"""Online rewards: in every round, fresh candidates from the round's own adapter instead of the ones made beforehand.

A reward pair carries its request and persona, so it can be made anew: candidates are sampled by the model as it is now,
under the persona, and ranked by persona mutual information under the base model, which is the same in every round. Each
old pair gives at most one new one, made from nothing but that pair, the adapter and the seed: what is true of pairs one
by one (pair-level privacy, a repeated request answered with the same bytes) stays true. Rewrites stay as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

from client.candidates import Request, best_and_worst, sample_candidates
from client.filtering import FilterConfig, MadePair, reason_to_reject
from client.rewards.mutual_information import PersonaMutualInformation
from shared.adapter import AdaptedModel
from shared.conversation import Message, PreferencePair


def refresh_reward_pairs(
    adapted: AdaptedModel,
    pairs: Sequence[PreferencePair],
    *,
    candidates: int,
    max_new_tokens: int,
    seed: int,
    quality: FilterConfig | None = None,
) -> tuple[PreferencePair, ...]:
    """The pairs with those of origin "reward" made anew; one that cannot be (no two candidates differ, or the filter
    turns it away) is left out.

    Args:
        adapted: at the round's adapter.
        candidates: N, at least 2.
        seed: of the sampling. A pair's candidates do not depend on which other pairs there are.
    """
    if candidates < 2:
        raise ValueError("online rewards need at least 2 candidates")
    reward = PersonaMutualInformation(adapted.language_model)
    refreshed: list[PreferencePair] = []
    for pair in pairs:
        if pair.origin != "reward":
            refreshed.append(pair)
            continue
        # One by one: a batch's rounding, however small, would let one pair touch another's.
        request = Request(prompt=pair.prompt, persona=pair.persona)
        sampled = sample_candidates(
            [request],
            adapted.language_model,
            count=candidates,
            shows_persona=True,
            max_new_tokens=max_new_tokens,
            seed=_own_seed(seed, pair),
        )
        with adapted.disabled():
            (found,) = best_and_worst([request], sampled, reward, knows_persona=True)
        if found is None:
            continue
        fresh = replace(
            pair,
            chosen=(Message(role="assistant", content=found.best),),
            rejected=(Message(role="assistant", content=found.worst),),
        )
        made = MadePair(pair=fresh, conversation_id="", turn=0, margin=found.margin)
        if reason_to_reject(made, quality or FilterConfig()) is None:
            refreshed.append(fresh)
    return tuple(refreshed)


def _own_seed(seed: int, pair: PreferencePair) -> int:
    said = [seed, pair.persona, [[message.role, message.content] for message in pair.prompt]]
    return int.from_bytes(hashlib.sha256(json.dumps(said).encode()).digest()[:7], "big")
