"""A device's side of one session: what it says at each stage, and every reason it has to say nothing.

    advertise   fresh keys, signed, and a commitment to the key of its own mask
    share       after checking everyone's: shares of both secrets, sealed for each peer
    mask        the vector, under its own mask and one with every peer that shared
    confirm     a signature over who is in the sum, and over all it was shown
    reveal      after checking that enough others signed the same: for each member of the sum a share of its own mask's
                key, for each that vanished one of its masking key. Never both, and nothing twice

Bonawitz et al. (2017), the protocol against a malicious server, on the complete graph. A check that fails ends the
session for this device; so does the loss of its secrets. Each stage can be passed once: who calls keeps what was said,
and says the same to the same request.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Literal, TypeVar

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from shared.secagg import layouts, secret_sharing
from shared.secagg.layouts import Advertisement, LayoutError
from shared.secagg.masking import apply_mask
from shared.secagg.modulus import pack
from shared.secagg.secret_sharing import SECRET_BYTES, Entropy
from shared.secagg.session_keys import Sealer, SealError, SecretKey, commitment_to, mask_key
from shared.secagg.session_terms import SessionTerms

Stage = Literal["advertised", "shared", "masked", "confirmed", "revealed"]
_Parsed = TypeVar("_Parsed")


class SessionRefusedError(RuntimeError):
    """This device takes no further part. The reason is for its user; it holds no secret and is sent to nobody."""


@dataclass(frozen=True, kw_only=True, repr=False)
class DeviceSecrets:
    """What a device keeps between stages, to be stored sealed and erased in the end.

    Attributes:
        stage: the last it passed.
        context: of the session, hex.
        sealing_secret, masking_secret: X25519.
        mask_secret: key of its own mask.
        own_share: its own share of that, as one of those who can recover it.
        keys: all advertisements it was shown.
        sealed: by sender, what it was handed.
        survivors: the sum it has agreed to.
    """

    stage: Stage
    context: str
    sealing_secret: bytes
    masking_secret: bytes
    mask_secret: bytes
    own_share: int = 0
    keys: bytes = b""
    sealed: Mapping[int, bytes] = field(default_factory=dict)
    survivors: tuple[int, ...] = ()

    def to_bytes(self) -> bytes:
        """For `from_bytes`."""
        said = {one.name: _plain(getattr(self, one.name)) for one in fields(self)}
        return json.dumps(said).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> DeviceSecrets:
        """Raises: SessionRefusedError: not what `to_bytes` made."""
        try:
            said = json.loads(data)
            return cls(
                stage=said["stage"],
                context=said["context"],
                sealing_secret=base64.b64decode(said["sealing_secret"]),
                masking_secret=base64.b64decode(said["masking_secret"]),
                mask_secret=base64.b64decode(said["mask_secret"]),
                own_share=int(said["own_share"]),
                keys=base64.b64decode(said["keys"]),
                sealed={int(number): base64.b64decode(one) for number, one in said["sealed"].items()},
                survivors=tuple(int(number) for number in said["survivors"]),
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            raise SessionRefusedError("the secrets of this session are damaged") from None


class DeviceSession:
    """Attributes:
    secrets: to be kept until the next stage.
    """

    def __init__(
        self, terms: SessionTerms, *, number: int, identity: Ed25519PrivateKey, secrets: DeviceSecrets
    ) -> None:
        """See `begin` for a new one; this goes on with one whose secrets were kept.

        Raises:
            SessionRefusedError: not a member under this identity, or the secrets are another session's.
        """
        if terms.identities.get(number) != identity.public_key().public_bytes_raw():
            raise SessionRefusedError("the cohort does not have this device under its own identity")
        if secrets.context != terms.context.hex():
            raise SessionRefusedError("the session is not the one that this device entered")
        self._terms = terms
        self._number = number
        self._identity = identity
        self.secrets = secrets

    @classmethod
    def begin(
        cls, terms: SessionTerms, *, number: int, identity: Ed25519PrivateKey, entropy: Entropy
    ) -> tuple[DeviceSession, bytes]:
        """Enters a session; the device's advertisement.

        Args:
            number: the device's.
            identity: its long-term key.
            entropy: draws secret random bytes; fresh ones, every time.

        Raises:
            SessionRefusedError: see `__init__`.
        """
        secrets = DeviceSecrets(
            stage="advertised",
            context=terms.context.hex(),
            sealing_secret=entropy(SECRET_BYTES),
            masking_secret=entropy(SECRET_BYTES),
            mask_secret=entropy(SECRET_BYTES),
        )
        session = cls(terms, number=number, identity=identity, secrets=secrets)
        return session, session.advertise()

    def share(self, shown: bytes, *, entropy: Entropy) -> bytes:
        """Sealed shares for each member whose keys are shown.

        Args:
            shown: the advertisements of everyone who is to take part.

        Raises:
            SessionRefusedError: this device is not among them as it was, they are too few, or not what they must be.
        """
        secrets, context = self._at("advertised"), self._terms.context
        advertised = self._check_advertisements(shown)
        split = {
            name: secret_sharing.split(
                secret, threshold=self._terms.threshold, holders=len(self._terms.members), entropy=entropy
            )
            for name, secret in (("masking", secrets.masking_secret), ("own", secrets.mask_secret))
        }
        keys = hashlib.sha256(shown).digest()
        sealing = SecretKey(secrets.sealing_secret)
        sealed: dict[int, bytes] = {}
        for peer, place in self._terms.places.items():
            if peer == self._number or peer not in advertised:
                continue
            sealer = self._sealer(sealing, advertised[peer])
            shares = (split["masking"][place - 1], split["own"][place - 1])
            sealed[peer] = sealer.seal(*shares, keys=context + keys, entropy=entropy)
        own_share = split["own"][self._terms.places[self._number] - 1]
        self.secrets = replace(secrets, stage="shared", keys=shown, own_share=own_share)
        return layouts.join_entries(sealed)

    def mask(self, handed: bytes, vector: NDArray[np.uint32]) -> bytes:
        """The vector under its masks, packed.

        Args:
            handed: sealed shares from each peer that shared.
            vector: (d,) modulo 2^b, noise included.

        Raises:
            SessionRefusedError: shares of strangers, or of too few.
        """
        secrets, terms = self._at("shared"), self._terms
        if vector.shape != (terms.dimension,) or vector.dtype != np.uint32:
            raise SessionRefusedError("the vector to mask is not of this session")
        sealed = _parsed(layouts.parse_sealed, handed, self._terms)
        advertised = {one.number: one for one in _parsed(layouts.parse_advertisements, secrets.keys, self._terms)}
        if self._number in sealed or not sealed.keys() <= advertised.keys():
            raise SessionRefusedError("shares were handed on that nobody here has sent")
        if len(sealed) + 1 < terms.threshold:
            raise SessionRefusedError("too few members shared their secrets")
        masked = vector.copy()
        apply_mask(masked, secrets.mask_secret, 1)
        masking = SecretKey(secrets.masking_secret)
        for peer in sealed:
            key = self._mask_key(masking, advertised[peer])
            apply_mask(masked, key, 1 if peer < self._number else -1)
        self.secrets = replace(secrets, stage="masked", sealed=sealed)
        return pack(masked, terms.bits)

    def confirm(self, claimed: bytes) -> bytes:
        """A signature over the survivors.

        Args:
            claimed: numbers of the members whose vectors are in the sum.

        Raises:
            SessionRefusedError: they are too few, hold strangers, or not this device.
        """
        secrets = self._at("masked")
        survivors = _parsed(layouts.parse_numbers, claimed, self._terms)
        sharers = {*secrets.sealed, self._number}
        if self._number not in survivors or not sharers.issuperset(survivors):
            raise SessionRefusedError("the sum has strangers in it, or not this device")
        if len(survivors) < self._terms.threshold:
            raise SessionRefusedError("too few members are in the sum to hide this one")
        self.secrets = replace(secrets, stage="confirmed", survivors=survivors)
        return self._identity.sign(self._survivors_statement())

    def reveal(self, confirmed: bytes) -> bytes:
        """Shares that take the masks off the sum. The session is over, and its secrets are gone from here.

        Args:
            confirmed: signatures of members of the sum.

        Raises:
            SessionRefusedError: too few have signed, or something else than this device did.
        """
        secrets, terms = self._at("confirmed"), self._terms
        signatures = _parsed(layouts.parse_signatures, confirmed, self._terms)
        if not signatures.keys() <= set(secrets.survivors):
            raise SessionRefusedError("the sum was confirmed by members that are not in it")
        if len(signatures) < terms.threshold:
            raise SessionRefusedError("too few members have confirmed the sum")
        statement = self._survivors_statement()
        for number, signature in signatures.items():
            if not layouts.is_signed(terms.identities[number], signature, statement):
                raise SessionRefusedError("a member has confirmed another sum")
        advertised = {one.number: one for one in _parsed(layouts.parse_advertisements, secrets.keys, self._terms)}
        keys = terms.context + hashlib.sha256(secrets.keys).digest()
        sealing = SecretKey(secrets.sealing_secret)
        shares = {self._number: secrets.own_share}
        for peer, sealed in secrets.sealed.items():
            try:
                masking_share, own_mask_share = self._sealer(sealing, advertised[peer]).open(sealed, keys=keys)
            except SealError:
                continue  # the peer's fault, or the server's: others have shares too
            shares[peer] = own_mask_share if peer in secrets.survivors else masking_share
        nothing = bytes(SECRET_BYTES)
        self.secrets = DeviceSecrets(
            stage="revealed",
            context=secrets.context,
            sealing_secret=nothing,
            masking_secret=nothing,
            mask_secret=nothing,
        )
        return layouts.join_shares(shares)

    def _at(self, stage: Stage) -> DeviceSecrets:
        if self.secrets.stage != stage:
            raise SessionRefusedError(f"this session is past or before that stage: it is {self.secrets.stage}")
        return self.secrets

    def advertise(self) -> bytes:
        """This device's keys of the session: the same whenever it is asked."""
        return self._advertisement().to_bytes()

    def _advertisement(self) -> Advertisement:
        secrets, context = self.secrets, self._terms.context
        unsigned = Advertisement(
            number=self._number,
            sealing_key=SecretKey(secrets.sealing_secret).public,
            masking_key=SecretKey(secrets.masking_secret).public,
            commitment=commitment_to(secrets.mask_secret, context=context),
        )
        return replace(unsigned, signature=self._identity.sign(unsigned.statement(context)))

    def _check_advertisements(self, shown: bytes) -> dict[int, Advertisement]:
        advertised = {one.number: one for one in _parsed(layouts.parse_advertisements, shown, self._terms)}
        identities = self._terms.identities
        if not advertised.keys() <= identities.keys():
            raise SessionRefusedError("keys of strangers were shown")
        if len(advertised) < self._terms.threshold:
            raise SessionRefusedError("too few members are there")
        own = self._advertisement()
        shown_own = advertised.get(self._number)
        if shown_own is None or shown_own.statement(b"") != own.statement(b""):
            raise SessionRefusedError("this device's own keys were left out or changed")
        keys = [key for one in advertised.values() for key in (one.sealing_key, one.masking_key)]
        if len(set(keys)) != len(keys):
            raise SessionRefusedError("two members were shown with one key")
        for number, one in advertised.items():
            if not layouts.is_signed(identities[number], one.signature, one.statement(self._terms.context)):
                raise SessionRefusedError("keys were shown that their member has not signed, for this session")
        return advertised

    def _sealer(self, sealing: SecretKey, peer: Advertisement) -> Sealer:
        try:
            return Sealer(sealing, peer.sealing_key, context=self._terms.context, me=self._number, other=peer.number)
        except SealError as error:
            raise SessionRefusedError(str(error)) from None

    def _mask_key(self, masking: SecretKey, peer: Advertisement) -> bytes:
        try:
            return mask_key(masking, peer.masking_key, context=self._terms.context, one=self._number, other=peer.number)
        except SealError as error:
            raise SessionRefusedError(str(error)) from None

    def _survivors_statement(self) -> bytes:
        return layouts.survivors_statement(
            self._terms.context,
            keys=self.secrets.keys,
            sharers=sorted({*self.secrets.sealed, self._number}),
            survivors=self.secrets.survivors,
        )


def _parsed(parse: Callable[..., _Parsed], data: bytes, terms: SessionTerms) -> _Parsed:
    try:
        return parse(data, most=len(terms.members))
    except LayoutError as error:
        raise SessionRefusedError(str(error)) from None


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value
