"""What was trained on a conversation goes with it: whoever is training, whoever is killed, whatever was done before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from client.device import DeviceError
from client.everything import destroy_profile
from client.forgetting import exclude_conversation, forget_conversation
from client.persona.book import Reading
from client.persona.inference import Observed
from client.persona.statements import Evidence, Observation
from client.personal_training import PersonalChange
from client.profile import Profile
from client.vault.errors import VaultGoneError
from client.vault.vault import Vault
from client.vault_device import VaultDevice
from shared.conversation import Message
from tests.client.profiles import new_profile, opened, use_home
from tests.client.vault.vaults import a_conversation, a_pair

SPEC = "5" * 64


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Profile:
    use_home(monkeypatch, tmp_path / "home")
    profile = new_profile(tmp_path / "home", [a_conversation(number) for number in range(3)])
    with opened(profile) as vault:
        vault.consents.decide("chats", granted=True)
        for number in range(3):
            vault.pairs.add(a_pair(str(number)), conversation_ids=[f"chatgpt:c{number}"])
    return profile


@pytest.fixture
def vault(profile: Profile) -> Iterator[Vault]:
    with opened(profile) as vault:
        yield vault


@pytest.fixture
def device(profile: Profile, vault: Vault) -> VaultDevice:
    return VaultDevice(profile, vault)


def change() -> PersonalChange:
    return PersonalChange(
        vector=np.ones(3, dtype=np.float32), weight=0.5, losses={0.0: 1.0, 0.5: 0.5}, trained=2, held_out=1
    )


def train(device: VaultDevice) -> None:
    device.pairs()
    device.adapters_of_training().keep_personal(SPEC, change())


def answers_with_it(device: VaultDevice) -> bool:
    return device.adapters().personal(SPEC) is not None


def test_what_was_trained_stays_until_what_it_was_trained_on_goes(vault: Vault, device: VaultDevice) -> None:
    vault.conversations.put(a_conversation(7), source="chats")
    train(device)
    forgotten, after = forget_conversation(vault, device, "chatgpt:c7", None)
    assert not forgotten.derived.learned
    assert not after.removed
    assert answers_with_it(device)

    before = device.adapters().stamp()
    forgotten, after = forget_conversation(vault, device, "chatgpt:c1", None)
    assert forgotten.derived.learned
    assert after.removed
    assert not answers_with_it(device)
    assert device.adapters().stamp() != before


def test_what_is_trained_while_it_is_forgotten_is_noise(vault: Vault, profile: Profile) -> None:
    trainer = VaultDevice(profile, vault)
    trainer.pairs()
    kept, factors = trainer.adapters_of_training(), trainer.personal()
    exclude_conversation(vault, VaultDevice(profile, vault), "chatgpt:c0", None)
    kept.keep_personal(SPEC, change())
    trainer.adapters_of_training().keep_personal(SPEC, change())

    assert not answers_with_it(VaultDevice(profile, vault))
    assert repr(factors) != repr(VaultDevice(profile, vault).personal_now())
    trainer.pairs()
    trainer.adapters_of_training().keep_personal(SPEC, change())
    assert answers_with_it(VaultDevice(profile, vault))


def test_forgetting_is_whole_where_it_is_killed(vault: Vault, device: VaultDevice, profile: Profile) -> None:
    train(device)
    vault.forget("chatgpt:c2")  # and no more: its process was killed

    assert not answers_with_it(VaultDevice(profile, vault))
    assert list((profile.state_directory / "adapters").glob("personal-*"))  # noise, until somebody tidies
    device.remove_what_is_noise()
    assert not list((profile.state_directory / "adapters").glob("personal-*"))


@pytest.mark.parametrize(
    "does",
    [
        lambda vault, number: vault.pairs.drop(number),
        lambda vault, number: vault.pairs.correct(number, chosen=(Message(role="assistant", content="Rather so."),)),
        lambda vault, number: vault.consents.decide("chats", granted=False),
    ],
    ids=["drop", "correct", "withdraw"],
)
def test_what_may_not_be_learned_from_any_more_is_thrown_away(
    vault: Vault, device: VaultDevice, does: Callable[[Vault, int], bool]
) -> None:
    number = vault.pairs.every()[0].number
    assert not vault.pairs.drop(vault.pairs.every()[2].number)  # trained on by nobody
    train(device)
    assert does(vault, number)
    assert not answers_with_it(device)
    train(device)
    # Whatever its user made of it later, it was trained on.
    vault.consents.decide("chats", granted=True)
    assert vault.forget("chatgpt:c0").derived.learned


def test_withdrawn_consent_takes_what_the_persona_has_read(vault: Vault) -> None:
    read = Observation(text="Likes lists.", evidence=Evidence(conversation_id="chatgpt:c0", turn=0, date=None))
    book = vault.personas.load()
    entry = Reading(digest="d", observed=Observed(observations=(read,)))
    vault.personas.save_readings(type(book)(reader="r", read={"chatgpt:c0": entry}))
    assert vault.personas.load().persona().statements

    vault.consents.decide("imports", granted=False)
    assert vault.personas.load().persona().statements
    vault.consents.decide("chats", granted=False)
    assert vault.personas.load().persona().statements == ()


def test_nobody_works_with_what_was_destroyed(profile: Profile, vault: Vault, device: VaultDevice) -> None:
    train(device)
    (profile.state_directory / "answered").mkdir()
    (profile.state_directory / "answered" / "one.reply").write_bytes(b"an update")
    destroy_profile(profile)

    with pytest.raises(DeviceError):
        device.pairs()
    with pytest.raises(VaultGoneError, match="is gone"):
        vault.conversations.put(a_conversation(9), source="chats")
    assert not list(profile.state_directory.rglob("*.reply"))


def test_a_request_that_is_worded_anew_is_tried_again(vault: Vault) -> None:
    place = ("chatgpt:c0", 0, 0)
    vault.attempts.add(place, "made")
    assert place in vault.attempts.every()
    vault.conversations.put(a_conversation(0, "worded anew"), source="chats")
    assert place not in vault.attempts.every()
    vault.attempts.add(("chatgpt:c0", 40, 0), "made")
    vault.attempts.add(("nowhere", 0, 0), "made")
    assert vault.attempts.every() == frozenset()
