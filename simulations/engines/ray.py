"""The engine `ray`: Flower's simulation runtime, which spreads devices over Ray's actors, here or in a cluster.

In a cluster every machine needs the same version of Tacit with `tacit[sim]` and of Python, the base model under the
same name or path, and, where devices keep something between messages (under masks, and with methods that keep a
factor), a file system that all share for the run's directory. This machine must have joined it: the server runs here.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp

from client.app import build_client_app
from server.app import build_server_app
from server.rounds import Observe
from shared.round_plan import FederationPlan
from shared.run_output import RunOutput
from simulations.engines.devices import check_population, enrolment_for, open_population
from simulations.population.protocol import Population


class RayMissingError(RuntimeError):
    """Ray is not installed: the message says how to get it."""


class RayClusterError(RuntimeError):
    """No Ray cluster of this version answers under the address. The message says what to do."""


_ANSWER_SECONDS = 5.0


def run_ray(
    plan: FederationPlan,
    population: Population,
    *,
    directory: Path,
    resume: bool = False,
    processes: int | None = None,
    address: str | None = None,
    observe: Observe | None = None,
) -> None:
    """Runs a plan over a population and leaves the run directory (`server.releases`).

    The server runs in this process, and the devices in actors of one core each. The adapter is that of `run_inline`, to
    float tolerance.

    Args:
        processes: cores that Ray may use; None is two, or what there is. Not with `address`.
        address: HOST:PORT of a cluster's head, as `ray start --head` says it; all its cores are used. None starts a
            Ray of its own.
        observe: called after each round's release.

    Raises:
        RayMissingError, RayClusterError: and what `server.app` says.
    """
    check_population(plan, population)
    devices = open_population(population, plan, directory=directory)
    # Absolute, since the runtime may change the working directory.
    output = RunOutput(directory=str(directory.absolute()), resume=resume)
    run_apps(
        build_server_app(
            observe,
            run_config=plan.to_run_config() | output.to_run_config(),
            enrolment=enrolment_for(plan, devices),
        ),
        build_client_app(devices),
        devices=len(population),
        processes=processes,
        address=address,
    )


def run_apps(
    server_app: ServerApp,
    client_app: ClientApp,
    *,
    devices: int,
    processes: int | None = None,
    address: str | None = None,
) -> None:
    """Runs any two apps over Flower's simulation runtime: the server in this process, the client in actors.

    Args:
        processes, address: see `run_ray`.

    Raises:
        RayMissingError, RayClusterError: and what the server raises.
    """
    cores = processes if processes else min(2, os.cpu_count() or 1)
    with _quiet_flower():
        try:
            import ray
            from flwr.simulation import run_simulation
        except ImportError:
            raise RayMissingError("the engine 'ray' needs Ray: pip install 'tacit[sim]'") from None
        if address is not None:
            _join(address)
        try:
            run_simulation(
                server_app=server_app,
                client_app=client_app,
                num_supernodes=devices,
                backend_config={
                    # Of no account where Ray runs already.
                    "init_args": {"num_cpus": cores, "num_gpus": 0, "include_dashboard": False, **_QUIET},
                    "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
                },
            )
        finally:
            ray.shutdown()


_QUIET: Mapping[str, int | bool] = {"logging_level": logging.ERROR, "log_to_driver": False}


def _join(address: str) -> None:
    """Connects to a cluster; Flower's runtime uses a Ray that is there."""
    import ray

    # Ray itself would try for minutes, and end the process.
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_SECONDS).close()
    except (OSError, ValueError):
        raise RayClusterError(
            f"nothing answers on {address}: start a cluster with `ray start --head --port PORT`, let this machine join "
            "one with `ray start --address HOST:PORT`, or leave --address out to use this machine alone"
        ) from None
    # What a worker inherits at its own machine is that machine's; this is what it must have of ours.
    wanted = {name: os.environ[name] for name in ("PYTHONPATH", "OMP_WAIT_POLICY", "TOKENIZERS_PARALLELISM")}
    try:
        ray.init(address=address, runtime_env={"env_vars": wanted}, **_QUIET)
    except Exception as error:  # of many kinds
        raise RayClusterError(
            f"no cluster of Ray {ray.__version__} that this machine has joined answers on {address} "
            f"({type(error).__name__}): every machine must have the same versions of Ray and Python"
        ) from None


@contextmanager
def _quiet_flower() -> Iterator[None]:
    """No telemetry, no files in the user's home, no deprecation notices about the one entry point there is."""
    from flwr.supercore import telemetry

    logger = logging.getLogger("flwr")
    level, telemetry_was = logger.level, telemetry.FLWR_TELEMETRY_ENABLED
    with tempfile.TemporaryDirectory(prefix="tacit-flower-") as home:
        wanted = {
            "FLWR_HOME": home,
            "FLWR_TELEMETRY_ENABLED": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_DEDUP_LOGS": "0",
            "OMP_WAIT_POLICY": "PASSIVE",
            "TOKENIZERS_PARALLELISM": "false",
            # Ray's workers must find the same packages as this process, wherever they are started.
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        telemetry.FLWR_TELEMETRY_ENABLED = "0"  # read from the environment when it was imported
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)
            telemetry.FLWR_TELEMETRY_ENABLED = telemetry_was
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
