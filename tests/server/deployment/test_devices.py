"""Enrolled devices keep their numbers, whatever comes after."""

from __future__ import annotations

import stat
import threading
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from server.cli import app
from server.deployment.devices import DeviceBook
from server.deployment.directory import DeploymentError, ServerDirectory, ServerSettings
from server.deployment.running import claimed, free_ports
from server.deployment.superlink import SuperLinkControl, UnansweredError
from server.enrolment import read_device_list
from shared.device_card import DeviceCard


def card(place: int, node_key: str | None = None) -> DeviceCard:
    made = DeviceCard.of(identity=f"{place:064x}", node_key=ec.generate_private_key(ec.SECP384R1()).public_key())
    return made if node_key is None else DeviceCard(identity=made.identity, node_key=node_key)


def test_a_device_is_enrolled_once_and_its_number_is_never_given_again(tmp_path: Path) -> None:
    book = DeviceBook(tmp_path / "devices.json")
    cards = [card(place) for place in range(3)]

    assert [book.enrol(one)[0].number for one in cards] == [0, 1, 2]
    assert (book.enrol(cards[1])[0].number, book.enrol(cards[1])[1]) == (1, False)
    first = book.revoke(2)
    assert book.revoke(2) == first  # again changes nothing
    assert book.enrol(card(9))[0].number == 3
    assert [one.number for one in book.active()] == [0, 1, 3]
    assert [one.number for one in DeviceBook(tmp_path / "devices.json").every()] == [0, 1, 2, 3]
    assert stat.S_IMODE((tmp_path / "devices.json").stat().st_mode) == 0o600
    with pytest.raises(DeploymentError, match=r"was revoked .* make a new one"):
        book.enrol(cards[2])
    with pytest.raises(DeploymentError, match="no device 7"):
        book.revoke(7)


def test_one_key_belongs_to_one_device(tmp_path: Path) -> None:
    book = DeviceBook(tmp_path / "devices.json")
    first, _ = book.enrol(card(1))

    with pytest.raises(DeploymentError, match="has this identity with another key"):
        book.enrol(card(1))
    with pytest.raises(DeploymentError, match="has this node key with another key"):
        book.enrol(card(2, node_key=first.card.node_key))
    assert len(book.every()) == 1


def test_a_revoked_device_comes_back_with_a_new_node_key_and_number(tmp_path: Path) -> None:
    book = DeviceBook(tmp_path / "devices.json")
    first, _ = book.enrol(card(1))
    other, _ = book.enrol(card(2))
    with pytest.raises(DeploymentError, match=r"device 0 has this identity .*: revoke it first"):
        book.enrol(card(1))
    book.revoke(first.number)

    with pytest.raises(DeploymentError, match="device 0 was revoked"):
        book.enrol(card(3, node_key=first.card.node_key))
    again, is_new = book.enrol(card(1))
    assert (again.number, is_new) == (2, True)
    assert book.enrol(again.card) == (again, False)
    assert book.active() == (other, again)
    assert book.find(again.card.identity) == again
    assert book.find("0").revoked is not None
    with pytest.raises(DeploymentError, match=r"device 2 has this identity .*: revoke it first"):
        book.enrol(card(1))


def test_a_damaged_book_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    book = DeviceBook(tmp_path / "devices.json")
    book.enrol(card(1))
    whole = (tmp_path / "devices.json").read_bytes()
    for damaged in (
        b"",
        whole[:-5],
        whole.replace(b'"format": 1', b'"format": 2'),
        whole.replace(b"node_key", b"nodekey"),
    ):
        (tmp_path / "devices.json").write_bytes(damaged)
        with pytest.raises(DeploymentError, match="is damaged"):
            book.every()
        with pytest.raises(DeploymentError, match="is damaged"):
            book.enrol(card(2))


def test_the_commands_say_numbers_and_make_the_organisers_list(tmp_path: Path) -> None:
    server = ServerDirectory.create(tmp_path / "server", ServerSettings(host="a.example"))
    cards = [card(place) for place in range(2)]
    for place, one in enumerate(cards):
        (tmp_path / f"{place}.json").write_text(one.to_json())
    (tmp_path / "bad.json").write_text(cards[0].to_json().replace("{", '{"x": 1, '))

    def run(*arguments: str) -> str:
        return " ".join(CliRunner().invoke(app, [*arguments, "--server", str(server.path)]).output.split())

    assert "device 0 1.json: device 1" in run("enrol", str(tmp_path / "0.json"), str(tmp_path / "1.json"))
    assert "device 1, as before" in run("enrol", str(tmp_path / "1.json"))
    assert "the server is not up" in run("enrol", str(tmp_path / "1.json"))
    assert "unknown keys: 'x'" in run("enrol", str(tmp_path / "bad.json"))
    listed = CliRunner().invoke(app, ["devices", "--for-organiser", "--server", str(server.path)]).stdout
    (tmp_path / "devices.txt").write_text(listed)
    members = read_device_list(tmp_path / "devices.txt")
    assert [(one.number, one.identity) for one in members] == [(0, cards[0].identity), (1, cards[1].identity)]
    assert "device 1 is revoked" in run("revoke", "1")
    assert "revoked" in run("devices")
    assert "no device is known by 'x'" in run("revoke", "x")
    assert "is not a server's directory" in CliRunner().invoke(app, ["devices", "--server", str(tmp_path)]).output


def test_who_tells_superlink_last_tells_it_what_stands(tmp_path: Path) -> None:
    """An enrolment and a revocation at once: whoever waited reads the book again, and not what it had read before."""
    book = DeviceBook(tmp_path / "devices.json")
    told: list[tuple[bool, ...]] = []
    began = threading.Event()

    def tell(pause: float) -> None:
        with book.telling() as devices:
            began.set()
            time.sleep(pause)
            told.append(tuple(one.revoked is not None for one in devices))

    book.enrol(card(1))
    first = threading.Thread(target=tell, args=(0.5,))
    first.start()
    began.wait(5.0)
    second = threading.Thread(target=tell, args=(0.0,))
    second.start()
    book.revoke(0)
    first.join(5.0)
    second.join(5.0)

    assert told == [(False,), (True,)]


def test_who_enrols_while_the_server_starts_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    front, metrics = free_ports(2)
    settings = ServerSettings(host="localhost", listen="127.0.0.1", port=front, metrics_port=metrics)
    server = ServerDirectory.create(tmp_path / "server", settings)
    (tmp_path / "0.json").write_text(card(0).to_json())
    told: list[int] = []
    tried: list[None] = []

    def follow(_: SuperLinkControl, book: DeviceBook) -> None:
        tried.append(None)
        if len(tried) < 3:
            raise UnansweredError("is it starting?")
        told.extend(one.number for one in book.active())

    monkeypatch.setattr(SuperLinkControl, "follow", follow)
    monkeypatch.setattr("server.commands.devices.time.sleep", lambda _seconds: None)
    with claimed(server, settings):
        assert CliRunner().invoke(app, ["enrol", str(tmp_path / "0.json"), "--server", str(server.path)]).exit_code == 0
        monkeypatch.setattr("server.commands.devices._STARTS_SECONDS", 0.0)
        tried.clear()
        refused = CliRunner().invoke(app, ["enrol", str(tmp_path / "0.json"), "--server", str(server.path)])
    assert told == [0]
    assert refused.exit_code == 1
    assert "is it starting?" in refused.output
