"""What a message costs an engine that has nothing else to do: the client's own roll call, asked and answered."""

from __future__ import annotations

import time
from collections.abc import Sequence

from flwr.app import Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

from client.app import build_client_app
from server.exchange import exchange
from shared.messages import ROLL_CALL
from simulations.engines.devices import SimulatedDevices
from simulations.engines.inline import InlineGrid, OpenClient
from simulations.engines.ray import run_apps
from simulations.population.protocol import Population

_NODES, _TIMEOUT = 20, 120.0


class UnansweredError(RuntimeError):
    """An engine lost messages that it was timed with."""


def inline_message_seconds(population: Population, *, messages: int) -> float:
    """Seconds a message of `inline` in this process, from one that is made to its reply, both really serialised."""
    grid = InlineGrid(OpenClient(open_device=_devices(population)), devices=len(population))
    return _timed(grid, list(grid.device_nodes), messages)


def ray_message_seconds(population: Population, *, messages: int, processes: int) -> float:
    """The same of Flower's Ray runtime, once its actors answer.

    Raises:
        RayMissingError: see `simulations.engines.ray`.
    """
    devices = min(len(population), _NODES)
    found: list[float] = []
    server = ServerApp()

    @server.main()
    def main(grid: Grid, context: Context) -> None:  # noqa: ARG001
        deadline = time.monotonic() + _TIMEOUT
        while len(nodes := sorted(grid.get_node_ids())) < devices:  # they come after the server has started
            if time.monotonic() > deadline:
                raise UnansweredError("Flower's runtime has not started its nodes")
            time.sleep(0.1)
        found.append(_timed(grid, nodes, messages))

    run_apps(server, build_client_app(_devices(population)), devices=devices, processes=processes)
    return found[0]


def _devices(population: Population) -> SimulatedDevices:
    return SimulatedDevices(population=population, secret=bytes(32))  # a roll call asks for no secret


def _timed(grid: Grid, nodes: Sequence[int], messages: int) -> float:
    _ask_all(grid, nodes, min(messages, _NODES))  # what starts late has started
    began = time.perf_counter()
    _ask_all(grid, nodes, messages)
    return (time.perf_counter() - began) / messages


def _ask_all(grid: Grid, nodes: Sequence[int], messages: int) -> None:
    asked = [
        Message(RecordDict(), nodes[place % len(nodes)], ROLL_CALL, ttl=_TIMEOUT, group_id="bench")
        for place in range(messages)
    ]
    replies = exchange(grid, asked, timeout=_TIMEOUT)
    if not all(reply is not None and reply.has_content() for reply in replies):
        raise UnansweredError("an engine did not answer every roll call")
