"""From URL to service and back (design section 4, ruling R27)."""

import pytest

from app.addresses import address, is_address_of, resolve, resolve_at_root


@pytest.mark.parametrize(
    ("scheme", "host", "path", "sandbox", "service", "tail", "base", "issuer"),
    [
        ("http", "localhost:8000", "/pps/v2/metadata", "default", "pps-v2", "/metadata",
         "http://localhost:8000/pps/v2", "http://localhost:8000/helseid"),
        ("http", "localhost:8000", "/pps/metadata", "default", "pps", "/metadata",
         "http://localhost:8000/pps", "http://localhost:8000/helseid"),
        ("http", "localhost:8000", "/ppsx/metadata", "default", "web", "/ppsx/metadata",
         "http://localhost:8000", "http://localhost:8000/helseid"),
        ("http", "localhost:80", "/s/demo/helseid", "demo", "helseid", "/",
         "http://localhost/s/demo/helseid", "http://localhost/s/demo/helseid"),
        ("http", "pps.localhost:8000", "/v2/metadata", "default", "pps-v2", "/metadata",
         "http://pps.localhost:8000/v2", "http://helseid.localhost:8000"),
        ("http", "helseid.demo.localhost:8000", "/connect/token", "demo", "helseid", "/connect/token",
         "http://helseid.demo.localhost:8000", "http://helseid.demo.localhost:8000"),
        ("https", "test.pps.nhn.no", "/v2/metadata", "default", "pps-v2", "/metadata",
         "https://test.pps.nhn.no/v2", "https://helseid-sts.test.nhn.no"),
        ("https", "backdoor.test.pps.nhn.no:443", "/fhir/metadata", "default", "pps-backdoor", "/metadata",
         "https://backdoor.test.pps.nhn.no/fhir", "https://helseid-sts.test.nhn.no"),
        ("http", "localhost", "/s/demo", "demo", "web", "/", "http://localhost/s/demo", "http://localhost/s/demo/helseid"),
    ],
)  # fmt: skip
def test_three_ways_to_a_service(
    scheme: str, host: str, path: str, sandbox: str, service: str, tail: str, base: str, issuer: str
) -> None:
    where = resolve(scheme, host, path)
    assert (where.sandbox, where.service, where.tail, where.base) == (sandbox, service, tail, base)
    assert address("helseid", where) == issuer


@pytest.mark.parametrize(
    ("host", "path", "sandbox", "tail", "base", "issuer"),
    [
        ("localhost:8001", "/v1/client", "default", "/v1/client", "http://localhost:8001", "http://localhost:8000/helseid"),
        ("127.0.0.1:8001", "/", "default", "/", "http://127.0.0.1:8001", "http://127.0.0.1:8000/helseid"),
        ("[::1]:8001", "/v1/x", "default", "/v1/x", "http://[::1]:8001", "http://[::1]:8000/helseid"),
        ("LOCALHOST:8001", "/s/a/v1/client", "a", "/v1/client", "http://localhost:8001/s/a",
         "http://localhost:8000/s/a/helseid"),
    ],
)  # fmt: skip
def test_a_port_may_serve_one_service_at_its_root(
    host: str, path: str, sandbox: str, tail: str, base: str, issuer: str
) -> None:
    """real-clients.md C41."""
    where = resolve_at_root("http", host, path, "selvbetjening-api", 8000)
    assert (where.sandbox, where.service, where.tail, where.base) == (sandbox, "selvbetjening-api", tail, base)
    assert address("helseid", where) == issuer
    assert is_address_of(issuer, "helseid", sandbox, seen_host=host)


def test_public_url_replaces_the_origin() -> None:
    where = resolve("http", "10.0.0.7:8000", "/s/a/pps/v2/metadata", public_url="https://sandkasse.example/base")
    assert where.base == "https://sandkasse.example/base/s/a/pps/v2"
    assert address("helseid", where) == "https://sandkasse.example/base/s/a/helseid"


@pytest.mark.parametrize(
    ("url", "accepted"),
    [
        ("http://localhost:8000/helseid", True),
        ("http://127.0.0.1:8000/helseid", True),
        ("http://helseid.localhost:8000", True),
        ("https://helseid-sts.test.nhn.no", True),
        ("http://10.0.0.7:8000/helseid", True),  # the host of this very call
        ("https://sandkasse.example/base/helseid", True),
        ("http://localhost:8000/helseid/", False),
        ("http://localhost:80/helseid", False),
        ("http://LOCALHOST:8000/helseid", False),
        ("http://localhost:8000/s/other/helseid", False),
        ("http://elsewhere.example/helseid", False),
        ("http://localhost:8000/pps", False),
        ("http://localhost:8000/helseid?x=1", False),
        ("ftp://localhost/helseid", False),
        ("", False),
    ],
)
def test_issuer_aliases_are_exact(url: str, accepted: bool) -> None:
    seen = "10.0.0.7:8000"
    assert (
        is_address_of(url, "helseid", "default", seen_host=seen, public_url="https://sandkasse.example/base")
        is accepted
    )


def test_the_real_issuer_is_the_default_sandboxs_only() -> None:
    assert not is_address_of("https://helseid-sts.test.nhn.no", "helseid", "demo", seen_host="x")
