"""What secure aggregation costs a device and the server, beside Flower's SecAgg+ on the same vectors.

Whole rounds between members in one process, a third of whom vanish before they send their vectors; one member's stages
in the largest cohort; and one member's stages beside those of Flower's own client (its P-384 keys, its secret sharing,
its masks of a 32-bit seed). Times are without network, training and disk.
"""

from __future__ import annotations

import hashlib
import logging
import os
import statistics
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from shared.secagg import layouts
from shared.secagg.device_session import DeviceSession
from shared.secagg.masking import apply_mask
from shared.secagg.server_session import ServerSession
from shared.secagg.session_keys import Sealer, SecretKey
from shared.secagg.session_terms import Member, SessionTerms, choose_threshold
from simulations.benchmarks.distributed_noise import errors
from simulations.benchmarks.report import make_report

_DROPOUT, _CORRUPT, _BITS = 1 / 3, 0.1, 24
_PEER_COHORT = 100
_P = ParamSpec("_P")
_T = TypeVar("_T")


def run(
    json_path: Path | None = None,
    *,
    rounds: tuple[tuple[int, int], ...] = ((10, 1_000), (10, 100_000), (100, 1_000), (100, 100_000)),
    largest: tuple[int, int] = (1000, 1_000_000),
    peer: tuple[int, int] = (_PEER_COHORT, 100_000),
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, object]:
    """Runs the benchmark, writes it as JSON where a path is given, and returns it.

    Args:
        rounds: members and numbers a vector of each whole round.
        largest: the same of the cohort of which one member is measured.
        peer: the same of the one that Flower's client is measured in too.
        progress: is told of every finished part.
    """
    threads, level = torch.get_num_threads(), logging.getLogger("flwr").level
    torch.set_num_threads(1)
    results: list[dict[str, object]] = []
    mine: dict[str, float] = {}
    try:
        for members, dimension in rounds:
            one = _round(members, dimension)
            results.append(one)
            progress(
                f"{members:>4} members, {dimension:>9,} numbers, a third vanished: "
                f"a device {one['device_seconds']:.3f} s, server {one['server_seconds']:.2f} s"
            )
        for members, dimension in dict.fromkeys((largest, peer)):
            mine = _one_device(members, dimension)
            results.append({"part": "one device", "members": members, "dimension": dimension, **mine})
            progress(f"{members:>4} members, {dimension:>9,} numbers, one device: {_spelled(mine)}")
        logging.getLogger("flwr").setLevel(logging.ERROR)  # Flower's client tells of every stage
        flower = _flower_device(*peer)
        results.append({"part": "one device of Flower's SecAgg+", "members": peer[0], "dimension": peer[1], **flower})
        progress(f"{peer[0]:>4} members, {peer[1]:>9,} numbers, Flower's SecAgg+: {_spelled(flower)}")
        noise = errors(members=peer[0], dimension=peer[1])
        for found in noise:
            results.append({"part": "noise", "members": peer[0], "dimension": peer[1], **found})
            progress(
                f"error of a mean of {peer[0]}, {found['dropout']:.0%} may vanish, {found['corrupt']:.0%} be corrupt: "
                f"{found['error_ratio']:.3f} of central noise at equal epsilon, {found['bits']:.0f} bits a number"
            )
        ours, theirs = _mask_expansion(peer[1])
        results.append({"part": "one mask", "dimension": peer[1], "tacit": ours, "flower": theirs})
    finally:
        torch.set_num_threads(threads)
        logging.getLogger("flwr").setLevel(level)
    return make_report(
        "secagg",
        packages=("tacit", "flwr", "numpy", "cryptography", "pycryptodome"),
        results=results,
        ratios={
            "one mask: Flower's from a 32-bit seed to ours from a 256-bit key, ours added": theirs / ours,
            "error of the mean at equal epsilon: distributed to central noise": noise[0]["error_ratio"],
            "the same, a third may vanish and a tenth be corrupt": noise[-1]["error_ratio"],
            "a device's whole work: Flower's SecAgg+ to ours": sum(flower.values()) / sum(mine.values()),
        },
        json_path=json_path,
    )


class _Clock:
    """Adds up seconds by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__(self, name: str, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """What `work` returns."""
        began = time.perf_counter()
        done = work(*args, **kwargs)
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
        return done


def _round(members: int, dimension: int) -> dict[str, object]:
    """Every member's part and the server's, checked to give the exact sum."""
    terms, identities = _terms(members, dimension)
    vanished = set(range(members - terms.threshold))
    vectors = _vectors(members, dimension)
    clock = _Clock()
    server = ServerSession(terms)
    sessions: dict[int, DeviceSession] = {}
    sent = dict.fromkeys(range(members), 0)

    def say(number: int, said: bytes) -> bytes:
        sent[number] += len(said)
        return said

    def begin(number: int) -> bytes:
        sessions[number], said = DeviceSession.begin(
            terms, number=number, identity=identities[number], entropy=os.urandom
        )
        return said

    advertised = {n: say(n, clock(str(n), begin, n)) for n in range(members)}
    shown = clock("server", server.show_keys, advertised)
    shared = {n: say(n, clock(str(n), sessions[n].share, keys, entropy=os.urandom)) for n, keys in shown.items()}
    for number, handed in clock("server", server.hand_shares, shared).items():
        if number not in vanished:
            masked = say(number, clock(str(number), sessions[number].mask, handed, vectors[number]))
            clock("server", server.add, number, masked)
    claimed = clock("server", server.survivors)
    confirmed = {n: say(n, clock(str(n), sessions[n].confirm, survivors)) for n, survivors in claimed.items()}
    agreed = clock("server", server.show_confirmations, confirmed)
    revealed = {n: say(n, clock(str(n), sessions[n].reveal, signatures)) for n, signatures in agreed.items()}
    total = clock("server", server.unmask, revealed)
    expected = sum(vectors[number].astype(np.int64) for number in range(members) if number not in vanished)
    if not np.array_equal(total, expected):
        raise RuntimeError("the sum is wrong")
    stayed = [clock.seconds[str(number)] for number in range(members) if number not in vanished]
    return {
        "part": "round",
        "members": members,
        "dimension": dimension,
        "vanished": len(vanished),
        "device_seconds": statistics.median(stayed),
        "server_seconds": clock.seconds["server"],
        "device_bytes_up": max(sent.values()),
    }


def _one_device(members: int, dimension: int) -> dict[str, float]:
    """Seconds of the stages of member 0. The others only make what it is shown."""
    terms, identities = _terms(members, dimension)
    began = [
        DeviceSession.begin(terms, number=number, identity=identities[number], entropy=os.urandom)
        for number in range(1, members)
    ]
    clock = _Clock()
    session, own = clock("keys", DeviceSession.begin, terms, number=0, identity=identities[0], entropy=os.urandom)
    advertised = [layouts.parse_advertisement(said) for said in (own, *(said for _, said in began))]
    keys = layouts.join_advertisements(advertised)
    shared = layouts.parse_sealed(clock("share", session.share, keys, entropy=os.urandom), most=members)
    handed = layouts.join_entries(
        {
            peer: _sealed_for_the_first(one, advertised[0], terms, peer, keys)
            for peer, (one, _) in enumerate(began, start=1)
            if peer in shared
        }
    )
    vector = _vectors(1, dimension)[0]
    clock("mask", session.mask, handed, vector)
    claimed = range(terms.threshold)
    clock("confirm", session.confirm, layouts.join_numbers(claimed))
    statement = layouts.survivors_statement(terms.context, keys=keys, sharers=range(members), survivors=list(claimed))
    confirmed = layouts.join_entries({number: identities[number].sign(statement) for number in claimed})
    clock("reveal", session.reveal, confirmed)
    return clock.seconds


def _sealed_for_the_first(
    session: DeviceSession, first: layouts.Advertisement, terms: SessionTerms, peer: int, keys: bytes
) -> bytes:
    sealer = Sealer(
        SecretKey(session.secrets.sealing_secret), first.sealing_key, context=terms.context, me=peer, other=first.number
    )
    return sealer.seal(peer, peer, keys=terms.context + hashlib.sha256(keys).digest(), entropy=os.urandom)


def _flower_device(members: int, dimension: int) -> dict[str, float]:
    """The same of node 0 in Flower's SecAgg+ with every other node as its neighbour, by its own client's functions."""
    from flwr.common import ndarrays_to_parameters
    from flwr.common.secure_aggregation import secaggplus_constants
    from flwr.common.secure_aggregation.crypto.symmetric_encryption import encrypt
    from flwr.common.secure_aggregation.secaggplus_utils import share_keys_plaintext_concat

    flower = import_module("flwr.client.mod.secure_aggregation.secaggplus_mod")
    threshold, _ = choose_threshold(members, dropout=_DROPOUT, corrupt=_CORRUPT)
    key = secaggplus_constants.Key
    setting = {
        key.SAMPLE_NUMBER: members,
        key.SHARE_NUMBER: members,
        key.THRESHOLD: threshold,
        key.CLIPPING_RANGE: 8.0,
        key.TARGET_RANGE: 2**22,
        key.MOD_RANGE: 2**32,
        key.MAX_WEIGHT: 1000.0,
    }
    states = []
    clock = _Clock()
    for number in range(members):
        state = flower.SecAggPlusState()
        state.nid = number
        states.append(state)
        clock("keys" if number == 0 else "others", flower._setup, state, dict(setting))
    del clock.seconds["others"]
    keys = {str(number): (state.pk1, state.pk2) for number, state in enumerate(states)}
    first = states[0]
    clock("share", flower._share_keys, first, dict(keys))
    peers = range(1, members)
    ciphertexts = [
        encrypt(
            first.ss2_dict[peer],
            share_keys_plaintext_concat(peer, 0, first.rd_seed_share_dict[0], first.sk1_share_dict[0]),
        )
        for peer in peers
    ]
    handed = {key.CIPHERTEXT_LIST: ciphertexts, key.SOURCE_LIST: list(peers)}
    parameters = ndarrays_to_parameters([np.zeros(dimension, dtype=np.float32)])
    clock("mask", flower._collect_masked_vectors, first, handed, 1, parameters)
    claimed = {key.ACTIVE_NODE_ID_LIST: list(range(threshold)), key.DEAD_NODE_ID_LIST: list(peers)[threshold - 1 :]}
    clock("reveal", flower._unmask, first, claimed)
    return clock.seconds


def _mask_expansion(dimension: int) -> tuple[float, float]:
    """Median seconds of one mask: ours expanded and added, Flower's expanded only."""
    from flwr.common.secure_aggregation.secaggplus_utils import pseudo_rand_gen

    key, vector = os.urandom(32), np.zeros(dimension, dtype=np.uint32)
    return (
        _median(lambda: apply_mask(vector, key, 1)),
        _median(lambda: pseudo_rand_gen(key, 2**32, [(dimension,)])),
    )


def _terms(members: int, dimension: int) -> tuple[SessionTerms, list[Ed25519PrivateKey]]:
    identities = [Ed25519PrivateKey.generate() for _ in range(members)]
    threshold, corrupt = choose_threshold(members, dropout=_DROPOUT, corrupt=_CORRUPT)
    return SessionTerms(
        run="0" * 32,
        round_number=1,
        attempt=1,
        part=0,
        plan="",
        model="",
        server="",
        members=tuple(
            Member(number=number, identity=key.public_key().public_bytes_raw().hex())
            for number, key in enumerate(identities)
        ),
        threshold=threshold,
        corrupt=corrupt,
        dimension=dimension,
        bits=_BITS,
    ), identities


def _vectors(members: int, dimension: int) -> list[NDArray[np.uint32]]:
    generator = np.random.default_rng(0)
    return [generator.integers(2**10, size=dimension, dtype=np.uint32) for _ in range(members)]


def _spelled(stages: dict[str, float]) -> str:
    return ", ".join(f"{stage} {seconds:.3f} s" for stage, seconds in stages.items())


def _median(work: Callable[[], object], *, times: int = 31) -> float:
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)
