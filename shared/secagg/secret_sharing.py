"""Shamir's secret sharing of 32 bytes: any `threshold` of the shares give the secret, fewer give nothing.

Over the prime field of 2^256 + 297, the smallest that holds every secret. Not constant-time: shares are made and put
together where their secrets are known anyway. A wrong share is not noticed here: what is recovered must be checked
against a commitment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

SECRET_BYTES = 32
SHARE_BYTES = 33
PRIME = 2**256 + 297
_AT_ONCE = 16  # steps of Horner's rule between reductions

Entropy = Callable[[int], bytes]


class SharingError(ValueError):
    """Shares or their parameters cannot be used. Holds no share."""


def split(secret: bytes, *, threshold: int, holders: int, entropy: Entropy) -> list[int]:
    """The shares of holders 1 to `holders`, in order.

    Args:
        entropy: draws secret random bytes.

    Raises:
        SharingError: another length, or not 1 <= threshold <= holders.
    """
    if len(secret) != SECRET_BYTES or not 1 <= threshold <= holders:
        raise SharingError(f"a secret has {SECRET_BYTES} bytes, and a threshold lies between 1 and the holders")
    # 48 bytes modulo a 257-bit prime are uniform to within 2^-127.
    drawn = entropy(48 * (threshold - 1))
    coefficients = [
        int.from_bytes(drawn[48 * place : 48 * (place + 1)], "big") % PRIME for place in range(threshold - 1)
    ]
    falling = [*coefficients, int.from_bytes(secret, "big")]
    shares: list[int] = []
    for point in range(1, holders + 1):
        value = 0
        for start in range(0, threshold, _AT_ONCE):  # a reduction costs more than the digits that it saves
            for coefficient in falling[start : start + _AT_ONCE]:
                value = value * point + coefficient
            value %= PRIME
        shares.append(value)
    return shares


class Recovery:
    """Puts secrets together from the shares of one set of holders: the weights are worked out once for all secrets."""

    def __init__(self, holders: Sequence[int]) -> None:
        """Args:
            holders: numbers of exactly as many different holders as the threshold, from 1.

        Raises:
            SharingError: none, one twice, or one below 1.
        """
        if not holders or len(set(holders)) != len(holders) or min(holders) < 1:
            raise SharingError("secrets are recovered from the shares of different holders, numbered from 1")
        self._weights = {holder: _weight_at_zero(holder, holders) for holder in holders}

    def secret(self, shares: Mapping[int, int]) -> bytes:
        """The secret of one share from every holder of the set.

        Raises:
            SharingError: a holder's share is missing or not in the field, or they are not shares of 32 bytes.
        """
        total = 0
        for holder, weight in self._weights.items():
            share = shares.get(holder)
            if share is None or not 0 <= share < PRIME:
                raise SharingError("a share is missing, or not in the field")
            total += weight * share
        value = total % PRIME
        if value.bit_length() > 8 * SECRET_BYTES:
            raise SharingError("these are not shares of one secret")
        return value.to_bytes(SECRET_BYTES, "big")


def _weight_at_zero(holder: int, holders: Sequence[int]) -> int:
    """Lagrange's basis polynomial of `holder`, at 0."""
    numerator = denominator = 1
    for other in holders:
        if other != holder:
            numerator = numerator * other % PRIME
            denominator = denominator * (other - holder) % PRIME
    return numerator * pow(denominator, -1, PRIME) % PRIME
