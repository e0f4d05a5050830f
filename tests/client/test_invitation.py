"""Joining by an invite: who is trusted is compared, kept, and not set back."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from flwr.app import Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.common.constant import SUPERLINK_NODE_ID, ErrorCode
from flwr.supercore.task_identity import TaskIdentity

from client.device import DeclinedError
from client.everything import destroy_profile
from client.invitation import KEPT_OF_INVITES, accept, code_list_of, contradictions, keep_code_list, settings_of_address
from client.local_executor import LocalExecutor
from client.node_key import device_card, node_key_file
from client.privacy_policy import PrivacyPolicy
from client.profile import Profile
from client.server_settings import ServerSettings
from client.service_unit import memory_need_gb, unit_text
from client.vault_device import VaultDevice
from shared.code_list import CodeList, CodeListError, sign_code_list
from shared.device_card import DeviceCard
from shared.invite import Invite
from shared.language_model import ModelConfig, load_language_model, weight_bytes
from shared.server_identity import ServerKey
from shared.signing_key import SigningKey
from tests.client.gated import request_of
from tests.client.profiles import new_profile, opened, run, use_home

ORGANISER, SERVER = SigningKey.generate(), SigningKey.generate()
BUNDLE = b"a bundle"
DIGEST = "a" * 64


def authority() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def code_list(*bundles: str, version: int = 1, days: float = 1, organiser: SigningKey = ORGANISER) -> CodeList:
    expires = int((datetime.now(UTC) + timedelta(days=days)).timestamp())
    return sign_code_list(organiser, bundles or (DIGEST,), version=version, expires=expires)


def invite(
    allowed: CodeList | None = None, *, server: str = "tacit.example:443", organiser: SigningKey = ORGANISER
) -> Invite:
    return Invite(
        server=server, authority=authority(), organiser=organiser.public, server_key=SERVER.public, code_list=allowed
    )


def joined(profile: Profile, sent: Invite) -> ServerSettings:
    return accept(profile, sent, number=0, node_key=node_key_file(profile.state_directory))


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Profile:
    use_home(monkeypatch, tmp_path / "home")
    return new_profile(tmp_path / "home")


def test_an_invite_is_kept_whole_and_its_policy_lets_this_server_alone_ask(profile: Profile) -> None:
    sent = invite(code_list())
    settings = accept(profile, sent, number=7, node_key=node_key_file(profile.state_directory))

    assert (settings.address, settings.number, settings.organiser) == ("tacit.example:443", 7, ORGANISER.public)
    assert settings.server_key == SERVER.public
    assert ServerSettings.load(profile.server_file) == settings
    assert settings.root_certificates is not None
    assert settings.root_certificates.read_text() == sent.authority
    policy = PrivacyPolicy.load(profile.policy_file)
    assert policy.servers == (SERVER.public,)
    assert policy.secure is not None
    assert (policy.secure.organiser, policy.secure.required) == (ORGANISER.public, True)
    assert policy.user is not None
    assert not policy.user.trust_the_server_to_add_noise
    found = code_list_of(profile, settings)
    assert found is not None
    assert found.allows(DIGEST)


def test_a_policy_that_is_there_stays(profile: Profile) -> None:
    profile.policy_file.write_text('require = "none"\n')
    profile.policy_file.chmod(0o600)
    accept(profile, invite(), number=0, node_key=node_key_file(profile.state_directory))
    assert profile.policy_file.read_text() == 'require = "none"\n'


def test_a_code_list_is_never_set_back_and_must_be_the_organisers(profile: Profile) -> None:
    settings = accept(profile, invite(code_list(version=3)), number=0, node_key=node_key_file(profile.state_directory))
    with pytest.raises(CodeListError, match="version 3 was seen"):
        accept(profile, invite(code_list(version=2)), number=0, node_key=node_key_file(profile.state_directory))
    keep_code_list(profile, code_list("b" * 64, version=4))
    newer = code_list_of(profile, settings)
    assert newer is not None
    assert not newer.allows(DIGEST)
    keep_code_list(profile, code_list(version=5, days=-1))
    with pytest.raises(CodeListError, match="expired"):
        code_list_of(profile, settings)
    forged = replace(code_list(version=6), bundles=("c" * 64,))
    keep_code_list(profile, forged)
    with pytest.raises(CodeListError, match="did not sign"):
        code_list_of(profile, settings)
    (profile.home / "code-lists" / f"{ORGANISER.public}.json").unlink()
    with pytest.raises(CodeListError, match="cannot be read"):
        code_list_of(profile, settings)
    with pytest.raises(CodeListError, match="expired"):
        accept(profile, invite(code_list(days=-1)), number=0, node_key=node_key_file(profile.state_directory))


def test_who_gave_a_code_list_once_is_not_believed_without_one(profile: Profile) -> None:
    joined(profile, invite(code_list(version=5)))
    stripped = joined(profile, invite())
    assert stripped.organiser == ORGANISER.public
    assert code_list_of(profile, stripped) is not None
    keep_code_list(profile, code_list(version=6, days=-1))
    with pytest.raises(CodeListError, match="expired"):
        joined(profile, invite())


def test_an_address_alone_keeps_what_its_invite_asked_for(profile: Profile) -> None:
    key = node_key_file(profile.state_directory)
    sent = joined(profile, invite(code_list()))
    joined(profile, invite(server="other.example:443"))
    profile.server_file.unlink()
    again = settings_of_address(
        profile, "TACIT.example:443", root_certificates=sent.root_certificates, number=0, node_key=key
    )
    assert (again.organiser, again.server_key) == (ORGANISER.public, SERVER.public)
    elsewhere = settings_of_address(
        profile, "tacit.example:444", root_certificates=sent.root_certificates, number=0, node_key=key
    )
    assert (elsewhere.organiser, elsewhere.server_key) == (None, None)


def test_another_organisers_invite_does_not_forget_the_highest_version(profile: Profile) -> None:
    joined(profile, invite(code_list(version=5)))
    other = SigningKey.generate()
    joined(profile, invite(code_list(organiser=other), server="b.example:443", organiser=other))
    with pytest.raises(CodeListError, match="version 5 was seen"):
        joined(profile, invite(code_list(version=3)))


def test_a_joining_that_was_killed_leaves_the_server_that_was_joined_whole(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = joined(profile, sent := invite(code_list()))
    other = SigningKey.generate()
    written = ServerSettings.write

    def killed(settings: ServerSettings, path: Path) -> None:
        if path == profile.server_file:
            raise KeyboardInterrupt
        written(settings, path)

    monkeypatch.setattr(ServerSettings, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        joined(profile, invite(code_list(organiser=other), server="b.example:443", organiser=other))
    assert ServerSettings.load(profile.server_file) == first
    assert first.root_certificates is not None
    assert first.root_certificates.read_text() == sent.authority
    found = code_list_of(profile, first)
    assert found is not None
    assert found.organiser == ORGANISER.public


def test_an_invite_that_cannot_be_taken_writes_nothing(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(path for path in profile.home.rglob("*") if path.is_file())
    sent = invite(code_list())
    arguments = ["join", sent.to_line(), "--fingerprint", sent.fingerprint()]
    monkeypatch.setattr("client.service_unit.has_systemd", lambda: True)
    assert "--keyring or --key-file" in run(*arguments, "--service", status=1)
    monkeypatch.setenv("TACIT_PASSPHRASE", "another")
    run(*arguments, status=1)
    expired = invite(code_list(days=-1))
    assert "expired" in run("join", expired.to_line(), "--fingerprint", expired.fingerprint(), status=1)
    assert sorted(path for path in profile.home.rglob("*") if path.is_file()) == before


def test_a_policy_that_declines_this_server_is_told_with_what_to_do(profile: Profile) -> None:
    joined(profile, invite())
    both = {"server_key": SERVER.public, "organiser": ORGANISER.public}
    assert contradictions(profile, server_key=SERVER.public, organiser=ORGANISER.public) == ()
    server, organiser = SigningKey.generate().public, SigningKey.generate().public
    said = contradictions(profile, server_key=server, organiser=organiser)
    assert [server in said[0], organiser in said[1], len(said)] == [True, True, 2]
    profile.policy_file.write_text('require = "none"\n')
    assert "no [secure]" in contradictions(profile, **both)[0]
    profile.policy_file.write_text("require = 4\n")
    assert "not understood" in contradictions(profile, **both)[0]


def test_what_is_kept_of_an_invite_goes_with_everything(profile: Profile) -> None:
    joined(profile, invite(code_list()))
    destroy_profile(profile)
    assert not [path for path in profile.home.rglob("*") if path.is_file() and path.parent.name in KEPT_OF_INVITES]
    assert not profile.server_file.exists()


def test_requests_must_be_signed_by_the_server_that_was_joined(profile: Profile) -> None:
    profile.policy_file.write_text('require = "none"\n')  # lets any server ask
    profile.policy_file.chmod(0o600)
    settings = joined(profile, invite())
    with opened(profile) as vault:
        gate = VaultDevice(profile, vault, server=settings).gate()
        with pytest.raises(DeclinedError, match="not signed"):
            gate.check(request_of())
        with pytest.raises(DeclinedError, match="another server than the one that was joined"):
            gate.check(ServerKey.generate().sign(request_of()))


def test_code_that_is_not_on_the_list_is_declined_before_its_message_is_looked_at() -> None:
    asked: list[Message] = []
    app = ClientApp()

    @app.query()
    def query(message: Message, _context: object) -> Message:
        asked.append(message)
        return Message(RecordDict(), reply_to=message)

    def expired() -> CodeList:
        raise CodeListError("the code list expired")

    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, SUPERLINK_NODE_ID, 1
    message = Message(RecordDict(), 2, "query")
    for code, reason in ((lambda: code_list("d" * 64), "is not on the organiser's list"), (expired, "expired")):
        refused = LocalExecutor("127.0.0.1:9", secret=bytes(32), app=app, code=code)._refusal(message, BUNDLE)
        assert refused is not None
        assert refused.error.code == ErrorCode.INVALID_FAB
        assert reason in str(refused.error.reason)
    allowed = code_list(hashlib.sha256(BUNDLE).hexdigest())
    assert (
        LocalExecutor("127.0.0.1:9", secret=bytes(32), app=app, code=lambda: allowed)._refusal(message, BUNDLE) is None
    )
    assert LocalExecutor("127.0.0.1:9", secret=bytes(32), app=app)._refusal(message, BUNDLE) is None
    assert asked == []


def test_a_card_shows_public_keys_that_stay(profile: Profile) -> None:
    with opened(profile) as vault:
        device = VaultDevice(profile, vault)
        first = device_card(device, profile.state_directory)
        assert DeviceCard.from_json(run("card") + "\n") == first
        assert first.identity == device.identity().public
    assert (profile.state_directory / "node.key").stat().st_mode & 0o777 == 0o600


def test_an_invite_that_was_changed_is_told_by_its_fingerprint(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = invite(code_list())
    file = tmp_path / "invite.json"
    file.write_text(sent.to_json())
    assert "give it with --fingerprint" in run("join", str(file), status=1)
    assert sent.fingerprint() in run("join", str(file), status=1)
    other = replace(sent, server="tacit.evil.example:443")
    file.write_text(other.to_json())
    assert "fingerprint is another" in run("join", str(file), "--fingerprint", sent.fingerprint(), status=1)
    assert not profile.server_file.exists()
    assert not profile.policy_file.exists()
    file.write_text(json.dumps({"format": 1}))
    assert "missing keys" in run("join", str(file), status=1)


def test_a_service_needs_no_passphrase_and_is_bounded(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = invite()
    arguments = ["join", sent.to_line(), "--fingerprint", sent.fingerprint().lower(), "--service"]
    monkeypatch.setattr("client.service_unit.has_systemd", lambda: False)
    assert "no systemd" in run(*arguments, status=1)
    monkeypatch.setattr("client.service_unit.has_systemd", lambda: True)
    assert "--keyring or --key-file" in run(*arguments, status=1)

    monkeypatch.delenv("TACIT_PASSPHRASE")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TACIT_HOME", "a 100% $home")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    run("init", "--key-file", str(tmp_path / "key"))
    need = memory_need_gb(weight_bytes(ModelConfig()))
    assert f"--memory {need} or more" in run(*arguments, "--memory", "1", status=1)
    assert not Profile.load().server_file.exists()
    assert "systemctl --user enable --now tacit.service" in run(*arguments)
    unit = (tmp_path / "config" / "systemd" / "user" / "tacit.service").read_text()
    other = replace(sent, server_key=SigningKey.generate().public, server="b.example:443")
    warned = run("join", other.to_line(), "--fingerprint", other.fingerprint(), "--service")
    assert "lets other servers ask" in warned
    assert other.server_key in warned
    assert unit == unit_text(Profile.load(), memory_gb=need, cpu_percent=100)
    assert f'Environment="TACIT_HOME={tmp_path}/a 100%% $home"' in unit
    assert f"ConditionPathExists={tmp_path}/a 100%% $home/server.toml" in unit
    assert "Restart=always" in unit
    assert f"MemoryMax={need}000000000" in unit
    if shutil.which("systemd-analyze") is not None:
        path = tmp_path / "config" / "systemd" / "user" / "tacit.service"
        environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
        checked = subprocess.run(
            ["systemd-analyze", "--user", "verify", str(path)],
            capture_output=True, text=True, check=False, timeout=60, env=environment,
        )  # fmt: skip
        assert (checked.returncode, checked.stderr) == (0, "")


def test_a_service_may_have_what_a_round_was_measured_to_take() -> None:
    assert memory_need_gb(2 * 10**9) >= 7  # 5.5 GB at its peak
    assert weight_bytes(ModelConfig()) == sum(
        weight.numel() * weight.element_size() for weight in load_language_model(ModelConfig()).model.parameters()
    )


def test_a_units_words_are_quoted_as_systemd_reads_them(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", '/a "b"/50%/c\\d/$e/python')
    unit = unit_text(profile, memory_gb=5, cpu_percent=100)
    assert 'ExecStart="/a \\"b\\"/50%%/c\\\\d/$e/tacit" join\n' in unit


def test_what_its_user_switched_off_is_declined_and_not_connected(profile: Profile) -> None:
    with opened(profile) as vault:
        device = VaultDevice(profile, vault)
        assert "no policy" in str(device.obstacle())
        profile.policy_file.write_text('require = "none"\n')
        profile.policy_file.chmod(0o600)
        assert device.obstacle() is None
        vault.taking_part.decide("paused")
        assert "paused" in str(device.obstacle())
        with pytest.raises(DeclinedError, match="paused"):
            device.gate()
        device.sessions()
        vault.taking_part.decide("left")
        with pytest.raises(DeclinedError, match="left"):
            device.sessions()
        vault.taking_part.decide("on")
        profile.policy_file.write_text('require = "none"\n[when]\nfree_memory_gb = 1e9\n')
        with pytest.raises(DeclinedError, match="free memory"):
            device.gate()
        assert device.obstacle(begins=False) is None  # what it takes itself is no obstacle to what it has begun
        profile.policy_file.write_text("require = 4\n")
        assert "require" in str(device.obstacle())


def test_joining_gives_signals_back(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    during: list[object] = []

    def take_part(*_arguments: object, **_named: object) -> str | None:
        during.append(signal.getsignal(signal.SIGTERM))
        return None

    profile.policy_file.write_text('require = "none"\n')
    profile.policy_file.chmod(0o600)
    monkeypatch.setattr("client.joining.take_part", take_part)
    before = signal.getsignal(signal.SIGTERM)
    assert "0 messages were answered" in run("join", "127.0.0.1:9")
    assert during != [before]
    assert signal.getsignal(signal.SIGTERM) is before
