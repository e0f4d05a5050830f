"""A certificate authority of one server's own, and what it certifies. Elliptic curve P-256 throughout.

Devices are given the authority's certificate with their invite and trust no other, so no public authority is asked.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from server.whole_files import write_whole
from shared.private_files import write_private

AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 397
# Clocks of devices may be behind.
_BACKDATED = timedelta(hours=1)


class CertificateError(RuntimeError):
    """A certificate or its key cannot be used. The message says what to do."""


class Authority:
    """A key that signs certificates, and the certificate that says so."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key

    def __repr__(self) -> str:
        return f"Authority({self._certificate.subject.rfc4514_string()})"

    @classmethod
    def generate(cls, name: str, *, now: datetime | None = None) -> Authority:
        """A new authority, valid for ten years."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        usage = x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        certificate = (
            _builder(subject, subject, key.public_key(), now or datetime.now(UTC), AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def load(cls, certificate: Path, key: Path) -> Authority:
        """Raises: CertificateError: one of the files is missing, damaged, or has expired."""
        read = read_certificate(certificate)
        try:
            loaded = serialization.load_pem_private_key(key.read_bytes(), password=None)
        except (OSError, ValueError) as error:
            raise CertificateError(f"the authority's key {key} cannot be read ({type(error).__name__})") from None
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise CertificateError(f"{key} is not the key of an authority made here")
        return cls(read, loaded)

    def save(self, certificate: Path, key: Path) -> None:
        """Writes both, the key with mode 0600. Raises: OSError."""
        write_private(key, [_key_pem(self._key)])
        write_whole(certificate, self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, names: Sequence[str], certificate: Path, key: Path, *, now: datetime | None = None) -> None:
        """Writes a new key and its certificate for a server of these host names and addresses. Raises: OSError."""
        own = ec.generate_private_key(ec.SECP256R1())
        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        made = (
            _builder(_name(names[0]), self._certificate.subject, own.public_key(), now or datetime.now(UTC))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        write_private(key, [_key_pem(own)])
        write_whole(certificate, made.public_bytes(serialization.Encoding.PEM))


def read_certificate(path: Path) -> x509.Certificate:
    """Raises: CertificateError: it is missing or damaged."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CertificateError(f"the certificate {path} cannot be read ({type(error).__name__})") from None


def check_validity(path: Path, *, now: datetime | None = None) -> timedelta:
    """How long a certificate is still valid.

    Raises:
        CertificateError: it has expired, or is not valid yet.
    """
    certificate, at = read_certificate(path), now or datetime.now(UTC)
    if at < certificate.not_valid_before_utc:
        raise CertificateError(
            f"{path} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}: is the clock right?"
        )
    left = certificate.not_valid_after_utc - at
    if left <= timedelta(0):
        raise CertificateError(
            f"{path} expired on {certificate.not_valid_after_utc:%Y-%m-%d}: make a new one with `tacit-server renew`"
        )
    return left


def check_pair(certificate: Path, key: Path) -> None:
    """That a key is its certificate's: `issue`, ended half way, leaves a new key beside the old certificate.

    Raises:
        CertificateError: it is another's, damaged or missing.
    """
    read = read_certificate(certificate)
    try:
        loaded = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CertificateError(
            f"the key {key} cannot be read ({type(error).__name__}): make a new pair with `tacit-server renew`"
        ) from None
    if loaded.public_key() != read.public_key():
        raise CertificateError(f"{key} is not the key of {certificate}: make a new pair with `tacit-server renew`")


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    days: int = CERTIFICATE_DAYS,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + timedelta(days=days))
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
