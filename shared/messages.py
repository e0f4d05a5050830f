"""What server and devices say to each other: typed values, and their only way to and from Flower's records.

The shared parameters travel as one flat vector of little-endian float32 bytes. Not as Flower's default NumPy files,
whose own headers could announce any shape: here a length check comes before any memory is taken.

Parsing trusts nothing: an unknown record or key, a wrong type, shape or length, or a number that is not finite is a
`MessageError`. In a private run a reply holds a status and a vector, and no other number about the device's data.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, fields
from typing import Literal, cast, get_args

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from numpy.typing import NDArray

from shared.flat_config import ConfigError
from shared.records import SCHEMA_VERSION, MessageError, array_record, check_names, config, scalars_of
from shared.round_plan import FederationPlan
from shared.secagg.enrolment import CohortRoster
from shared.secagg_messages import cohort_of, cohort_record

ROLL_CALL = "query.roll_call"
TRAIN = "train"
# 1 GiB: a guard against a peer that announces more memory than anyone has, far above any adapter.
MAX_SHARED_PARAMETERS = 2**28

# Far above any honest figure, and a cohort of them can be averaged.
_LARGEST_METRIC = 1e12
_MOST_KEYS = 1024  # bytes
_VECTOR_ENCODING = "tacit.float32-le"
_VECTOR = "vector"
_RUN = re.compile(r"[0-9a-f]{32}")

ReplyStatus = Literal[
    "trained",
    "no-pairs",
    "bad-request",
    "wrong-model",
    "unsupported-model",
    "unreadable-pairs",
    "not-finite",
    "declined",
    "failed",
]
REPLY_STATUSES: tuple[ReplyStatus, ...] = get_args(ReplyStatus)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TrainRequest:
    """What the server asks of a device in a round.

    Attributes:
        run: the run's own name, 32 hex digits: a round of one run is never taken for another's.
        device: number of the device that is asked: what one was asked cannot be shown to another.
        round_number, attempt: from 1; a round is asked again, as another attempt, if too few replied.
        plan: of the whole run.
        spec_digest, base_fingerprint: what the server's adapter and base model are.
        training_seed: of local choices in a run without privacy; a private one draws from the device's own key.
        vector: (d,) float32, the adapter at the start of the round.
        cohort: who else is asked, where aggregation is secure; else None.
        server: the server's public key (`shared.server_identity`); "" if it signs nothing.
        signature: by that key, over `digest`; not part of it.
    """

    run: str
    device: int
    round_number: int
    attempt: int
    plan: FederationPlan
    spec_digest: str
    base_fingerprint: str
    training_seed: int
    vector: NDArray[np.float32]
    cohort: CohortRoster | None = None
    server: str = ""
    signature: str = ""

    def digest(self) -> str:
        """SHA-256 (hex) over everything above: the same for identical requests only."""
        said = json.dumps([SCHEMA_VERSION, self._scalars(), self.plan.to_run_config()], sort_keys=True)
        return hashlib.sha256(said.encode() + b"\0" + _to_bytes(self.vector)).hexdigest()

    def to_record(self) -> RecordDict:
        """As Flower's records."""
        record = RecordDict(
            {
                "request": ConfigRecord({"schema": SCHEMA_VERSION, **self._scalars(), "signature": self.signature}),
                "plan": ConfigRecord({**self.plan.to_run_config()}),
                "shared": to_array_record(self.vector),
            }
        )
        if self.cohort is not None:
            record["cohort"] = cohort_record(self.cohort)
        return record

    @classmethod
    def from_record(cls, record: RecordDict) -> TrainRequest:
        """Raises: MessageError."""
        check_names("message", record, {"request", "plan", "shared"} | ({"cohort"} & set(record)))
        said = scalars_of(record, "request", _REQUEST_KEYS)
        try:
            terms = config(record, "plan")
            check_names("plan", terms, _PLAN_KEYS)
            plan = FederationPlan.from_run_config(terms)
        except ConfigError as error:
            raise MessageError(f"plan: {error}") from None
        request = cls(
            run=cast(str, said["run"]),
            device=cast(int, said["device"]),
            round_number=cast(int, said["round"]),
            attempt=cast(int, said["attempt"]),
            plan=plan,
            spec_digest=cast(str, said["spec"]),
            base_fingerprint=cast(str, said["base"]),
            training_seed=cast(int, said["training-seed"]),
            vector=from_array_record(array_record(record, "shared")),
            cohort=cohort_of(record) if "cohort" in record else None,
            server=cast(str, said["server"]),
            signature=cast(str, said["signature"]),
        )
        if said["plan"] != plan.digest():
            raise MessageError("request.plan: is not the digest of the plan beside it")
        if said["cohort"] != _digest_of(request.cohort):
            raise MessageError("request.cohort: is not the digest of the cohort beside it")
        if (request.cohort is not None) != (plan.secure_aggregation is not None):
            raise MessageError("cohort: goes with secure aggregation, and only with it")
        if not _RUN.fullmatch(request.run):
            raise MessageError("request.run: must be 32 hex digits")
        if not 1 <= request.round_number <= plan.rounds or not 1 <= request.attempt <= plan.attempts:
            raise MessageError("request.round: no such round or attempt in the plan")
        if request.training_seed < 0:
            raise MessageError("request.training-seed: must not be negative")
        return request

    def _scalars(self) -> dict[str, int | str]:
        return {
            "run": self.run,
            "device": self.device,
            "round": self.round_number,
            "attempt": self.attempt,
            "plan": self.plan.digest(),
            "spec": self.spec_digest,
            "base": self.base_fingerprint,
            "training-seed": self.training_seed,
            "cohort": _digest_of(self.cohort),
            "server": self.server,
        }


@dataclass(frozen=True, kw_only=True)
class PublicMetrics:
    """Figures about a device's data and training. Only a run WITHOUT privacy sends them.

    Attributes:
        loss, accuracy: before the first local step.
        pairs: used in training.
        update_norm: L2, before clipping.
        forwards, tokens: what was really run, reference passes included.
        seconds: of training.
    """

    loss: float
    accuracy: float
    pairs: int
    update_norm: float
    forwards: int
    tokens: int
    seconds: float


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TrainReply:
    """What a device answers.

    Attributes:
        status: "trained", or why there is no update. A code, never a text.
        request_digest: of the request it answers; "" if that could not be read.
        vector: (d,) float32, clipped; None unless trained, and where aggregation is secure.
        keys: a member's keys of the session (`shared.secagg`), where it is; its update waits on the device.
        metrics: None in a private run.
    """

    status: ReplyStatus
    request_digest: str
    vector: NDArray[np.float32] | None = None
    keys: bytes = b""
    metrics: PublicMetrics | None = None

    def to_record(self) -> RecordDict:
        """As Flower's records."""
        record = RecordDict(
            {
                "reply": ConfigRecord(
                    {"schema": SCHEMA_VERSION, "status": self.status, "request": self.request_digest},
                )
            }
        )
        if self.vector is not None:
            record["update"] = to_array_record(self.vector)
        if self.keys:
            record["keys"] = ConfigRecord({"schema": SCHEMA_VERSION, "keys": self.keys})
        if self.metrics is not None:
            record["metrics"] = MetricRecord(asdict(self.metrics))
        return record

    @classmethod
    def from_record(cls, record: RecordDict, *, dimension: int, private: bool, secure: bool = False) -> TrainReply:
        """Args:
            dimension: d, which an update must have.
            private: whether the plan forbids figures about the device's data.
            secure: whether updates stay on their devices until they are masked.

        Raises:
            MessageError: see the module.
        """
        said = scalars_of(record, "reply", _REPLY_KEYS)
        status = said["status"]
        if status not in REPLY_STATUSES:
            raise MessageError("reply.status: unknown")
        trained = status == "trained"
        content = {"keys"} if secure else {"update"} if private else {"update", "metrics"}
        check_names("message", record, {"reply"} | (content if trained else set()))
        vector = from_array_record(array_record(record, "update"), dimension=dimension) if "update" in record else None
        keys = cast(bytes, scalars_of(record, "keys", {"keys": bytes})["keys"]) if "keys" in record else b""
        if len(keys) > _MOST_KEYS:
            raise MessageError("keys.keys: are longer than any member's")
        metrics = _metrics(record) if "metrics" in record else None
        return cls(
            status=status,
            request_digest=cast(str, said["request"]),
            vector=vector,
            keys=keys,
            metrics=metrics,
        )


@dataclass(frozen=True, kw_only=True)
class RollCallReply:
    """Which device a node is: a number that stays the same while Flower's node ids change from run to run."""

    device: int

    def to_record(self) -> RecordDict:
        """As Flower's records."""
        return RecordDict({"roll-call": ConfigRecord({"schema": SCHEMA_VERSION, "device": self.device})})

    @classmethod
    def from_record(cls, record: RecordDict) -> RollCallReply:
        """Raises: MessageError."""
        check_names("message", record, {"roll-call"})
        device = cast(int, scalars_of(record, "roll-call", {"device": int})["device"])
        if device < 0:
            raise MessageError("roll-call.device: must not be negative")
        return cls(device=device)


def to_array_record(vector: NDArray[np.float32]) -> ArrayRecord:
    """A flat float32 vector as a record of one array."""
    data = _to_bytes(vector)
    return ArrayRecord({_VECTOR: Array(dtype="float32", shape=(vector.size,), stype=_VECTOR_ENCODING, data=data)})


def from_array_record(record: ArrayRecord, *, dimension: int | None = None) -> NDArray[np.float32]:
    """The vector of a record that `to_array_record` made, checked before it is believed.

    Raises:
        MessageError: another array, encoding, type, shape or length; or a number that is not finite.
    """
    check_names("array record", record, {_VECTOR})
    array = record[_VECTOR]
    if array.dtype != "float32" or array.stype != _VECTOR_ENCODING:
        raise MessageError("vector: must be float32 numbers, little-endian")
    if len(array.shape) != 1 or not 1 <= array.shape[0] <= MAX_SHARED_PARAMETERS:
        raise MessageError("vector: must be flat, and not larger than any adapter")
    if dimension is not None and array.shape[0] != dimension:
        raise MessageError(f"vector: must hold {dimension} numbers")
    if len(array.data) != 4 * array.shape[0]:
        raise MessageError("vector: its bytes do not match its shape")
    vector = np.frombuffer(array.data, dtype="<f4").astype(np.float32)
    if not np.isfinite(vector).all():
        raise MessageError("vector: holds NaN or infinity")
    return vector


_PLAN_KEYS = set(FederationPlan().to_run_config())
_REQUEST_KEYS: dict[str, type] = {
    "run": str, "device": int, "round": int, "attempt": int, "plan": str, "spec": str, "base": str,
    "training-seed": int, "cohort": str, "server": str, "signature": str,
}  # fmt: skip
_REPLY_KEYS: dict[str, type] = {"status": str, "request": str}


def _digest_of(cohort: CohortRoster | None) -> str:
    return "" if cohort is None else cohort.digest


def _to_bytes(vector: NDArray[np.float32]) -> bytes:
    return vector.astype("<f4").tobytes()


def _metrics(record: RecordDict) -> PublicMetrics:
    part = record.get("metrics")
    if not isinstance(part, MetricRecord):
        raise MessageError("metrics: must be a metric record")
    check_names("metrics", part, {item.name for item in fields(PublicMetrics)})
    values: dict[str, float] = {}
    for item in fields(PublicMetrics):
        value, kind = part[item.name], float if item.type == "float" else int
        most = 1.0 if item.name == "accuracy" else _LARGEST_METRIC
        if type(value) is not kind or not 0 <= value <= most:
            raise MessageError(f"metrics.{item.name}: must be a {kind.__name__} from 0 to {most:g}")
        values[item.name] = value
    return PublicMetrics(**cast("dict[str, int]", values))
