"""What `tacit-sim`'s commands share: figures with intervals, a file of figures, errors that say what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from shared.command_line import explained
from shared.flat_config import ConfigError

if TYPE_CHECKING:
    from simulations.evaluation.statistics import Estimate

out, err = Console(), Console(stderr=True)


def shown_estimate(found: Estimate, *, points: bool = False) -> str:
    """A share in per cent, or a difference in points, with its interval."""
    if points:
        return f"{100 * found.value:+.0f} [{100 * found.low:+.0f}, {100 * found.high:+.0f}]"
    return f"{found.value:.0%} [{found.low:.0%}, {found.high:.0%}]"


def write_json(path: Path | None, values: Mapping[str, object]) -> None:
    """Writes figures where a path is given."""
    if path is not None:
        path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
        out.print(f"figures: {path}", markup=False, highlight=False)


def _expected() -> tuple[type[Exception], ...]:
    from flwr.serverapp.exception import PrivacyBudgetExhausted

    from client.device import DeviceError
    from client.followups.light import LightWeightsError
    from client.privacy_ledger import LedgerError
    from client.rewards.reward_model import RewardModelError
    from client.training import TrainingError
    from server.central_noise import NoiseStateError
    from server.ledger import ChainError
    from server.releases import ReleaseError
    from server.roster import RosterError
    from server.rounds import TooFewRepliesError
    from shared.adapter_spec import AdapterError
    from shared.chat_format import ChatTemplateError
    from shared.language_model import LanguageModelError
    from shared.preference_files import PreferenceFileError
    from shared.privacy.clipping import NonFiniteUpdateError
    from shared.signing_key import SigningKeyError
    from simulations.audits.user_shadow import ShadowFailedError
    from simulations.engines.deployed import DeploymentError
    from simulations.engines.ray import RayClusterError, RayMissingError
    from simulations.evaluation.pairwise_result import PairwiseError
    from simulations.evaluation.recorded_votes import NoVotesError
    from simulations.evaluation.standard_tasks import StandardBenchmarkError
    from simulations.population.made import MadePairsError
    from simulations.population.parquet_rows import ParquetUnavailableError
    from simulations.population.wildchat import WildChatError
    from simulations.population.wildllamachat import RegenerationError
    from simulations.pretrain import CheckpointMismatchError

    return (
        AdapterError,
        ChainError,
        ChatTemplateError,
        CheckpointMismatchError,
        ConfigError,
        DeploymentError,
        DeviceError,
        LanguageModelError,
        LedgerError,
        LightWeightsError,
        MadePairsError,
        NonFiniteUpdateError,
        NoVotesError,
        NoiseStateError,
        OSError,
        PairwiseError,
        ParquetUnavailableError,
        PreferenceFileError,
        PrivacyBudgetExhausted,
        RayClusterError,
        RayMissingError,
        RegenerationError,
        ReleaseError,
        RewardModelError,
        RosterError,
        ShadowFailedError,
        SigningKeyError,
        StandardBenchmarkError,
        TooFewRepliesError,
        TrainingError,
        WildChatError,
    )


def explained_here(interrupted: str = "nothing was written") -> AbstractContextManager[None]:
    """Ends the command with one line for each kind of error that says what to do."""
    return explained(_expected, err, interrupted=interrupted)
