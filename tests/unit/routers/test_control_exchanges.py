"""``/exchanges`` over HTTP: filters, cursors, waiting, the stream, and an export without secrets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.journaled import CLIENT, CONTROL, P01, P02, SEARCH, Epj, epj


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Epj]:
    with epj(tmp_path_factory.mktemp("journal")) as made:
        yield made


@pytest.fixture
def clean(client: Epj) -> Epj:
    assert client.http.delete(CONTROL + "/exchanges").status_code == 204
    return client


def get(client: Epj, path: str) -> Any:
    answer = client.http.get(CONTROL + path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def listed(client: Epj, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = get(client, "/exchanges" + query)["exchanges"]
    return found


def test_a_row_tells_what_a_list_needs(clean: Epj) -> None:
    answer = clean.search(P02)
    (row,) = listed(clean, "?service=pps-v2")
    assert row == {
        "id": answer.headers["Sandbox-Exchange"],
        "service": "pps-v2",
        "method": "POST",
        "path": "/DiagnosticReport/_search",
        "operation": "DiagnosticReport/_search",
        "status": 200,
        "reason": "GENERAL_BLOCK",
        "rule": "F2",
        "client": CLIENT,
        "patient": "P02",
        "at": row["at"],
        "durationMs": row["durationMs"],
        "summary": "GENERAL_BLOCK by rule F2.",
    }
    assert row["durationMs"] > 0


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("", 2),
        ("?patient=P02", 1),
        ("?reason=GENERAL_BLOCK", 1),
        ("?path=*/_search", 2),
        ("?path=/diagnosticreport/*", 2),
        ("?path=/nothing*", 0),
        ("?method=post", 2),
        ("?method=GET", 0),
        ("?operation=DiagnosticReport/_search", 2),
        ("?client=sandkasse-epj&status=200", 2),
        ("?status=403", 0),
        ("?since=2001-01-01T00:00:00Z&until=2100-01-01T00:00:00Z", 2),
        ("?until=2001-01-01T00:00:00Z", 0),
        ("?limit=1", 1),
    ],
)
def test_filters(clean: Epj, query: str, number: int) -> None:
    clean.token or clean.log_in()
    clean.http.delete(CONTROL + "/exchanges")
    clean.search(P01)
    clean.search(P02)
    assert len(listed(clean, query)) == number


def test_no_number_reaches_a_row_by_way_of_a_path(clean: Epj) -> None:
    clean.http.get(f"http://localhost:8000/pps/v2/Patient%7C{P01}/x%00y?identifier=urn:x%7C{P01}")
    (row,) = listed(clean)
    assert row["path"] == "/Patient|148384*****/xy"
    assert P01 not in str(get(clean, f"/exchanges/{row['id']}"))


def test_newest_first_then_on_from_the_cursor(clean: Epj) -> None:
    first = clean.search().headers["Sandbox-Exchange"]
    page = get(clean, "/exchanges?service=pps-v2")
    second, third = (clean.search().headers["Sandbox-Exchange"] for _ in range(2))
    more = get(clean, f"/exchanges?service=pps-v2&after={page['cursor']}")
    assert [row["id"] for row in more["exchanges"]] == [second, third]
    assert [row["id"] for row in listed(clean, f"?service=pps-v2&after={first}&limit=1")] == [second]
    assert [row["id"] for row in listed(clean, "?service=pps-v2")] == [third, second, first]
    assert get(clean, f"/exchanges?after={more['cursor']}&wait=0.01")["exchanges"] == []


@pytest.mark.parametrize("query", ["?after=x", "?wait=61", "?wait=-1", "?limit=0", "?status=1", "?since=now"])
def test_what_cannot_be_read_is_a_problem(client: Epj, query: str) -> None:
    answer = client.http.get(CONTROL + "/exchanges" + query)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


class TestExpect:
    def ask(self, client: Epj, **body: Any) -> Any:
        answer = client.http.post(CONTROL + "/exchanges/expect", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def test_what_came_before_counts(self, clean: Epj) -> None:
        made = clean.search().headers["Sandbox-Exchange"]
        found = self.ask(clean, match={"service": "pps-v2", "method": "post", "path": "*_search"}, timeout=5)
        assert (found["satisfied"], [row["id"] for row in found["exchanges"]]) == (True, [made])
        assert self.ask(clean, match={"service": "pps-v2"}, after=found["cursor"], timeout=0.05)["satisfied"] is False

    def test_none_expected(self, clean: Epj) -> None:
        clean.search()
        assert self.ask(clean, match={"status": 418}, count=0, timeout=0.05)["satisfied"] is True

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({"match": {"colour": "red"}}, "/match/colour"),
            ({"match": {"status": 1}}, "/match/status"),
            ({"count": -1}, "/count"),
            ({"timeout": 61}, "/timeout"),
            ({"matches": {}}, "/matches"),
        ],
    )
    def test_what_is_wrong_is_pointed_at(self, client: Epj, body: dict[str, Any], pointer: str) -> None:
        answer = client.http.post(CONTROL + "/exchanges/expect", json=body)
        assert (answer.status_code, answer.json()["pointer"]) == (400, pointer)


def test_a_caller_is_known_though_its_token_has_expired(clean: Epj) -> None:
    """The signature holds, so the journal can tell whose token it was."""
    clean.token or clean.log_in()
    clean.http.delete(CONTROL + "/exchanges")
    assert clean.http.patch(CONTROL + "/clock", json={"advance": 7200}).status_code == 200
    refused = clean.search()
    assert clean.http.put(CONTROL + "/clock", json={"now": "real", "force": True}).status_code == 200
    assert refused.status_code == 401
    (row,) = listed(clean)
    assert (row["reason"], row["client"]) == ("TOKEN_INVALID", CLIENT)


def test_the_export_is_har_and_has_no_secret(clean: Epj) -> None:
    clean.token = None
    clean.log_in_by_page()
    clean.search(P01)
    clean.search(P02, Cookie="session=aVerySecretValue", **{"X-Admin-Key": "anotherSecretValue"})
    clean.http.post(f"{SEARCH}?subject=urn:oid:2.16.578.1.12.4.1.4.1%7C{P01}", headers={"person-id": P01})
    clean.http.get("http://localhost:8000/helseid/connect/userinfo", headers={"Authorization": "Bearer eyJhbGciOiJ"})
    answer = clean.http.get(CONTROL + "/exchanges/export")
    assert 'filename="sandkasse-default.har"' in answer.headers["content-disposition"]
    log = orjson.loads(answer.content)["log"]
    assert log["version"] == "1.2"
    paths = [entry["request"]["url"].partition("localhost:8000")[2].partition("?")[0] for entry in log["entries"]]
    assert paths.index("/helseid/connect/par") < paths.index("/helseid/connect/token") < len(paths) - 1
    assert {"/helseid/connect/authorize", "/helseid/connect/login", "/pps/v2/DiagnosticReport/_search"} <= set(paths)
    assert log["entries"][-1]["_service"] == "helseid"
    pieces = clean.pieces
    assert len(pieces) > 20
    assert [piece for piece in pieces if piece in answer.text] == []
    assert "eyJ" not in answer.text


def test_the_export_is_narrowed_and_bounded(clean: Epj) -> None:
    made = [clean.search(patient).headers["Sandbox-Exchange"] for patient in (P01, P02, P01)]
    found = get(clean, "/exchanges/export?patient=P01&limit=1")["log"]["entries"]
    assert [entry["_exchange"] for entry in found] == made[2:]
    assert clean.http.get(CONTROL + "/exchanges/export?limit=2001").status_code == 400


def test_one_sandbox_does_not_see_another(clean: Epj, tmp_path: Path) -> None:
    other = "http://localhost:8000/s/apart/_sandbox/v1"
    assert clean.http.post(CONTROL + "/sandboxes", json={"name": "apart", "content": "empty"}).status_code == 201
    made = clean.search().headers["Sandbox-Exchange"]
    assert clean.http.get(other + "/exchanges").json()["exchanges"] == []
    assert clean.http.get(f"{other}/exchanges/{made}").status_code == 404
    assert clean.http.get(other + "/exchanges/export").json()["log"]["entries"] == []
    assert clean.http.delete(other + "/exchanges").status_code == 204
    assert [row["id"] for row in listed(clean, "?service=pps-v2")] == [made]
