"""What `tacit-server init` makes, and that it does not make it twice."""

from __future__ import annotations

import ipaddress
import ssl
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from typer.testing import CliRunner

from server.cli import app
from server.deployment.certificates import Authority, CertificateError, check_pair, check_validity, read_certificate
from server.deployment.directory import DeploymentError, ServerDirectory, ServerSettings
from server.deployment.up import _check_secrets, serve
from server.whole_files import write_whole
from shared.flat_config import ConfigError
from shared.signing_key import SigningKey


def made(path: Path, **values: object) -> ServerDirectory:
    return ServerDirectory.create(path, ServerSettings(host="tacit.example", **values))  # type: ignore[arg-type]


def test_a_server_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["init", str(tmp_path / "server"), "--host", "tacit.example", "--port", "443"])
    server = ServerDirectory(tmp_path / "server")

    assert shown.exit_code == 0, shown.output
    assert SigningKey.load(server.signing_key).public == shown.stdout.strip()
    assert server.settings() == ServerSettings(host="tacit.example", port=443)
    for path in (server.path, *server.path.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        secret = path.is_dir() or path.suffix in (".key", ".secret")
        assert mode & 0o077 == 0 if secret else mode == 0o644, path
    assert [path for path in server.path.rglob("*") if "organiser" in path.name] == []
    assert len(server.secret.read_bytes()) == 32
    assert len({path.read_bytes() for path in server.path.rglob("*.key")}) == 4


def test_certificates_say_what_they_are_for(tmp_path: Path) -> None:
    server = made(tmp_path / "server")
    names = {
        which: read_certificate(server.certificate(which)[0]).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        for which in ("server", "superlink")
    }

    assert names["server"].value.get_values_for_type(x509.DNSName) == ["tacit.example"]
    assert names["superlink"].value.get_values_for_type(x509.DNSName) == ["localhost"]
    assert names["superlink"].value.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("127.0.0.1")]
    authority = read_certificate(server.authority)
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    for which in ("server", "superlink"):
        certificate = read_certificate(server.certificate(which)[0])
        certificate.verify_directly_issued_by(authority)
        assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert check_validity(server.certificate(which)[0]) > timedelta(days=395)
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(*map(str, server.certificate(which)))


def test_an_expired_certificate_is_named_with_what_to_do(tmp_path: Path) -> None:
    server = made(tmp_path / "server")
    past = datetime.now(UTC) - timedelta(days=400)
    authority = Authority.load(server.authority, server.tls / "authority.key")
    authority.issue(["tacit.example"], *server.certificate("server"), now=past)

    with pytest.raises(CertificateError, match=r"expired on .*tacit-server renew"):
        serve(server, say=lambda _: None)
    with pytest.raises(CertificateError, match="is not valid before"):
        check_validity(server.certificate("superlink")[0], now=past)
    before = server.authority.read_bytes()
    assert CliRunner().invoke(app, ["renew", "--server", str(server.path)]).exit_code == 0
    assert check_validity(server.certificate("server")[0]) > timedelta(days=395)
    assert server.authority.read_bytes() == before  # invites stay good


@pytest.mark.parametrize("which", ["server", "superlink"])
def test_a_renewal_that_ended_half_way_is_found_and_repaired_by_another(
    tmp_path: Path, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = made(tmp_path / "server")
    certificate, key = server.certificate(which)

    def killed(path: Path, content: bytes) -> None:
        if path == certificate:
            raise KeyboardInterrupt
        write_whole(path, content)

    with monkeypatch.context() as patched:
        patched.setattr("server.deployment.certificates.write_whole", killed)
        with pytest.raises(KeyboardInterrupt):
            server.renew()
    with pytest.raises(CertificateError, match=rf"{which}.key is not the key of .*{which}.pem: .*tacit-server renew"):
        serve(server, say=lambda _: None)
    server.renew()
    check_pair(certificate, key)

    key.write_bytes(b"damaged")
    with pytest.raises(CertificateError, match=rf"{which}.key cannot be read .*tacit-server renew"):
        serve(server, say=lambda _: None)


def test_nothing_is_made_over_something(tmp_path: Path) -> None:
    server = made(tmp_path / "server")
    before = server.signing_key.read_bytes()
    (tmp_path / "file").write_text("")

    for place in (server.path, tmp_path / "file"):
        with pytest.raises(DeploymentError, match="is there already"):
            made(place)
    assert server.signing_key.read_bytes() == before
    (tmp_path / "empty").mkdir()
    assert made(tmp_path / "empty").settings_file.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "server"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\nport = 1", "server.host: is missing"),
        ('[server]\nhost = "a.example"\nhots = 1', "unknown keys: 'server.hots'"),
        ('[server]\nhost = "a.example"\nport = "1"', "server.port: must be an integer"),
        ('[server]\nhost = "a.example"\nport = 0', "server.port"),
        ('[server]\nhost = "a.example"\nport = 9464', "must differ"),
        ('[server]\nhost = "a/../b"', "server.host"),
        ('[server]\nhost = "127.1"', "server.host"),
        ('[server]\nhost = "a.example"\nlisten = "eth0"', "server.listen"),
        ('[server]\nhost = "a.example"\nlargest-request = 1', "largest-request"),
        ('host = "a.example"', "must stand in a table"),
        ("[server", "server.toml"),
    ],
)
def test_settings_are_read_strictly(tmp_path: Path, text: str, said: str) -> None:
    server = made(tmp_path / "server")
    server.settings_file.write_text(text)

    with pytest.raises(ConfigError, match=said):
        server.settings()


@pytest.mark.parametrize(
    "name", ["server.key", "superexec.secret", "tls/server.key", "tls/superlink.key", "tls/authority.key"]
)
def test_a_secret_that_others_can_read_keeps_a_server_down(tmp_path: Path, name: str) -> None:
    server = made(tmp_path / "server")
    (server.path / name).chmod(0o640)

    with pytest.raises(DeploymentError, match=rf"{name} can be read by others"):
        serve(server, say=lambda _: None)


def test_the_authoritys_key_may_be_kept_elsewhere_and_no_other(tmp_path: Path) -> None:
    server = made(tmp_path / "server")
    (server.tls / "authority.key").unlink()
    _check_secrets(server)

    server.secret.unlink()
    with pytest.raises(DeploymentError, match=r"cannot read .*superexec.secret"):
        _check_secrets(server)


def test_the_organisers_key_and_the_server_do_not_share_a_place(tmp_path: Path) -> None:
    server = made(tmp_path / "server")
    (server.path / "inner").mkdir()
    refused = [CliRunner().invoke(app, ["organiser", "init", str(server.path / name)]) for name in ("", "inner")]
    shown = CliRunner().invoke(app, ["organiser", "init", str(tmp_path / "organiser")])

    assert [(one.exit_code, "another machine" in one.output) for one in refused] == [(1, True), (1, True)]
    assert list(server.path.rglob("organiser.key")) == []
    assert SigningKey.load(tmp_path / "organiser" / "organiser.key").public == shown.stdout.strip()
    assert CliRunner().invoke(app, ["organiser", "init", str(tmp_path / "organiser")]).exit_code == 1
    other = CliRunner().invoke(app, ["init", str(tmp_path / "organiser"), "--host", "a.example"])
    assert "must be on another machine" in " ".join(other.output.split())
    for below in ("server", "a/b", "a/../server"):
        with pytest.raises(DeploymentError, match="must be on another machine"):
            made(tmp_path / "organiser" / below)
    assert [path.name for path in (tmp_path / "organiser").iterdir()] == ["organiser.key"]
    (tmp_path / "link").symlink_to(tmp_path / "organiser")
    with pytest.raises(DeploymentError, match="must be on another machine"):
        made(tmp_path / "link" / "server")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "-a", ".hidden", "a" * 65, "a\n"])
def test_a_runs_name_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(DeploymentError, match="a run's name"):
        ServerDirectory(tmp_path).run(name)


@pytest.mark.parametrize(
    "module",
    [
        "server.deployment.processes",
        "server.deployment.executor",
        "server.deployment.front_door",
        "server.deployment.up",
        "server.deployment.overview",
        "server.commands.training",
        "server.cli",
    ],
)
def test_what_a_server_is_made_of_loads_no_pytorch(module: str) -> None:
    """It costs seconds and 300 MB in every process and command; only who runs rounds needs it."""
    loaded = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print('torch' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert loaded.stdout.strip() == "False"
