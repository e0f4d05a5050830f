"""Several SuperLinks behind one run: two real servers with TLS and node keys, and devices at the level of the wire."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from flwr.app import Context, Message, RecordDict

from client.app import build_client_app
from server.deployment.devices import DeviceBook
from server.deployment.directory import DeploymentError, ServerDirectory, ServerSettings
from server.deployment.links import all_numbers, open_links
from server.deployment.runs import ServerRun
from server.deployment.superlink import UnansweredError
from server.ledger import LEDGER_FILE, read_state
from server.releases import read_rounds
from shared.device_card import DeviceCard
from shared.flat_config import ConfigError
from shared.plan_terms import SecureAggregationTerms, UserPrivacyTerms
from simulations.engines.devices import enrolment_for, open_population
from simulations.engines.protocol_device import ProtocolDevice
from simulations.engines.server_site import ServerSite, server_site
from simulations.run.ledger_check import check_run_ledger
from tests.federation import FewDevices, plan

_FIRST = 1000  # number of the link's first device


def settings(**changes: object) -> ServerSettings:
    return replace(ServerSettings(host="tacit.example"), **changes)  # type: ignore[arg-type]


def test_settings_of_links_are_checked_and_read_back() -> None:
    made = settings(links=("/srv/east", "/srv/west@9101"), first_number=7)

    assert ServerSettings.from_toml(made.to_toml()) == made
    assert ServerSettings.from_toml(settings().to_toml()).links is None
    for wrong in ({"links": ("east",)}, {"links": ("/srv/east@many",)}, {"links": ("/srv/e",), "is_link": True}):
        with pytest.raises(ConfigError, match=r"server\.links"):
            settings(**wrong)
    with pytest.raises(ConfigError, match=r"server\.first-number"):
        settings(first_number=-1)


def test_a_link_that_is_not_here_or_not_up_says_what_to_do(tmp_path: Path) -> None:
    link = ServerDirectory.create(tmp_path / "link", settings(is_link=True, port=9443))
    head = ServerDirectory.create(tmp_path / "head", settings(links=(str(link.path),)))
    with pytest.raises(DeploymentError, match=r"lacks devices\.json"):
        open_links(head)
    DeviceBook(link.devices).enrol(card())
    with pytest.raises(UnansweredError, match="tacit-server up"):
        open_links(head)
    with pytest.raises(DeploymentError, match="start runs at the one that names it"):
        ServerRun(link, "first").want(plan(), resume=False)


def test_numbers_of_a_link_begin_where_its_settings_say(tmp_path: Path) -> None:
    book = DeviceBook(tmp_path / "devices.json", first_number=_FIRST)

    assert [entry.number for entry, is_new in book.enrol_all([card(), card()]) if is_new] == [_FIRST, _FIRST + 1]
    assert book.enrol(card())[0].number == _FIRST + 2


def card(key: ec.EllipticCurvePrivateKey | None = None) -> DeviceCard:
    node = key or ec.generate_private_key(ec.SECP384R1())
    identity = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    return DeviceCard.of(identity=identity, node_key=node.public_key())


Answer = Callable[[Message], Message]


@contextmanager
def devices(
    site: ServerSite, count: int, answering: Callable[[int], Answer | None] = lambda _number: None
) -> Iterator[list[ProtocolDevice]]:
    """So many devices of a server, which are there; what each answers by, if it does more than make up updates."""
    keys = [ec.generate_private_key(ec.SECP384R1()) for _ in range(count)]
    entries = site.enrol([card(key) for key in keys])
    stop = threading.Event()
    started = [
        ProtocolDevice(
            entry.number, key, address=site.address, trust=site.trust(), stop=stop, answer=answering(entry.number)
        )
        for entry, key in zip(entries, keys, strict=True)
    ]
    for device in started:
        device.start()
    try:
        assert all(device.active.wait(60) for device in started), [device.ended for device in started]
        yield started
    finally:
        stop.set()
        for device in started:
            device.join(30)


def until(true: Callable[[], bool], seconds: float = 240.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def kill_superlink(site: ServerSite) -> None:
    (found,) = [
        child.pid
        for child in psutil.Process().children()
        if child.cmdline()[-2:] == ["superlink", str(site.directory.path)]
    ]
    os.kill(found, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_one_run_asks_the_devices_of_two_superlinks_keeps_one_ledger_and_outlives_the_death_of_a_link(
    tmp_path: Path,
) -> None:
    copied = tmp_path / "copied"
    with ExitStack() as stack:
        link = stack.enter_context(server_site(tmp_path / "link", first_number=_FIRST, is_link=True))
        # As a link on another machine: three files of it, and a port of loopback.
        named = f"{copied}@{link.running.superlink}"
        head = stack.enter_context(server_site(tmp_path / "head", links=[named]))
        far = stack.enter_context(devices(link, 3))
        near = stack.enter_context(devices(head, 2))
        for name in ("tls/authority.pem", "superexec.secret", "devices.json"):
            (copied / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(link.directory.path / name, copied / name)
        run = ServerRun(head.directory, "first")
        of = plan(rounds=3, cohort_size=5, devices=5, minimum_replies=3, attempts=3, round_timeout=120.0)
        run.want(of, resume=False)
        until(lambda: len(read_rounds(run.path)) >= 1)
        kill_superlink(link)
        until(lambda: (now := run.control()) is not None and now.is_over)

        now, ledger = run.control(), read_state(run.path / LEDGER_FILE)
        assert now is not None
        assert ledger is not None
        assert (now.state, now.said) == ("finished", "")
        assert ledger.devices == (0, 1, _FIRST, _FIRST + 1, _FIRST + 2)
        assert ledger.released == (1, 2, 3)
        assert read_rounds(run.path)[0].replies == 5
        assert all(device.answered >= 2 for device in (*near, *far))
        with pytest.raises(DeploymentError, match=r"first-number"):
            all_numbers({1: _FIRST}, open_links(head.directory))
        executor = (head.directory.logs / "executor.log").read_text()
        assert "asks the devices of 1 links, too" in executor
        assert not (link.directory.logs / "executor.log").exists()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_each_link_sums_its_sub_cohort_under_masks_and_one_ledger_accounts_for_the_sum_of_both(tmp_path: Path) -> None:
    """Devices that train, noise and mask by the real client; each part of the cohort is behind one SuperLink."""
    of = replace(
        plan(rounds=2, cohort_size=6, devices=6, minimum_replies=6, round_timeout=200.0),
        user_privacy=UserPrivacyTerms(mechanism="skellam", noise_multiplier=2.0, participations=2),
        sampling="schedule",
        secure_aggregation=SecureAggregationTerms(stage_timeout=60.0, dropout=0.0, corrupt=0.0, part_size=3),
    )
    simulated = open_population(FewDevices(devices=6), of, directory=tmp_path / "devices")
    enrolment = enrolment_for(of, simulated)
    assert enrolment is not None
    app, one_at_a_time = build_client_app(simulated), threading.Lock()
    asked: dict[int, list[str]] = {}

    def answering(number: int) -> Answer:
        def answer(message: Message) -> Message:
            asked.setdefault(number, []).append(message.metadata.message_type)
            context = Context(
                run_id=message.metadata.run_id,
                node_id=number + 2,
                node_config={"partition-id": number},
                state=RecordDict(),
                run_config={},
            )
            with one_at_a_time:  # they share a model
                return app(message, context)

        return answer

    with ExitStack() as stack:
        link = stack.enter_context(server_site(tmp_path / "link", first_number=3, is_link=True))
        head = stack.enter_context(server_site(tmp_path / "head", links=[str(link.directory.path)]))
        head.directory.roster.write_text(enrolment.roster().to_json(), encoding="utf-8")
        stack.enter_context(devices(head, 3, answering))
        stack.enter_context(devices(link, 3, answering))
        run = ServerRun(head.directory, "masked")
        run.want(of, resume=False)
        until(lambda: (now := run.control()) is not None and now.is_over, 500.0)
        now = run.control()

    assert now is not None
    assert (now.state, now.said) == ("finished", "")
    records = read_rounds(run.path)
    assert [(record.replies, record.failures) for record in records] == [(6, ()), (6, ())]
    assert all(record.noise_std > 0 for record in records)
    assert sorted(asked) == list(range(6))
    assert all(said.count("train") == 2 for said in asked.values())
    assert all(len(said) >= 2 * 5 for said in asked.values())  # and four stages a round
    ledger = read_state(run.path / LEDGER_FILE)
    assert ledger is not None
    assert (ledger.asked, ledger.released) == (((1, 1), (2, 1)), (1, 2))
    accounted = check_run_ledger(run.path / LEDGER_FILE)
    assert (accounted.requests, accounted.releases, accounted.devices) == (2, 2, 6)  # once, whatever links there are
    assert all(check.agrees for check in accounted.checks)
    assert [guarantee.unit for guarantee in accounted.guarantees] == ["user"]
