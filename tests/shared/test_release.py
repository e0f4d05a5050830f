from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from shared.release import LARGEST_MANIFEST, ReleaseManifest, ReleaseManifestError
from shared.release_payload import ReleasePayload, parse_payload, read_payload, sha256
from shared.round_plan import FederationPlan
from shared.signing_key import SigningKey

KEY = SigningKey.from_bytes(bytes(range(32)))
PLAN = FederationPlan()
VECTOR = np.arange(5, dtype=np.float32)


def payload() -> ReleasePayload:
    return ReleasePayload(plan=PLAN, vector=VECTOR)


def manifest(**changes: object) -> ReleaseManifest:
    """Unsigned, about `payload()`."""
    content = payload().to_bytes()
    values: dict[str, object] = {
        "run": "ab" * 16,
        "round_number": 3,
        "plan": PLAN.digest(),
        "specification": "11" * 32,
        "base_name": "tiny-llama",
        "base_fingerprint": "22" * 32,
        "method": "ffa-lora",
        "adapter": sha256(content),
        "size": len(content),
        "previous": "33" * 32,
        "made": 1_800_000_000,
        "server": KEY.public,
    }
    return ReleaseManifest(**(values | changes))  # type: ignore[arg-type]


def signed(**changes: object) -> ReleaseManifest:
    return manifest(**changes).signed(KEY)


# Another valid value of every field that is signed.
OTHER: dict[str, object] = {
    "run": "cd" * 16,
    "round_number": 4,
    "plan": "44" * 32,
    "specification": "44" * 32,
    "base_name": "tiny-qwen",
    "base_fingerprint": "44" * 32,
    "method": "fedit",
    "adapter": "44" * 32,
    "size": 7,
    "previous": "44" * 32,
    "made": 1_800_000_001,
    "server": SigningKey.from_bytes(bytes(32)).public,
}


def test_a_signed_release_is_believed_by_whoever_allows_its_key() -> None:
    made = signed()
    read = ReleaseManifest.from_json(made.to_json().encode())

    assert read == made
    assert read.digest() == manifest().digest()
    read.check({KEY.public, "00" * 32})
    for servers in ((), {"00" * 32}, {SigningKey.generate().public}):
        with pytest.raises(ReleaseManifestError, match="not among the servers"):
            read.check(servers)


def test_every_field_is_signed_and_part_of_the_digest() -> None:
    assert set(OTHER) == {item.name for item in fields(ReleaseManifest)} - {"signature"}
    servers = {KEY.public, str(OTHER["server"])}
    for name, value in OTHER.items():
        changed = replace(signed(), **{name: value})  # type: ignore[arg-type]
        assert changed.digest() != signed().digest()
        with pytest.raises(ReleaseManifestError, match="did not sign"):
            changed.check(servers)
    for signature in ("", "00" * 64):
        with pytest.raises(ReleaseManifestError, match="did not sign"):
            replace(signed(), signature=signature).check(servers)


def test_a_signature_for_another_purpose_is_none() -> None:
    statement = manifest().statement()
    assert statement.startswith(b"tacit/release/1\0")
    elsewhere = KEY.key.sign(b"tacit/train-request/1\0" + statement.removeprefix(b"tacit/release/1\0")).hex()
    with pytest.raises(ReleaseManifestError, match="did not sign"):
        replace(manifest(), signature=elsewhere).check({KEY.public})


def test_what_is_signed_never_changes() -> None:
    values = ["ab" * 16, 3, PLAN.digest(), "11" * 32, "tiny-llama", "22" * 32, "ffa-lora", manifest().adapter,
              manifest().size, "33" * 32, 1_800_000_000, KEY.public]  # fmt: skip
    said = json.dumps([1, *values], separators=(",", ":"))
    assert manifest().statement() == b"tacit/release/1\0" + said.encode()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pickle": ""}, "1 unknown keys"),
        ({"format": 2}, "format"),
        ({"format": True}, "format"),
        ({"run": "../" + "a" * 29}, "run: must be 32"),
        ({"run": 5}, "run: must be a text"),
        ({"round_number": 0}, "round_number"),
        ({"round_number": True}, "round_number: must be an integer"),
        ({"round_number": 1.0}, "round_number: must be an integer"),
        ({"round_number": 10**7}, "round_number"),
        ({"round_number": 1}, "nothing comes before"),
        ({"plan": "AB" * 32}, "plan: must be 64 hex"),
        ({"specification": ""}, "specification"),
        ({"base_name": ""}, "base_name"),
        ({"base_name": "a\u001b[2J"}, "printable"),
        ({"base_name": "a" * 257}, "base_name"),
        ({"base_fingerprint": "zz" * 32}, "base_fingerprint"),
        ({"method": "__import__"}, "method"),
        ({"adapter": "12"}, "adapter"),
        ({"size": 0}, "size"),
        ({"size": 2**40}, "size"),
        ({"previous": "12"}, "previous"),
        ({"made": 0}, "made"),
        ({"made": 10**12}, "made"),
        ({"server": "12"}, "server"),
        ({"signature": "12"}, "signature"),
    ],
)
def test_a_manifest_is_parsed_strictly(changes: dict[str, object], said: str) -> None:
    values = json.loads(signed().to_json()) | changes
    with pytest.raises(ReleaseManifestError, match=said):
        ReleaseManifest.from_json(json.dumps(values).encode())


def test_what_is_no_manifest_is_refused() -> None:
    for text, said in (
        (b"", "not JSON"),
        (b"[" * 10_000, "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "an object"),
        (b"{}", "missing keys: adapter"),
        (b"{" + b" " * LARGEST_MANIFEST, "larger"),
        (signed().to_json().replace('"size"', '"run": "", "size"').encode(), "twice"),
    ):
        with pytest.raises(ReleaseManifestError, match=said):
            ReleaseManifest.from_json(text)


def test_the_next_release_of_a_run_follows_and_nothing_else_does() -> None:
    before = signed()
    following = signed(round_number=4, previous=before.digest())
    following.check_follows(before)
    wrong: tuple[dict[str, object], ...] = (
        {"previous": "44" * 32},
        {"previous": ""},
        {"round_number": 5},
        {"round_number": 3},
        *({name: OTHER[name]} for name in ("run", "plan", "specification", "base_name", "base_fingerprint", "method")),
    )
    for changes in wrong:
        other = signed(**({"round_number": 4, "previous": before.digest()} | changes))
        with pytest.raises(ReleaseManifestError, match=next(iter(changes))):
            other.check_follows(before)
    other_key = following.signed(SigningKey.generate())
    with pytest.raises(ReleaseManifestError, match="server"):
        other_key.check_follows(before)


def test_a_payload_is_the_same_bytes_and_comes_back() -> None:
    content = payload().to_bytes()
    read = read_payload(content, signed())

    assert content == payload().to_bytes()
    assert read.plan == PLAN
    np.testing.assert_array_equal(read.vector, VECTOR)


def test_a_payload_that_is_not_the_manifests_is_refused() -> None:
    content = payload().to_bytes()
    flipped = content[:-1] + bytes([content[-1] ^ 1])
    other_plan = replace(payload(), plan=replace(PLAN, seed=5)).to_bytes()
    for given, said in (
        ((flipped, signed()), "not the one that the manifest names"),
        ((content + b"\0", signed()), "not the one that the manifest names"),
        ((other_plan, signed(adapter=sha256(other_plan), size=len(other_plan))), "the plan in"),
        ((content, signed(method="fedit")), "the plan in"),
    ):
        with pytest.raises(ReleaseManifestError, match=said):
            read_payload(*given)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(value: float) -> None:
    vector = VECTOR.copy()
    vector[2] = value
    with pytest.raises(ReleaseManifestError, match="finite"):
        parse_payload(ReleasePayload(plan=PLAN, vector=vector).to_bytes())


def _file(header: object, body: bytes = b"\0" * 8) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


_TENSOR = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
_METADATA = {"plan": json.dumps(PLAN.to_run_config())}
_HEADER = {"__metadata__": _METADATA, "vector": _TENSOR}


def test_only_the_very_layout_is_read() -> None:
    assert parse_payload(_file(_HEADER)).vector.shape == (2,)
    for content in (
        b"",
        b"\xff" * 8,
        (2**60).to_bytes(8, "little") + b"{}",
        _file(b"[]"),
        _file(b"[" * 5000),
        _file({"vector": _TENSOR}),
        _file({**_HEADER, "pickle": _TENSOR}),
        _file({**_HEADER, "__metadata__": {**_METADATA, "code": ""}}),
        _file({**_HEADER, "__metadata__": {"plan": "[]"}}),
        _file({**_HEADER, "vector": {**_TENSOR, "dtype": "F64"}}),
        _file({**_HEADER, "vector": {**_TENSOR, "shape": [2, 1]}}),
        _file({**_HEADER, "vector": {**_TENSOR, "shape": [10**12]}}),
        _file({**_HEADER, "vector": {**_TENSOR, "shape": [True]}}, b"\0" * 4),
        _file({**_HEADER, "vector": {**_TENSOR, "data_offsets": [0, 4]}}),
        _file(_HEADER, b"\0" * 7),
    ):
        with pytest.raises(ReleaseManifestError, match="is not a release's"):
            parse_payload(content)
    unknown = {"plan": json.dumps({"federation.bounds": 3})}
    with pytest.raises(ReleaseManifestError, match="cannot read"):
        parse_payload(_file({**_HEADER, "__metadata__": unknown}))
