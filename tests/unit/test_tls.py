"""The local authority and the certificate it signs, as a client's TLS library judges them."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from app import tls
from app.ids import SeededIds, SystemIds
from app.settings import Settings

_LOCAL = tls.names_for(Settings())


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def _sans(path: Path) -> set[str]:
    held = _certificate(path).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(entry.value) for entry in held}


def _handshake(material: tls.Material, name: str) -> None:
    """One TLS handshake over a socket pair: the client trusts the authority alone and asks for ``name``."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(material.certificate, material.key)
    client = ssl.create_default_context(cafile=str(material.authority))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(10)
        theirs.settimeout(10)

        def answer() -> None:
            try:
                server.wrap_socket(ours, server_side=True).close()
            except (ssl.SSLError, OSError):
                ours.close()

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            client.wrap_socket(theirs, server_hostname=name).close()
        finally:
            theirs.close()
            thread.join()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "helseid.localhost", "host.docker.internal"])
def test_a_client_that_trusts_the_authority_accepts_each_name(name: str, tmp_path: Path) -> None:
    _handshake(tls.ensure(tmp_path, _LOCAL, _now(), SystemIds()), name)


def test_real_test_hosts_are_added_when_asked_for(tmp_path: Path) -> None:
    names = tls.names_for(Settings(tls_hosts="real"))
    material = tls.ensure(tmp_path, names, _now(), SystemIds())
    for host in ("helseid-sts.test.nhn.no", "test.pps.nhn.no", "api.selvbetjening.test.nhn.no"):
        _handshake(material, host)
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(material, "helseid-sts.nhn.no")


def test_no_production_name_is_ever_in_reach() -> None:
    for host in tls.TEST_HOSTS:
        assert "test" in host


def test_a_name_outside_the_constraint_is_refused_even_when_the_authority_signs_it(tmp_path: Path) -> None:
    material = tls.ensure(tmp_path, _LOCAL, _now(), SystemIds())
    authority = tls._load(material.authority, tmp_path / "ca-key.pem")
    assert authority is not None
    tls._save(tls._make_leaf(authority, ["pps.nhn.no"], _now(), SystemIds()), material.certificate, material.key)
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
        _handshake(material, "pps.nhn.no")


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    material = tls.ensure(tmp_path, _LOCAL, _now(), SystemIds())
    for key in (material.key, tmp_path / "ca-key.pem"):
        assert key.stat().st_mode & 0o777 == 0o600


def test_lives(tmp_path: Path) -> None:
    material = tls.ensure(tmp_path, _LOCAL, _now(), SystemIds())
    leaf, authority = _certificate(material.certificate), _certificate(material.authority)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(days=397)
    assert authority.not_valid_after_utc - _now() > timedelta(days=3650)


def test_what_is_current_stays(tmp_path: Path) -> None:
    material = tls.ensure(tmp_path, _LOCAL, _now(), SystemIds())
    before = material.certificate.read_bytes()
    assert tls.ensure(tmp_path, _LOCAL, _now() + timedelta(days=300), SystemIds()) == material
    assert material.certificate.read_bytes() == before


@pytest.mark.parametrize("days", [366, 500])
def test_the_certificate_is_renewed_and_the_authority_stays(days: int, tmp_path: Path) -> None:
    material = tls.ensure(tmp_path, _LOCAL, _now(), SystemIds())
    leaf, authority = material.certificate.read_bytes(), material.authority.read_bytes()
    tls.ensure(tmp_path, _LOCAL, _now() + timedelta(days=days), SystemIds())
    assert (material.certificate.read_bytes() != leaf, material.authority.read_bytes() == authority) == (True, True)


def test_other_names_need_another_certificate_and_not_another_authority(tmp_path: Path) -> None:
    material = tls.ensure(tmp_path, _LOCAL, _now(), SystemIds())
    authority = material.authority.read_bytes()
    tls.ensure(tmp_path, tls.names_for(Settings(tls_hosts="real")), _now(), SystemIds())
    assert "test.pps.nhn.no" in _sans(material.certificate)
    assert material.authority.read_bytes() == authority


def test_a_public_url_the_authority_may_not_sign_for_makes_another_authority(tmp_path: Path) -> None:
    material = tls.ensure(tmp_path, _LOCAL, _now(), SystemIds())
    authority = material.authority.read_bytes()
    tls.ensure(tmp_path, tls.names_for(Settings(public_url="https://sandbox.example.org")), _now(), SystemIds())
    assert material.authority.read_bytes() != authority
    _handshake(material, "sandbox.example.org")


def test_an_authority_near_its_end_is_replaced(tmp_path: Path) -> None:
    material = tls.ensure(tmp_path, _LOCAL, _now() - timedelta(days=3400), SystemIds())
    authority = material.authority.read_bytes()
    tls.ensure(tmp_path, _LOCAL, _now(), SystemIds())
    assert material.authority.read_bytes() != authority
    _handshake(material, "localhost")


def test_serial_numbers_come_from_the_id_source(tmp_path: Path) -> None:
    numbers = [
        _certificate(tls.ensure(tmp_path / place, _LOCAL, _now(), SeededIds("same")).authority).serial_number
        for place in "ab"
    ]
    assert numbers[0] == numbers[1] > 0


@pytest.mark.parametrize("name", ["ca.pem", "ca-key.pem", "server.pem"])
def test_a_file_that_cannot_be_read_stops_the_start(name: str, tmp_path: Path) -> None:
    tls.ensure(tmp_path, _LOCAL, _now(), SystemIds())
    (tmp_path / name).write_text("not PEM")
    with pytest.raises(tls.TlsUnfit, match="Remove"):
        tls.ensure(tmp_path, _LOCAL, _now(), SystemIds())


def test_a_key_that_is_not_the_certificates_stops_the_start(tmp_path: Path) -> None:
    tls.ensure(tmp_path, _LOCAL, _now(), SystemIds())
    (tmp_path / "ca-key.pem").write_bytes((tmp_path / "server-key.pem").read_bytes())
    with pytest.raises(tls.TlsUnfit, match="is not the key"):
        tls.ensure(tmp_path, _LOCAL, _now(), SystemIds())


def test_hints_name_the_file() -> None:
    hints = tls.trust_hints(Path("/data/ca.pem"))
    for word in ("SSL_CERT_FILE=/data/ca.pem", "trustStore", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "certutil"):
        assert word in hints
