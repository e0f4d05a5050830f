"""What the server sees: power and null of every test that the audit makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flwr.app import ConfigRecord
from hypothesis import given, settings
from hypothesis import strategies as st

from server.rounds import TooFewRepliesError
from shared.language_model import load_language_model
from shared.plan_terms import SecureAggregationTerms, UserPrivacyTerms
from shared.round_plan import FederationPlan
from shared.secagg.modulus import to_modulus
from simulations.audits.result import Figure
from simulations.audits.transcript import MARKER, MarkedPopulation, read_fields, read_markers, read_sizes
from simulations.audits.transcript_recording import Transcript
from simulations.audits.transcript_search import encodings_of, found_in
from simulations.audits.transcript_statistics import chance_of, least_of, likeness, likeness_unmasked, uniformity
from simulations.engines.inline import run_inline
from simulations.engines.wire import Packet, pack, unpack
from simulations.engines.workers import Handle
from tests.federation import FewDevices, plan

_BITS = 20


def _private(**changes: object) -> FederationPlan:
    private = replace(
        plan(rounds=1, cohort_size=6, devices=6),
        user_privacy=UserPrivacyTerms(mechanism="skellam", noise_multiplier=2.0),
        sampling="schedule", secure_aggregation=SecureAggregationTerms(stage_timeout=20.0),
    )  # fmt: skip
    return replace(private, **changes)  # type: ignore[arg-type]


def _record(of: FederationPlan, directory: Path) -> Transcript:
    transcript = Transcript()
    _federate(of, directory, transcript.record)
    return transcript


def _federate(
    of: FederationPlan, directory: Path, tamper: Callable[[Callable[[], Handle]], Callable[[], Handle]]
) -> None:
    population = MarkedPopulation(population=FewDevices(devices=of.devices), devices=of.devices)
    run_inline(of, population, directory=directory, processes=0, tamper=tamper)


def test_masks_are_uniform_and_small_numbers_are_not() -> None:
    generator = np.random.default_rng(5)
    masked = [generator.integers(0, 1 << _BITS, 5000).astype(np.uint32) for _ in range(20)]
    assert least_of([uniformity(one, _BITS) for one in masked]) > 0.001
    small = to_modulus(generator.normal(0, 300, 5000).astype(np.int64), _BITS)
    assert uniformity(small, _BITS) < 1e-9
    # Half a mask is none: the highest bit alone, not masked.
    assert uniformity(masked[0] & np.uint32((1 << (_BITS - 1)) - 1), _BITS) < 1e-9


def test_likeness_is_seen_without_masks_and_not_under_them() -> None:
    generator = np.random.default_rng(6)
    clear = generator.normal(0, 50, 5000)
    masks = [generator.integers(0, 1 << _BITS, 5000) for _ in range(10)]
    under = [likeness(to_modulus(clear.astype(np.int64) + mask, _BITS), clear, _BITS) for mask in masks]
    assert chance_of(under) > 0.001
    noised = to_modulus((clear + generator.normal(0, 400, 5000)).astype(np.int64), _BITS)
    assert likeness_unmasked(noised, clear, _BITS) > 5
    # A mask of too few bits lets the update show.
    thin = [to_modulus(64 * clear.astype(np.int64) + (mask >> 8), _BITS) for mask in masks]
    assert chance_of([likeness_unmasked(one, clear, _BITS) for one in thin]) < 1e-9


def test_a_marker_is_found_in_every_encoding() -> None:
    encodings = encodings_of(MARKER, [17, 300, 1200, 5])
    for name, written in encodings.items():
        assert name in found_in(b"before" + written + b"behind", encodings)
    assert found_in(np.random.default_rng(0).bytes(200_000), encodings) == ()


@settings(max_examples=50)
@given(before=st.binary(max_size=9), behind=st.binary(max_size=9))
def test_a_marker_is_found_in_base64_wherever_it_stands(before: bytes, behind: bytes) -> None:
    import base64

    written = base64.b64encode(before + MARKER.encode() + behind)
    assert found_in(written, encodings_of(MARKER, [1, 2, 3]))


def test_a_secure_federation_sends_nothing_but_what_is_listed(tmp_path: Path) -> None:
    of = _private()
    transcript = _record(of, tmp_path / "run")
    figures: dict[str, Figure] = {}
    assert read_fields(transcript, of, figures) == []
    assert read_sizes(transcript, of, figures) == []
    assert read_markers(transcript, load_language_model(of.model), figures) == []
    sent = figures["fields_sent_up"]
    assert isinstance(sent, dict)
    assert "mask: stage-reply.body" in sent
    assert "update.vector" not in sent
    sizes = figures["content_bytes_by_what_a_device_holds"]
    assert isinstance(sizes, dict)
    assert set(sizes) == {"train", "share", "mask", "confirm", "reveal"}
    assert {one.device for one in transcript.of("up", "mask", 1)} == set(range(6))


def test_a_client_that_tells_is_caught(tmp_path: Path) -> None:
    def telling(honest: Handle) -> Handle:
        def handle(packet: Packet) -> Packet:
            reply = unpack(honest(packet))
            device = reply.metadata.src_node_id
            reply.content["note"] = ConfigRecord({"about": f"I am {MARKER}" * (1 + device % 3)})
            return pack(reply)

        return handle

    of, transcript = _private(), Transcript()
    # The server refuses what it did not ask for, so nothing comes of such a round: but it has seen it.
    with pytest.raises(TooFewRepliesError):
        _federate(of, tmp_path / "run", lambda open_client: transcript.record(lambda: telling(open_client())))
    figures: dict[str, Figure] = {}
    assert read_fields(transcript, of, figures) == ["the field note.about is sent, and may not be"]
    assert read_sizes(transcript, of, figures) == ["sizes at stage train depend on what a device holds"]
    found = read_markers(transcript, load_language_model(of.model), figures)
    assert found == ["a marker was found (up, train: utf-8)"]


def test_a_plain_federation_says_what_it_says(tmp_path: Path) -> None:
    of = plan(rounds=1, cohort_size=6, devices=6)
    transcript = _record(of, tmp_path / "run")
    figures: dict[str, Figure] = {}
    assert read_fields(transcript, of, figures) == []
    sent = figures["fields_sent_up"]
    assert isinstance(sent, dict)
    assert {"update.vector", "metrics.loss", "metrics.pairs"} <= set(sent)
    # The same messages in a run that promises something.
    broken = read_fields(transcript, _private(), {})
    assert "the field metrics.pairs is sent, and may not be" in broken
    assert "the field update.vector is sent, and may not be" in broken
    assert "reply.status differs between devices" in broken


@pytest.mark.parametrize("ids", [[1], [1, 2]])
def test_markers_too_short_to_tell_are_refused(ids: list[int]) -> None:
    with pytest.raises(ValueError, match="three tokens"):
        encodings_of(MARKER, ids)
