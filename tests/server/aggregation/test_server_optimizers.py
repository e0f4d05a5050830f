from __future__ import annotations

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.common.constant import SUPERLINK_NODE_ID
from flwr.serverapp.strategy import FedAdagrad, FedAdam, FedAvgM, FedYogi
from flwr.serverapp.strategy.fedavg import FedAvg
from flwr.supercore.task_identity import TaskIdentity
from numpy.typing import NDArray

from server.aggregation.server_optimizers import Method, ServerOptimizer

_D, _TAU, _RATE = 7, 1e-2, 0.3
_ROUNDS = [np.random.default_rng(0).standard_normal(_D) * scale for scale in (1.0, 0.1, 3.0, 0.0, 1e-3)]
_METHODS: tuple[Method, ...] = ("sgd", "momentum", "adam", "adagrad", "yogi")


def _path(optimizer: ServerOptimizer) -> list[NDArray[np.float64]]:
    """Parameters after each round, from ones."""
    parameters = np.ones(_D)
    return [parameters := parameters + optimizer.step(change, _RATE) for change in _ROUNDS]


def _reply(parameters: NDArray[np.float64]) -> Message:
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, SUPERLINK_NODE_ID, 1
    asked = Message(RecordDict(), dst_node_id=1, message_type="train")
    arrays, metrics = ArrayRecord({"x": Array(parameters)}), MetricRecord({"num-examples": 1})
    return Message(RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=asked)


def _flowers_path(strategy: FedAvg) -> list[NDArray[np.float64]]:
    """The same from one device, whose model is the global one plus the round's change."""
    parameters, path = np.ones(_D), []
    for number, change in enumerate(_ROUNDS, start=1):
        if isinstance(strategy, FedAvgM):
            strategy.current_arrays = ArrayRecord({"x": Array(parameters)})
        else:
            assert isinstance(strategy, FedAdagrad | FedAdam | FedYogi)
            strategy.current_arrays = {"x": parameters}
            strategy.v_t = strategy.v_t or {"x": np.full(_D, _TAU**2)}  # where the paper starts it
        if isinstance(strategy, FedAdam):  # the correction that the paper does not have
            strategy.eta = _RATE * (1 - strategy.beta_1 ** (number + 1)) / np.sqrt(1 - strategy.beta_2 ** (number + 1))
        arrays, _ = strategy.aggregate_train(number, [_reply(parameters + change)])
        assert arrays is not None
        parameters = arrays["x"].numpy()
        path.append(parameters)
    return path


@pytest.mark.parametrize(
    ("optimizer", "strategy"),
    [
        (ServerOptimizer("sgd", dimension=_D), FedAvgM(server_learning_rate=_RATE)),
        (
            ServerOptimizer("momentum", dimension=_D, beta1=0.7),
            FedAvgM(server_learning_rate=_RATE, server_momentum=0.7),
        ),
        (
            ServerOptimizer("adam", dimension=_D, beta1=0.7, beta2=0.9, adaptivity=_TAU),
            FedAdam(beta_1=0.7, beta_2=0.9, tau=_TAU),
        ),
        (ServerOptimizer("adagrad", dimension=_D, beta1=0, adaptivity=_TAU), FedAdagrad(eta=_RATE, tau=_TAU)),
        (
            ServerOptimizer("yogi", dimension=_D, beta1=0.7, beta2=0.9, adaptivity=_TAU),
            FedYogi(eta=_RATE, beta_1=0.7, beta_2=0.9, tau=_TAU),
        ),
    ],
    ids=_METHODS,
)
def test_steps_are_flowers(optimizer: ServerOptimizer, strategy: FedAvg) -> None:
    for ours, theirs in zip(_path(optimizer), _flowers_path(strategy), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10)


def test_sgd_and_momentum_are_pytorchs() -> None:
    for method, momentum in (("sgd", 0.0), ("momentum", 0.7)):
        parameters = torch.ones(_D, dtype=torch.float64, requires_grad=True)
        torchs = torch.optim.SGD([parameters], lr=_RATE, momentum=momentum)
        ours = _path(ServerOptimizer("sgd" if method == "sgd" else "momentum", dimension=_D, beta1=momentum))
        for change, expected in zip(_ROUNDS, ours, strict=True):
            parameters.grad = -torch.from_numpy(change)
            torchs.step()
            np.testing.assert_allclose(parameters.detach().numpy(), expected, rtol=1e-12)


def test_adam_is_pytorchs_without_its_corrections() -> None:
    """PyTorch divides m and v by 1 - beta^t and starts v at 0, whose part of ours is beta2^t tau^2."""
    beta1, beta2, square, momentum = 0.9, 0.99, np.zeros(_D), np.zeros(_D)
    optimizer = ServerOptimizer("adam", dimension=_D, beta1=beta1, beta2=beta2, adaptivity=_TAU)
    parameters = torch.zeros(_D, dtype=torch.float64, requires_grad=True)
    torchs = torch.optim.Adam([parameters], lr=1.0, betas=(beta1, beta2))
    for number, change in enumerate(_ROUNDS, start=1):
        step = optimizer.step(change, _RATE)
        parameters.grad = -torch.from_numpy(change)
        torchs.step()
        square = torchs.state[parameters]["exp_avg_sq"].numpy() + beta2**number * _TAU**2
        momentum = -torchs.state[parameters]["exp_avg"].numpy()
        np.testing.assert_allclose(step, _RATE * momentum / (np.sqrt(square) + _TAU), rtol=1e-12)


@pytest.mark.parametrize("method", _METHODS)
def test_a_restored_optimizer_goes_on_as_if_nothing_had_happened(method: Method) -> None:
    whole, first, second = (ServerOptimizer(method, dimension=_D) for _ in range(3))
    expected = [whole.step(change, _RATE) for change in _ROUNDS]
    for change in _ROUNDS[:2]:
        first.step(change, _RATE)
    kept = first.state()
    second.restore(kept)
    for values in kept.values():
        values += 1  # what was handed out and in is not shared
    rest = [second.step(change, _RATE) for change in _ROUNDS[2:]]

    np.testing.assert_array_equal(rest, expected[2:])
    names = {"sgd": set(), "momentum": {"momentum"}}.get(method, {"momentum", "second_moment"})
    assert set(kept) == names


def test_a_bad_pseudo_gradient_is_refused_and_not_remembered() -> None:
    optimizer = ServerOptimizer("adam", dimension=2)
    before = optimizer.state()
    with pytest.raises(ValueError, match="must have 2 numbers"):
        optimizer.step(np.zeros(3), 1.0)
    with pytest.raises(ValueError, match="finite"):
        optimizer.step(np.array([1.0, np.nan]), 1.0)
    with pytest.raises(ValueError, match="finite"):
        optimizer.step(np.ones(2), float("inf"))

    np.testing.assert_equal(optimizer.state(), before)


def test_a_state_of_another_optimizer_is_refused() -> None:
    optimizer = ServerOptimizer("adam", dimension=2)
    with pytest.raises(ValueError, match="remembers"):
        optimizer.restore(ServerOptimizer("momentum", dimension=2).state())
    with pytest.raises(ValueError, match="must be 2 finite numbers"):
        optimizer.restore(ServerOptimizer("adam", dimension=3).state())
    for bad in (np.array([0.0, np.nan]), np.array([0.0, -1.0])):
        with pytest.raises(ValueError, match="second_moment must be"):
            optimizer.restore({"momentum": np.zeros(2), "second_moment": bad})


@pytest.mark.parametrize("bad", [{"beta1": 1.0}, {"beta2": -0.1}, {"adaptivity": 0.0}, {"adaptivity": float("inf")}])
def test_bad_settings_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        ServerOptimizer("adam", dimension=2, **bad)


def test_an_unknown_method_and_no_dimension_are_refused() -> None:
    with pytest.raises(ValueError, match="no server optimizer 'lamb'"):
        ServerOptimizer("lamb", dimension=2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="dimension"):
        ServerOptimizer("sgd", dimension=0)
