"""https with a certificate authority of our own, made at first use (real-clients.md section 5).

The authority is name-constrained: whoever trusts it trusts it for this machine's names and the national *test*
hosts, never for a production name. The server certificate is renewed by itself; the authority stays.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from app import directory
from app.addresses import REAL_HOSTS
from app.clock import RealClock
from app.ids import IdSource
from app.settings import Settings

# Test hosts that clients are pointed at and that no service of the directory stands for yet.
_MORE_TEST_HOSTS: Final = ("api.pjd.test.nhn.no",)
TEST_HOSTS: Final = tuple(sorted({*REAL_HOSTS, *_MORE_TEST_HOSTS}))
_ADDRESSES: Final = ("127.0.0.1", "::1")
_ANY_ADDRESS: Final = ("0.0.0.0", "::", "")
_LOCAL: Final = ("localhost", "host.docker.internal")
_DAY: Final = timedelta(days=1)
_AUTHORITY_LIFE: Final = 3652 * _DAY
_LEAF_LIFE: Final = 395 * _DAY  # with the day of leeway before it, within the 397 days clients accept
_RENEW_BEFORE: Final = 30 * _DAY


class TlsUnfit(Exception):
    """What stands in the data folder cannot be used. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Material:
    """Files in PEM: the authority to trust, and the server's certificate with its key."""

    authority: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class _Pair:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def material(settings: Settings, clock: RealClock, ids: IdSource) -> Material:
    """The certificate the settings ask for, made or renewed where needed. Raises ``TlsUnfit``."""
    now = datetime.fromtimestamp(int(clock.time()), UTC)
    return ensure(settings.data_dir / "tls", names_for(settings), now, ids)


def ensure(folder: Path, names: Sequence[str], now: datetime, ids: IdSource) -> Material:
    """The material for ``names`` (host names and addresses), made or renewed where needed.

    Raises ``TlsUnfit`` when files are there but cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = Material(folder / "ca.pem", folder / "server.pem", folder / "server-key.pem")
    authority = _load(files.authority, folder / "ca-key.pem")
    if authority is None or not _may_sign(authority.certificate, names, now):
        authority = _make_authority(names, now, ids)
        _save(authority, files.authority, folder / "ca-key.pem")
    leaf = _load(files.certificate, files.key)
    if leaf is None or not _is_current(leaf.certificate, authority.certificate, names, now):
        _save(_make_leaf(authority, names, now, ids), files.certificate, files.key)
    return files


def names_for(settings: Settings) -> tuple[str, ...]:
    """What the server certificate stands for: this machine, each service's subdomain, ``public_url``, real hosts.

    Subdomains are named one by one: not every client takes a wildcard below ``localhost``.
    """
    labels = sorted({f"{service.label}.localhost" for service in directory.SERVICES})
    names = [*_LOCAL, *_ADDRESSES, *labels]
    if settings.host not in _ANY_ADDRESS:
        names.append(settings.host)
    public = urlsplit(settings.public_url or "").hostname
    if public:
        names.append(public)
    if settings.tls_hosts == "real":
        names.extend(TEST_HOSTS)
    return tuple(dict.fromkeys(names))


def trust_hints(authority: Path) -> str:
    """How the usual clients are told to trust the authority."""
    return "\n".join(f"  {who:<28} {how.format(ca=authority)}" for who, how in _HINTS)


_HINTS: Final = (
    (".NET on Linux, OpenSSL, curl", "SSL_CERT_FILE={ca}  (or a folder: SSL_CERT_DIR)"),
    (".NET on Windows", 'certutil -user -addstore Root "{ca}"'),
    ("macOS", "security add-trusted-cert -k ~/Library/Keychains/login.keychain-db {ca}"),
    ("Java", "keytool -importcert -file {ca} -keystore trust.p12, then -Djavax.net.ssl.trustStore=trust.p12"),
    ("Python", "SSL_CERT_FILE={ca} (httpx, ssl), REQUESTS_CA_BUNDLE={ca} (requests)"),
    ("Node.js", "NODE_EXTRA_CA_CERTS={ca}"),
)


def _make_authority(names: Sequence[str], now: datetime, ids: IdSource) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Sandkasse local test authority")])
    constraints = x509.NameConstraints(_permitted([*names, *_LOCAL, *_ADDRESSES, *TEST_HOSTS]), None)
    certificate = (
        _builder(name, name, key, now, _AUTHORITY_LIFE, ids)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(constraints, critical=True)
        .sign(key, hashes.SHA256())
    )
    return _Pair(certificate, key)


def _make_leaf(authority: _Pair, names: Sequence[str], now: datetime, ids: IdSource) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    certificate = (
        _builder(subject, authority.certificate.subject, key, now, _LEAF_LIFE, ids)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return _Pair(certificate, key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    life: timedelta,
    ids: IdSource,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(ids.random(16), "big") >> 1 | 1)
        .not_valid_before(now - _DAY)  # a client's clock may lag
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _permitted(names: Iterable[str]) -> list[x509.GeneralName]:
    hosts = {name for name in names if not _is_address(name)}
    roots = {host for host in hosts if not any(host.endswith("." + other) for other in hosts)}
    networks = {ipaddress.ip_network(name) for name in names if _is_address(name)}
    return [
        *(x509.DNSName(host) for host in sorted(roots)),
        *(x509.IPAddress(network) for network in sorted(networks, key=str)),
    ]


def _may_sign(authority: x509.Certificate, names: Sequence[str], now: datetime) -> bool:
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    permitted = constraints.permitted_subtrees or []
    hosts = {entry.value for entry in permitted if isinstance(entry, x509.DNSName)}
    networks = {str(entry.value) for entry in permitted if isinstance(entry, x509.IPAddress)}
    covered = all(
        str(ipaddress.ip_network(name)) in networks
        if _is_address(name)
        else any(name == host or name.endswith("." + host) for host in hosts)
        for name in names
    )
    return covered and now + _LEAF_LIFE < authority.not_valid_after_utc


def _is_current(leaf: x509.Certificate, authority: x509.Certificate, names: Sequence[str], now: datetime) -> bool:
    held = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    if set(held) != {_general_name(name) for name in names} or now + _RENEW_BEFORE > leaf.not_valid_after_utc:
        return False
    signed_with = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    return signed_with == authority.extensions.get_extension_for_class(
        x509.SubjectKeyIdentifier
    ).value.key_identifier and leaf.not_valid_before_utc <= now.astimezone(UTC)


def _general_name(name: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(name)) if _is_address(name) else x509.DNSName(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _load(certificate: Path, key: Path) -> _Pair | None:
    if not (certificate.exists() and key.exists()):
        return None
    try:
        loaded = serialization.load_pem_private_key(key.read_bytes(), None)
        held = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (ValueError, OSError) as error:
        raise TlsUnfit(
            f"{certificate} or {key} cannot be read ({error}). Remove {certificate.parent} and start again."
        ) from error
    if not isinstance(loaded, ec.EllipticCurvePrivateKey) or loaded.public_key() != held.public_key():
        raise TlsUnfit(f"{key} is not the key of {certificate}. Remove {certificate.parent} and start again.")
    return _Pair(held, loaded)


def _save(pair: _Pair, certificate: Path, key: Path) -> None:
    """The key first, readable by its owner alone; each file appears whole or not at all."""
    private = pair.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(key, private, 0o600)
    _write(certificate, pair.certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _write(path: Path, data: bytes, mode: int) -> None:
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
