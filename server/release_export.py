"""A release for everyone: a PEFT directory, or a merged model, with its card and its manifest."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from server.ledger import LEDGER_FILE, ChainError, LedgerState, read_state
from server.model_card import ReleaseFacts, model_card
from server.release_chain import read_chain, read_release
from server.releases import ReleaseError, read_checkpoint
from server.run_summary import read_summary
from server.whole_files import whole_directory
from shared.adapter import AdaptedModel, attach_adapter
from shared.flat_config import ConfigError
from shared.language_model import LanguageModel, load_language_model
from shared.merging import merge, save_whole
from shared.plan_guarantees import plan_guarantees, planned_guarantees
from shared.release import MANIFEST_FILE, ReleaseManifest, ReleaseManifestError
from shared.round_plan import FederationPlan

_CARD = "README.md"
_OF_SIMULATIONS = "config.toml"  # which `tacit-sim` writes before a run begins


@dataclass(frozen=True, kw_only=True, eq=False)
class FoundRelease:
    """Attributes:
    manifest: None where the run signs nothing.
    specification: digest of the adapter's layout.
    vector: (state_dimension,) float32.
    """

    round_number: int
    plan: FederationPlan
    specification: str
    vector: NDArray[np.float32]
    manifest: ReleaseManifest | None


def find_release(run_directory: Path, round_number: int | None = None) -> FoundRelease:
    """A signed release of a run, by default the last; of a run that signs nothing, what its last round left.

    Raises:
        ReleaseError: there is no such release, its adapter is no longer kept, or the chain is broken.
        OSError: it cannot be read.
    """
    if not run_directory.is_dir():
        raise ReleaseError(f"there is no directory {run_directory}")
    try:
        chain = read_chain(run_directory)
        if not chain:
            return _unsigned(run_directory, round_number)
        wanted = chain[-1].round_number if round_number is None else round_number
        manifest = next((one for one in chain if one.round_number == wanted), None)
        if manifest is None:
            raise ReleaseError(
                f"{run_directory} has no signed release {wanted}: there are {chain[0].round_number} to "
                f"{chain[-1].round_number}"
            )
        payload = read_release(run_directory, manifest)
    except ReleaseManifestError as error:
        raise ReleaseError(f"{run_directory}: {error}") from None
    return FoundRelease(
        round_number=manifest.round_number,
        plan=payload.plan,
        specification=manifest.specification,
        vector=payload.vector,
        manifest=manifest,
    )


def export_release(run_directory: Path, out: Path, *, round_number: int | None = None, merged: bool = False) -> Path:
    """Writes a release into a new directory, whole or not at all.

    Args:
        merged: the whole model with the adapter folded in; else a PEFT directory of the adapter.

    Returns:
        `out`.

    Raises:
        ReleaseError: see `find_release`; or the base model here is not the run's, or something stands in `out`.
        LanguageModelError: the base model cannot be loaded.
        AdapterError: it cannot be merged.
        OSError: it cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ReleaseError(f"{out} is not empty: name a new directory")
    found = find_release(run_directory, round_number)
    begun = _ledger(run_directory, found.plan)
    base = load_language_model(found.plan.model)
    fingerprint = base.fingerprint()
    plain = base.twin()
    adapted = attach_adapter(base, found.plan.adapter)
    if adapted.spec.digest() != found.specification:
        raise ReleaseError(
            f"the model {base.name!r} on this machine is not the base of this run, or another version of it "
            f"(fingerprint {fingerprint[:16]}): put the run's own in its place"
        )
    adapted.load(found.vector)
    card = model_card(_facts(run_directory, found, begun, adapted, merged=merged))
    out.parent.mkdir(parents=True, exist_ok=True)
    with whole_directory(out) as made:
        _write(made, found, adapted, plain if merged else None)
        (made / _CARD).write_text(card, encoding="utf-8")
        if found.manifest is not None:
            (made / MANIFEST_FILE).write_text(found.manifest.to_json(), encoding="utf-8")
        for file in made.iterdir():
            file.chmod(0o644)  # for others to read, as its directory is
        with suppress(FileNotFoundError):
            out.rmdir()
    return out


def _write(directory: Path, found: FoundRelease, adapted: AdaptedModel, plain: LanguageModel | None) -> None:
    if plain is None:
        adapted.save(directory)
        return
    merge(plain, adapted)
    save_whole(plain, directory, chat_template=found.plan.model.chat_template)


def _unsigned(run_directory: Path, round_number: int | None) -> FoundRelease:
    checkpoint = read_checkpoint(run_directory)
    last = checkpoint.record.round_number
    if round_number not in (None, last):
        raise ReleaseError(f"{run_directory} signs no releases and keeps its last one only: round {last}")
    try:
        plan = FederationPlan.from_run_config(checkpoint.plan)
    except ConfigError as error:
        raise ReleaseError(f"the run in {run_directory} followed a plan that cannot be read: {error}") from None
    return FoundRelease(
        round_number=last, plan=plan, specification=checkpoint.spec, vector=checkpoint.vector, manifest=None
    )


def _ledger(run_directory: Path, plan: FederationPlan) -> LedgerState:
    """Without what was asked there is no guarantee to state, and so nothing to hand out."""
    try:
        begun = read_state(run_directory / LEDGER_FILE)
    except ChainError as error:
        raise ReleaseError(str(error)) from None
    if begun is None or begun.plan != plan.digest():
        raise ReleaseError(f"the ledger of the run in {run_directory} is gone, or another run's: it cannot be exported")
    return begun


def _facts(
    run_directory: Path, found: FoundRelease, begun: LedgerState, adapted: AdaptedModel, *, merged: bool
) -> ReleaseFacts:
    plan, done = found.plan, max(begun.released, default=0)
    summary = read_summary(run_directory)
    try:
        given = plan_guarantees(plan, devices=begun.device_count, requests=len(begun.asked), releases=done)
        planned = None if done >= plan.rounds else planned_guarantees(plan)
    except ValueError as error:
        raise ReleaseError(f"no guarantee can be stated for the run in {run_directory}: {error}") from None
    return ReleaseFacts(
        plan=plan,
        spec=adapted.spec,
        round_number=found.round_number,
        rounds_done=done,
        devices=begun.device_count,
        given=given,
        planned=planned,
        manifest=found.manifest,
        is_simulated=(run_directory / _OF_SIMULATIONS).exists(),
        # Its figures are of the run's end.
        summary=summary if found.round_number == plan.rounds else None,
        merged=merged,
    )
