"""Apple's `pfl` as a peer of the engines: the same model, pairs, cohorts, local step, clipping and server step.

Its own `SimulatedBackend`, `FederatedAveraging`, `PyTorchModel` and `NormClippingOnly` run them, in processes of their
own, since pfl changes how PyTorch starts processes; two of them split each cohort, as pfl does under `torchrun`. What a
user's data set holds is prepared by `client.prepared_pairs` with one cache a process, and the loss is that of
`client.training`, of the same passes: what differs is everything else that a simulation does.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing.connection import Connection

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from client.prepared_pairs import CostMeter, PairCache, PreparedPair, prepare_pairs
from client.training import TrainingConfig, packed_losses
from client.update import training_config
from server.cohorts import RandomCohorts
from server.roster import Roster
from shared.adapter import AdaptedModel, attach_adapter
from shared.language_model import load_language_model
from shared.round_plan import FederationPlan
from simulations.engines.loopback import LOOPBACK, free_ports
from simulations.engines.workers import one_thread_each
from simulations.population.protocol import Population

# Its metadata wants a dp-accounting below 0.6, and Tacit wants a newer one: no resolver installs both. What is measured
# here uses no accountant.
PACKAGES = ("pfl", "prv-accountant")
INSTALL = "pip install 'tacit[bench]', then pip install --no-deps pfl==0.6.0 prv-accountant==0.2.0"
_NEEDED = ("pfl", "prv_accountant", "multiprocess")


class PflError(RuntimeError):
    """pfl could not run the plan."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PflRun:
    """Attributes:
    round_seconds: of each round.
    whole_seconds: from before its processes were started to their end.
    vector: (state_dimension,) the final adapter.
    """

    round_seconds: tuple[float, ...]
    whole_seconds: float
    vector: NDArray[np.float32]


def is_installed() -> bool:
    """Whether pfl and what it imports are there."""
    return all(find_spec(name) is not None for name in _NEEDED)


def run_pfl(plan: FederationPlan, population: Population, *, processes: int = 1) -> PflRun:
    """Runs a plan without privacy over a population with pfl.

    Args:
        plan: of a method that shares B alone from plain means ("ffa-lora"), one local step on all pairs, SGD twice.
        population: no device of it is without pairs.
        processes: must divide the cohort.

    Raises:
        PflError: a process died; what it said is on the error stream.
        ValueError: a plan that pfl is not asked to run here.
    """
    terms = plan.training
    if plan.is_private or plan.adapter.method != "ffa-lora" or plan.step_terms.optimizer != "sgd":
        raise ValueError("pfl runs plans of FFA-LoRA here, without privacy and with plain server steps")
    if (terms.local_steps, terms.batch_size, terms.optimizer) != (1, None, "sgd") or plan.cohort_size % processes:
        raise ValueError("pfl takes one local step on all pairs here, and cohorts that its processes split evenly")
    context = multiprocessing.get_context("spawn")
    (port,) = free_ports(1)
    began = time.perf_counter()
    ends: list[Connection] = []
    workers = []
    try:
        with one_thread_each():
            for rank in range(processes):
                ours, theirs = context.Pipe()
                # pfl joins the others only in what is called the main process.
                worker = context.Process(
                    target=_work,
                    args=(theirs, plan, population, rank, processes, port),
                    name="MainProcess",
                    daemon=True,
                )
                worker.start()
                theirs.close()
                workers.append(worker)
                ends.append(ours)
        try:
            said = [end.recv() for end in ends]
        except EOFError:
            raise PflError("a process of pfl died") from None
        for worker in workers:
            worker.join()
    finally:
        for worker in workers:
            worker.kill()
    seconds, vector = said[0]
    return PflRun(round_seconds=tuple(seconds), whole_seconds=time.perf_counter() - began, vector=vector)


class _DpoModule(nn.Module):
    """What pfl asks of a model: a loss of a user's data, and metrics, of which none are wanted."""

    def __init__(self, adapted: AdaptedModel, config: TrainingConfig) -> None:
        super().__init__()
        self.network = adapted.language_model.model
        self._adapted = adapted
        self._config = config

    def loss(self, places: Tensor, pairs: Sequence[PreparedPair]) -> Tensor:
        """The mean loss of the pairs at `places`, over the passes that `client.training` makes."""
        chosen = [pairs[int(place)] for place in places]
        losses = packed_losses(self._adapted, chosen, self._config, CostMeter())
        return torch.stack([loss.total.sum() for _, loss in losses]).sum() / len(chosen)

    def metrics(self, places: Tensor, pairs: Sequence[PreparedPair]) -> Mapping[str, object]:  # noqa: ARG002
        """None: pfl would measure the first round's users before and after."""
        return {}


def _cohorts(plan: FederationPlan) -> Iterator[int]:
    """The devices of every round, in order: those that Tacit's server asks."""
    roster = Roster(devices=range(plan.devices), nodes=range(plan.devices))
    draws = RandomCohorts(plan)
    for number in range(1, plan.rounds + 1):
        yield from draws.draw(roster, round_number=number, attempt=1, place=number - 1)


def _work(pipe: Connection, plan: FederationPlan, population: Population, rank: int, processes: int, port: int) -> None:
    if processes > 1:  # as `torchrun` would
        os.environ |= {
            "TORCHELASTIC_RUN_ID": "tacit",
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(processes),
            "LOCAL_WORLD_SIZE": str(processes),
            "MASTER_ADDR": LOOPBACK,
            "MASTER_PORT": str(port),
        }
    if plan.model.device != "auto":
        os.environ["PFL_PYTORCH_DEVICE"] = plan.model.device
    torch.set_num_threads(1)
    pipe.send(_simulate(plan, population))
    pipe.close()


def _simulate(plan: FederationPlan, population: Population) -> tuple[list[float], NDArray[np.float32]]:
    """Seconds of each round, and the final adapter."""
    from pfl.aggregate.simulate import SimulatedBackend
    from pfl.algorithm.base import NNAlgorithmParams
    from pfl.algorithm.federated_averaging import FederatedAveraging
    from pfl.callback.base import TrainingProcessCallback
    from pfl.data.federated_dataset import FederatedDataset
    from pfl.data.pytorch import PyTorchTensorDataset
    from pfl.hyperparam import NNTrainHyperParams
    from pfl.metrics import Metrics
    from pfl.model.pytorch import PyTorchModel
    from pfl.privacy.privacy_mechanism import NormClippingOnly

    adapted = attach_adapter(load_language_model(plan.model), plan.adapter)
    config, cache, meter = training_config(plan), PairCache(), CostMeter()

    def user_data(device: int) -> PyTorchTensorDataset:
        pairs = population.pairs(device)
        prepared = prepare_pairs(adapted, pairs, config.limits(), meter=meter, cache=cache)
        return PyTorchTensorDataset(
            tensors=(torch.arange(len(prepared)),), user_id=str(device), train_kwargs={"pairs": prepared},
            eval_kwargs={"pairs": prepared},
        )  # fmt: skip

    ends: list[float] = []

    class Clock(TrainingProcessCallback):  # type: ignore[misc]
        def after_central_iteration(self, *_: object, **__: object) -> tuple[bool, Metrics]:
            ends.append(time.perf_counter())
            return False, Metrics()

    devices = _cohorts(plan)
    users = FederatedDataset(user_data, lambda: next(devices))
    central = torch.optim.SGD(adapted.shared_parameters(), lr=1.0)
    model = PyTorchModel(
        model=_DpoModule(adapted, config),
        local_optimizer_create=lambda parameters, lr: torch.optim.SGD(
            [one for one in parameters if one.requires_grad], lr=lr
        ),
        central_optimizer=central,
        central_learning_rate_scheduler=torch.optim.lr_scheduler.LambdaLR(
            central, lambda finished: plan.server_step(min(finished + 1, plan.rounds))
        ),
    )
    began = time.perf_counter()
    FederatedAveraging().run(
        NNAlgorithmParams(
            central_num_iterations=plan.rounds,
            evaluation_frequency=plan.rounds,
            train_cohort_size=plan.cohort_size,
            val_cohort_size=None,
        ),
        SimulatedBackend(training_data=users, val_data=users, postprocessors=[NormClippingOnly(2, plan.clipping_norm)]),
        model,
        NNTrainHyperParams(local_batch_size=None, local_num_epochs=1, local_learning_rate=config.learning_rate),
        callbacks=[Clock()],
        send_metrics_to_platform=False,
    )
    return np.diff([began, *ends]).tolist(), adapted.read()
