"""How sure audits are, together.

A 95 % bound is wrong once in twenty audits, and a run that is audited on every change would fail for nothing. All tests
of one `tacit-sim audit` together may be wrong once in a thousand times (Bonferroni): each audit that states bounds has
an equal part of that, and divides it among whatever it tests.
"""

from __future__ import annotations

FAMILY_WISE = 0.999
_AUDITS_WITH_BOUNDS = 3  # canaries, one-run, membership


def share_of_error(tests: int) -> float:
    """The chance of error that each of an audit's tests may have.

    Args:
        tests: that the audit makes, decided before any is looked at.
    """
    if tests < 1:
        raise ValueError("an audit makes at least one test")
    return (1 - FAMILY_WISE) / _AUDITS_WITH_BOUNDS / tests
