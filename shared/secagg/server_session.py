"""The server's side of one session: it passes on what members say to each other, and takes the masks off their sum.

It needs no secret, and holds no member's vector: masked ones are added up as they come, so that memory does not grow
with the cohort. What a member says that is not what it must be counts as nothing said. Too few members at any stage end
the session: nothing was revealed, and what is asked next is another session with new keys and new noise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shared.secagg import layouts
from shared.secagg.layouts import Advertisement, LayoutError
from shared.secagg.masking import apply_mask
from shared.secagg.modulus import ModulusError, centre, unpack
from shared.secagg.secret_sharing import PRIME, Recovery, SharingError
from shared.secagg.session_keys import SealError, SecretKey, check_public_key, commitment_to, mask_key
from shared.secagg.session_terms import SessionTerms

ServerStage = Literal["keys", "shares", "masked vectors", "confirmations", "unmasking"]


class SessionAbortedError(RuntimeError):
    """A session ended without a sum.

    Attributes:
        stage: at which. Whoever is to blame is not named: the server cannot tell a liar from a victim.
    """

    def __init__(self, stage: ServerStage, reason: str) -> None:
        super().__init__(f"secure aggregation ended at the stage {stage!r}: {reason}")
        self.stage = stage


class ServerSession:
    """Call `show_keys`, `hand_shares`, `add` for each masked vector, `survivors`, `show_confirmations` and `unmask`.

    Attributes:
        added: members whose vectors are in the sum.
    """

    def __init__(self, terms: SessionTerms) -> None:
        self._terms = terms
        self._advertised: dict[int, Advertisement] = {}
        self._keys = b""
        self._sharers: set[int] = set()
        self._sum = np.zeros(terms.dimension, dtype=np.uint32)
        self.added: set[int] = set()

    def show_keys(self, advertised: Mapping[int, bytes]) -> dict[int, bytes]:
        """What every member is shown whose keys are sound; by member.

        Args:
            advertised: what members said at the first stage, by member.

        Raises:
            SessionAbortedError: too few.
        """
        sound = [one for number, said in advertised.items() if (one := self._sound(number, said)) is not None]
        held = Counter(key for one in sound for key in (one.sealing_key, one.masking_key))
        # Every honest member would refuse a cohort in which a key comes twice: those who share one are left out.
        self._advertised = {
            one.number: one for one in sound if held[one.sealing_key] == 1 and held[one.masking_key] == 1
        }
        self._check_enough("keys", self._advertised)
        self._keys = layouts.join_advertisements(self._advertised.values())
        return dict.fromkeys(sorted(self._advertised), self._keys)

    def hand_shares(self, shared: Mapping[int, bytes]) -> dict[int, bytes]:
        """What every member is handed that shared its secrets with all others; by member.

        Args:
            shared: what members said at the second stage, by member.

        Raises:
            SessionAbortedError: too few.
        """
        sealed: dict[int, dict[int, bytes]] = {}
        for number, said in shared.items():
            try:
                shares = layouts.parse_sealed(said, most=len(self._terms.members))
            except LayoutError:
                continue
            if number in self._advertised and shares.keys() == self._advertised.keys() - {number}:
                sealed[number] = shares
        self._check_enough("shares", sealed)
        self._sharers = set(sealed)
        return {
            member: layouts.join_entries({peer: sealed[peer][member] for peer in sealed if peer != member})
            for member in sorted(sealed)
        }

    def add(self, number: int, masked: bytes) -> bool:
        """Adds a member's masked vector; whether it is one and its first."""
        if number not in self._sharers or number in self.added:
            return False
        try:
            vector = unpack(masked, dimension=self._terms.dimension, bits=self._terms.bits)
        except ModulusError:
            return False
        self._sum += vector
        self.added.add(number)
        return True

    def survivors(self) -> dict[int, bytes]:
        """What every member is asked to confirm whose vector was added; by member.

        Raises:
            SessionAbortedError: too few.
        """
        self._check_enough("masked vectors", self.added)
        return dict.fromkeys(sorted(self.added), layouts.join_numbers(self.added))

    def show_confirmations(self, confirmed: Mapping[int, bytes]) -> dict[int, bytes]:
        """What every member is shown that confirmed the sum; by member.

        Raises:
            SessionAbortedError: too few, or one confirmed something else.
        """
        statement = layouts.survivors_statement(
            self._terms.context,
            keys=self._keys,
            sharers=sorted(self._sharers),
            survivors=sorted(self.added),
        )
        sound: dict[int, bytes] = {}
        for number, signature in confirmed.items():
            if number not in self.added:
                continue
            # A member that signs something else was told something else: its masks would not leave the sum.
            if not layouts.is_signed(self._terms.identities[number], signature, statement):
                raise SessionAbortedError("confirmations", "a member has confirmed another sum")
            sound[number] = signature
        self._check_enough("confirmations", sound)
        return dict.fromkeys(sorted(sound), layouts.join_entries(sound))

    def unmask(self, revealed: Mapping[int, bytes]) -> NDArray[np.int64]:
        """(d,) the sum of the survivors' vectors.

        Args:
            revealed: what members said at the last stage, by member.

        Raises:
            SessionAbortedError: too few, or what they revealed is not the members' keys.
        """
        shares: dict[int, dict[int, int]] = {}
        for number, said in revealed.items():
            if number not in self.added:
                continue
            try:
                shares[number] = layouts.parse_shares(said, most=len(self._terms.members))
            except LayoutError:
                continue
        self._check_enough("unmasking", shares)
        total = self._sum.copy()
        recoveries: dict[tuple[int, ...], Recovery] = {}
        for member in sorted(self._sharers):
            secret = self._recover(member, shares, recoveries)
            if member in self.added:
                if commitment_to(secret, context=self._terms.context) != self._advertised[member].commitment:
                    raise SessionAbortedError("unmasking", "a recovered key is not the one that was committed to")
                apply_mask(total, secret, -1)
            else:
                self._take_off_pairwise(total, member, secret)
        return centre(total, self._terms.bits)

    def _sound(self, number: int, said: bytes) -> Advertisement | None:
        """Keys that every honest member will accept; None of others."""
        try:
            one = layouts.parse_advertisement(said)
            for key in (one.sealing_key, one.masking_key):
                check_public_key(key)
        except (LayoutError, SealError):
            return None
        identity = self._terms.identities.get(number)
        if one.number != number or identity is None:
            return None
        signed = layouts.is_signed(identity, one.signature, one.statement(self._terms.context))
        return one if signed else None

    def _recover(
        self, member: int, shares: Mapping[int, Mapping[int, int]], recoveries: dict[tuple[int, ...], Recovery]
    ) -> bytes:
        places = self._terms.places
        held = {
            places[holder]: said[member]
            for holder, said in sorted(shares.items())
            if member in said and said[member] < PRIME
        }
        chosen = tuple(sorted(held)[: self._terms.threshold])
        if len(chosen) < self._terms.threshold:
            raise SessionAbortedError("unmasking", "too few shares of a member's key")
        if chosen not in recoveries:
            recoveries[chosen] = Recovery(chosen)
        try:
            return recoveries[chosen].secret(held)
        except SharingError as error:
            raise SessionAbortedError("unmasking", str(error)) from None

    def _take_off_pairwise(self, total: NDArray[np.uint32], vanished: int, secret: bytes) -> None:
        """What the survivors added for a member whose own vector never came."""
        context = self._terms.context
        masking = SecretKey(secret)
        if masking.public != self._advertised[vanished].masking_key:
            raise SessionAbortedError("unmasking", "a recovered key is not the one that was advertised")
        for peer in sorted(self.added):
            try:
                key = mask_key(masking, self._advertised[peer].masking_key, context=context, one=vanished, other=peer)
            except SealError as error:
                raise SessionAbortedError("unmasking", str(error)) from None
            apply_mask(total, key, -1 if vanished < peer else 1)

    def _check_enough(self, stage: ServerStage, members: Iterable[int]) -> None:
        there = sum(1 for _ in members)
        if there < self._terms.threshold:
            raise SessionAbortedError(stage, f"{there} of {self._terms.threshold} members were left")
