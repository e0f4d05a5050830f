"""From a request to train to the session of secure aggregation that follows it: the one way, for server and devices.

Nothing is negotiated. Threshold, noise and modulus follow from the plan and from how many devices the cohort has.
"""

from __future__ import annotations

import hashlib

from shared.messages import TrainRequest
from shared.privacy.mechanisms import is_distributed
from shared.secagg.session_terms import SessionTerms, TermsError, choose_threshold, model_digest
from shared.secagg.sum_encoding import SumEncoding


def session_of(request: TrainRequest) -> tuple[SessionTerms, SumEncoding]:
    """What the members of a request's cohort agree on, and how their updates become integers.

    Raises:
        TermsError: there is none, or no honest device would take part in it.
        ValueError: the sum does not fit its modulus, or there is no such noise.
    """
    plan, cohort = request.plan, request.cohort
    secure, user = plan.secure_aggregation, plan.user_privacy
    if secure is None or cohort is None:
        raise TermsError("the plan does not aggregate securely")
    threshold, corrupt = choose_threshold(len(cohort.members), dropout=secure.dropout, corrupt=secure.corrupt)
    place = f"{request.run}/{request.round_number}/{request.attempt}/{cohort.part}".encode()
    encoding = SumEncoding(
        dimension=request.vector.size,
        clipping_norm=plan.clipping_norm,
        members=len(cohort.members),
        contributors=threshold - corrupt,
        mechanism=user.mechanism if user is not None and is_distributed(user.mechanism) else None,
        noise_multiplier=0.0 if user is None else user.noise_multiplier,
        rotation_seed=hashlib.sha256(place).digest() if secure.rotation else None,
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
