"""A server elsewhere that the user's policy names: verified, or sent nothing."""

from __future__ import annotations

import logging
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from client.endpoint_policy import EndpointPolicy, EndpointRefusedError
from client.model_server import ModelServer, ModelServerError
from client.policy_entry import PolicyEntry
from client.server_url import parse_server_url
from tests.client.scripted_server import FAST, REPLY, ScriptedServer, Serve, ask, completion, echo, value


def _certificate(directory: Path, *, host: str) -> tuple[Path, Path]:
    """A certificate that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = directory / "certificate.pem", directory / "key.pem"
    certificate_file.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    certificate_file.chmod(0o600)
    return certificate_file, key_file


def _serve_tls(serve: Serve, directory: Path, *, host: str) -> tuple[ScriptedServer, Path]:
    certificate_file, key_file = _certificate(directory, host=host)
    server = serve(value(completion(REPLY)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_file, key_file)
    server.server.socket = context.wrap_socket(server.server.socket, server_side=True)
    return server, certificate_file


def _lab(monkeypatch: pytest.MonkeyPatch, port: int, *, ca_file: Path | None, key: str | None = None) -> ModelServer:
    """A client of `https://gpu.lab.example`, which the policy names and which is this machine here."""
    real = socket.getaddrinfo

    def lookup(host: str, *rest: object, **more: object) -> object:
        if host != "gpu.lab.example":
            return real(host, *rest, **more)  # type: ignore[arg-type]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    entry = PolicyEntry(
        name="lab-gpu",
        url=parse_server_url(f"https://gpu.lab.example:{port}/v1"),
        purposes=frozenset({"judge"}),
        ca_file=ca_file,
        api_key_variable=key,
        consents=True,
    )
    return ModelServer(EndpointPolicy(entries=(entry,)).resolve("lab-gpu", "judge"), model="tiny", limits=FAST)


def test_a_server_that_the_policy_names_is_verified_by_its_own_authority(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server, ca_file = _serve_tls(serve, tmp_path, host="gpu.lab.example")
    monkeypatch.setenv("LAB_KEY", "sk-very-secret")

    with caplog.at_level(logging.DEBUG):
        model = _lab(monkeypatch, server.port, ca_file=ca_file, key="LAB_KEY")
        assert model.generate([ask()], max_new_tokens=5) == [[REPLY]]

    (asked,) = server.completions
    assert asked.headers["authorization"] == "Bearer sk-very-secret"
    assert asked.headers["host"] == f"gpu.lab.example:{server.port}"
    assert model.name == "tiny@lab-gpu"
    assert "sk-very-secret" not in repr(model) + caplog.text
    assert not [asked for asked in server.asked if asked.path == "/api/tags"], "where it runs is the user's decision"


@pytest.mark.parametrize("fault", ["another host's certificate", "an authority nobody named", "the environment's own"])
def test_a_server_that_cannot_be_verified_gets_nothing(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    host = "other.lab.example" if fault.startswith("another") else "gpu.lab.example"
    server, ca_file = _serve_tls(serve, tmp_path, host=host)
    if fault == "the environment's own":
        monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    model = _lab(monkeypatch, server.port, ca_file=ca_file if fault.startswith("another") else None)

    with pytest.raises(ModelServerError, match=r"certificate is not trusted"):
        model.generate([ask()], max_new_tokens=5)

    assert not server.asked


def test_https_to_a_plain_http_server_says_so(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    model = _lab(monkeypatch, serve(echo).port, ca_file=None)

    with pytest.raises(ModelServerError, match="is it an http server"):
        model.check()


def test_a_missing_key_is_said_before_anything_is_sent(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    for held in (None, "", "two words", "line\nend"):
        monkeypatch.delenv("LAB_KEY", raising=False)
        if held is not None:
            monkeypatch.setenv("LAB_KEY", held)
        with pytest.raises(EndpointRefusedError, match="environment variable LAB_KEY"):
            _lab(monkeypatch, 1, ca_file=None, key="LAB_KEY")
