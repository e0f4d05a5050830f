"""What server and devices say to each other while they aggregate securely, to and from Flower's records.

The content of every stage is the bytes of `shared.secagg.layouts`, which know nothing of Flower. Parsing is as strict
as in `shared.messages`. Stages are not signed by the server: what counts in them is signed by members. Whoever can send
a device messages and has its peers' keys can use up a stage of its session, and gains nothing but that it vanishes.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Literal, cast, get_args

from flwr.app import ConfigRecord, RecordDict

from shared.records import SCHEMA_VERSION, MessageError, check_names, scalars_of
from shared.secagg.enrolment import CohortRoster, Enrolled, EnrolmentError, RosterName
from shared.secagg.session_terms import LARGEST_COHORT, Member

SECURE_STAGE = "query.secure_aggregation"
SecureStage = Literal["share", "mask", "confirm", "reveal"]
StageStatus = Literal["answered", "bad-request", "declined", "failed"]
_IDENTITY_BYTES, _SIGNATURE_BYTES = 32, 64
_RUN = re.compile(r"[0-9a-f]{32}")
# Of what a device can be shown, of the largest cohort's keys, with room to spare.
_LARGEST_BODY = 2**20


@dataclass(frozen=True, kw_only=True, repr=False)
class StageRequest:
    """One stage of one device's session.

    Attributes:
        run, round_number, attempt: of the request to train that the session began with.
        device: number of the device that is asked.
        stage: what it is asked for.
        body: see `shared.secagg.device_session`.
    """

    run: str
    round_number: int
    attempt: int
    device: int
    stage: SecureStage
    body: bytes

    def digest(self) -> str:
        """SHA-256 (hex) over all of it."""
        said = json.dumps([SCHEMA_VERSION, self._scalars()], sort_keys=True)
        return hashlib.sha256(said.encode() + b"\0" + self.body).hexdigest()

    def to_record(self) -> RecordDict:
        """As Flower's records."""
        return RecordDict({"stage": ConfigRecord({"schema": SCHEMA_VERSION, **self._scalars(), "body": self.body})})

    @classmethod
    def from_record(cls, record: RecordDict) -> StageRequest:
        """Raises: MessageError."""
        check_names("message", record, {"stage"})
        said = scalars_of(record, "stage", _STAGE_KEYS)
        run, body = cast(str, said["run"]), cast(bytes, said["body"])
        if said["stage"] not in get_args(SecureStage):
            raise MessageError("stage.stage: unknown")
        if not _RUN.fullmatch(run) or len(body) > _LARGEST_BODY:
            raise MessageError("stage.run: must be 32 hex digits, and its body of a sensible size")
        numbers = [cast(int, said[key]) for key in ("round", "attempt", "device")]
        if min(numbers) < 0 or max(numbers) >= 2**63:
            raise MessageError("stage.round: round, attempt and device must be from 0 to 2^63 - 1")
        return cls(
            run=run,
            round_number=numbers[0],
            attempt=numbers[1],
            device=numbers[2],
            stage=cast(SecureStage, said["stage"]),
            body=body,
        )

    def _scalars(self) -> dict[str, int | str]:
        return {
            "run": self.run,
            "round": self.round_number,
            "attempt": self.attempt,
            "device": self.device,
            "stage": self.stage,
        }


@dataclass(frozen=True, kw_only=True, repr=False)
class StageReply:
    """What a device answers.

    Attributes:
        status: a code, never a text.
        request_digest: of the request it answers; "" if that could not be read.
        body: empty unless answered.
    """

    status: StageStatus
    request_digest: str
    body: bytes = b""

    def to_record(self) -> RecordDict:
        """As Flower's records."""
        return RecordDict(
            {
                "stage-reply": ConfigRecord(
                    {
                        "schema": SCHEMA_VERSION,
                        "status": self.status,
                        "request": self.request_digest,
                        "body": self.body,
                    }
                )
            }
        )

    @classmethod
    def from_record(cls, record: RecordDict) -> StageReply:
        """Raises: MessageError."""
        check_names("message", record, {"stage-reply"})
        said = scalars_of(record, "stage-reply", {"status": str, "request": str, "body": bytes})
        if said["status"] not in get_args(StageStatus):
            raise MessageError("stage-reply.status: unknown")
        return cls(
            status=cast(StageStatus, said["status"]),
            request_digest=cast(str, said["request"]),
            body=cast(bytes, said["body"]),
        )


def cohort_record(cohort: CohortRoster) -> ConfigRecord:
    """A cohort's part of a roster, as a record."""
    name = cohort.name
    return ConfigRecord(
        {
            "schema": SCHEMA_VERSION,
            "federation": name.federation,
            "version": name.version,
            "size": name.size,
            "organiser": name.organiser,
            "part": cohort.part,
            "numbers": [member.number for member in cohort.members],
            "identities": b"".join(bytes.fromhex(member.identity) for member in cohort.members),
            "signatures": b"".join(bytes.fromhex(entry.signature) for entry in cohort.entries),
        }
    )


def cohort_of(record: RecordDict) -> CohortRoster:
    """The cohort of a request to train. Whether the organiser signed it is not checked here.

    Raises:
        MessageError.
    """
    said = scalars_of(record, "cohort", _COHORT_KEYS)
    numbers = cast("list[int]", said["numbers"])
    identities, signatures = cast(bytes, said["identities"]), cast(bytes, said["signatures"])
    if not 1 <= len(numbers) <= LARGEST_COHORT or not all(type(number) is int for number in numbers):
        raise MessageError(f"cohort.numbers: must be from 1 to {LARGEST_COHORT} integers")
    if len(identities) != _IDENTITY_BYTES * len(numbers) or len(signatures) != _SIGNATURE_BYTES * len(numbers):
        raise MessageError("cohort.identities: must be as many as devices, as must signatures")
    if not 0 <= cast(int, said["part"]) < 2**31:
        raise MessageError("cohort.part: must be from 0 to 2^31 - 1")
    try:
        return CohortRoster(
            name=RosterName(
                federation=cast(str, said["federation"]),
                version=cast(int, said["version"]),
                size=cast(int, said["size"]),
                organiser=cast(str, said["organiser"]),
            ),
            part=cast(int, said["part"]),
            entries=tuple(
                Enrolled(
                    member=Member(
                        number=number,
                        identity=identities[_IDENTITY_BYTES * place : _IDENTITY_BYTES * (place + 1)].hex(),
                    ),
                    signature=signatures[_SIGNATURE_BYTES * place : _SIGNATURE_BYTES * (place + 1)].hex(),
                )
                for place, number in enumerate(numbers)
            ),
        )
    except EnrolmentError as error:
        raise MessageError(f"cohort: {error}") from None


_STAGE_KEYS: dict[str, type] = {
    "run": str, "round": int, "attempt": int, "device": int, "stage": str, "body": bytes,
}  # fmt: skip
_COHORT_KEYS: dict[str, type] = {
    "federation": str, "version": int, "size": int, "organiser": str, "part": int, "numbers": list,
    "identities": bytes, "signatures": bytes,
}  # fmt: skip
