"""From a request to train to the session of secure aggregation that follows it: the one way, for server and devices.

Nothing is negotiated. Threshold, noise and modulus follow from the plan and from how many devices the cohort has.
"""

from __future__ import annotations

import hashlib

from shared.messages import TrainRequest
from shared.privacy.mechanisms import is_distributed
from shared.round_plan import FederationPlan
from shared.secagg.session_terms import SessionTerms, TermsError, choose_threshold, model_digest
from shared.secagg.sum_encoding import SumEncoding


def session_of(request: TrainRequest, *, dimension: int) -> tuple[SessionTerms, SumEncoding]:
    """What the members of a request's cohort agree on, and how their updates become integers.

    Args:
        dimension: d, of an update of the request's round.

    Raises:
        TermsError: there is none, or no honest device would take part in it.
        ValueError: the sum does not fit its modulus, or there is no such noise.
    """
    plan, cohort = request.plan, request.cohort
    secure = plan.secure_aggregation
    if secure is None or cohort is None:
        raise TermsError("the plan does not aggregate securely")
    threshold, corrupt = choose_threshold(len(cohort.members), dropout=secure.dropout, corrupt=secure.corrupt)
    place = f"{request.run}/{request.round_number}/{request.attempt}/{cohort.part}"
    encoding = _encoding(
        plan,
        dimension=dimension,
        members=len(cohort.members),
        contributors=threshold - corrupt,
        place=place,
    )
    terms = SessionTerms(
        run=request.run,
        round_number=request.round_number,
        attempt=request.attempt,
        part=cohort.part,
        plan=plan.digest(),
        model=model_digest(spec=request.spec_digest, base=request.base_fingerprint, vector=request.vector),
        server=request.server,
        members=cohort.members,
        threshold=threshold,
        corrupt=corrupt,
        dimension=encoding.encoded_dimension,
        bits=encoding.bits,
    )
    return terms, encoding


def check_sessions(plan: FederationPlan, *, dimension: int) -> None:
    """Whether every session of a plan can be held: before anyone is asked.

    Args:
        dimension: d, of an update.

    Raises:
        ValueError: a sum would not fit its modulus, or there is no such noise.
    """
    for part in plan.parts():
        encoding = _encoding(plan, dimension=dimension, members=part.members, contributors=part.contributors, place="")
        _ = encoding.bits  # works out the noise, too


def _encoding(plan: FederationPlan, *, dimension: int, members: int, contributors: int, place: str) -> SumEncoding:
    secure, user = plan.secure_aggregation, plan.user_privacy
    return SumEncoding(
        dimension=dimension,
        clipping_norm=plan.clipping_norm,
        members=members,
        contributors=contributors,
        mechanism=user.mechanism if user is not None and is_distributed(user.mechanism) else None,
        noise_multiplier=0.0 if user is None else user.noise_multiplier,
        rotation_seed=hashlib.sha256(place.encode()).digest() if secure is not None and secure.rotation else None,
    )
