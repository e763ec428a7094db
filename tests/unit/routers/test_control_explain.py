"""``POST /explain``: everything that is wrong with a request at once, in the order the wire judges."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from app import main
from app.trust.jose import generate_key, import_key, public_members, sign
from tests.unit.routers.test_service import BASE, P01, P02, SEARCH, Service

EXPLAIN = "/_sandbox/v1/explain"


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    made = Service(tmp_path)
    await main.start(made.core)
    yield made
    made.core.store.close()


async def told(service: Service, /, **asked: Any) -> dict[str, Any]:
    answer = await service.http.post(EXPLAIN, json=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def order(service: Service, **wanted: Any) -> dict[str, Any]:
    wanted = {"persona": "H01", "url": BASE + SEARCH, "method": "POST"} | wanted
    found: dict[str, Any] = (await service.http.post("/_sandbox/v1/tokens", json=wanted)).json()
    return found


async def search(service: Service, number: str = P01, **changes: Any) -> dict[str, Any]:
    headers = (await order(service))["headers"] | {"person-id": number, "X-Request-Id": "r1"}
    return {"method": "POST", "url": BASE + SEARCH, "headers": headers, "body": ""} | changes


def rules(found: dict[str, Any]) -> list[str]:
    return [fault["rule"] for fault in found["faults"]]


async def test_a_sound_request_has_no_faults_and_may_still_be_sent(service: Service) -> None:
    request = await search(service)
    for _ in range(2):
        found = await told(service, request=request)
        assert found["ok"], found
        assert found["decision"]["outcome"] == "PERMIT"
    sent = await service.http.post(SEARCH, headers=request["headers"])
    assert sent.status_code == 200
    again = await told(service, request=request)
    assert rules(again) == ["A3 jti"]
    assert (await service.http.post(SEARCH, headers=request["headers"])).status_code == 401


async def test_every_fault_is_told_at_once(service: Service) -> None:
    request = await search(service, number="123", method="PUT", body="_count=x&date=never")
    del request["headers"]["X-Request-Id"]
    request["headers"] |= {
        "access-basis": "WISH",
        "requester-hpr-role": "??",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    found = await told(service, request=request)
    reasons = [fault["reason"] for fault in found["faults"]]
    assert reasons[:2] == ["METHOD_NOT_ALLOWED", "DPOP_INVALID"]
    assert {"HEADER_MISSING", "PATIENT_ID_INVALID", "BASIS_INVALID", "HEADER_INVALID", "PARAMETER_INVALID"} <= set(
        reasons
    )
    assert sum(reason == "PARAMETER_INVALID" for reason in reasons) == 2
    # What no row of stage B names is a matter of row B1.
    told_by = {fault["reason"]: fault["rule"] for fault in found["faults"]}
    assert told_by["METHOD_NOT_ALLOWED"] == told_by["PARAMETER_INVALID"] == "B1"
    assert all(fault["text"] and fault["source"] for fault in found["faults"])


async def test_what_was_found_and_what_was_expected(service: Service) -> None:
    request = await search(service)
    request["url"] = BASE + "/pps/v2/Observation/_search"
    found = await told(service, request=request)
    assert found["faults"] == [
        {
            "rule": "A3 htu",
            "severity": "error",
            "text": "Invalid 'htu' value.",
            "reason": "DPOP_INVALID",
            "found": BASE + SEARCH,
            "expected": BASE + "/pps/v2/Observation/_search",
            "source": "RFC 9449 4.3, check 9",
        }
    ]


async def test_a_token_of_another_audience_without_a_proof(service: Service) -> None:
    made = await order(service, url=BASE + "/trust-probe/whoami")
    request = await search(service)
    request["headers"] = {"Authorization": "DPoP " + made["access_token"]}
    found = await told(service, request=request)
    assert rules(found)[:3] == ["A4", "A3 DPoP", "A5"]
    wrong = found["faults"][0]
    assert (wrong["found"], wrong["expected"]) == ("sandkasse:probe", "nhn:pps") or wrong["found"] == [
        "sandkasse:probe"
    ]


async def test_no_token_leaves_the_rest_to_be_told(service: Service) -> None:
    request = await search(service, headers={"person-id": P01})
    assert [fault["reason"] for fault in (await told(service, request=request))["faults"]] == [
        "TOKEN_MISSING",
        "HEADER_MISSING",
    ]


async def test_the_policy_judges_by_every_row(service: Service) -> None:
    request = await search(service, number=P02)  # who has a general block
    found = await told(service, request=request)
    assert found["decision"]["reason"] == "GENERAL_BLOCK"
    assert [fault["severity"] for fault in found["faults"]] == ["withheld"]
    assert any(row["fired"] and row["deciding"] for row in found["rules"])
    audit = (await service.http.get("/_sandbox/v1/audit?patient=P02")).json()["records"]
    assert audit == [], "explaining is no access"


async def test_no_national_number_comes_back(service: Service) -> None:
    answer = await service.http.post(EXPLAIN, json={"request": await search(service, number=P01)})
    assert P01 not in answer.text
    found = await told(service, request=await search(service, url=f"{BASE}{SEARCH}?patient={P01}"))
    assert "R45" in [fault["source"] for fault in found["faults"]]
    assert P01 not in str(found)


async def test_an_unknown_address_and_another_sandbox(service: Service) -> None:
    found = await told(service, request={"url": BASE + "/nowhere"})
    assert found["faults"][0]["reason"] == "ROUTE_UNKNOWN"
    found = await told(service, request={"url": BASE + "/pps/v2/Patient"})
    assert found["faults"][0]["reason"] == "ROUTE_UNKNOWN"
    found = await told(service, request={"url": BASE + "/_sandbox/v1/nothing"})
    assert found["faults"][0]["reason"] == "ROUTE_UNKNOWN"
    assert (await told(service, request={"url": BASE + "/helseid/.well-known/openid-configuration"}))["ok"]
    answer = await service.http.post(EXPLAIN, json={"request": {"url": BASE + "/s/other" + SEARCH}})
    assert (answer.status_code, answer.json()["pointer"]) == (400, "/request/url")


@pytest.mark.parametrize(
    "body", [{}, {"token": "a", "proof": "b"}, {"request": {"url": "x"}}, {"token": "a", "service": "nobody"}]
)
async def test_bad_questions(service: Service, body: dict[str, Any]) -> None:
    answer = await service.http.post(EXPLAIN, json=body)
    assert answer.status_code == 400
    assert answer.json()["detail"]


async def test_a_token_alone(service: Service) -> None:
    made = await order(service)
    found = await told(service, token=made["access_token"])
    assert found["ok"]
    assert found["judgedFor"] == "PPS"
    header, payload, signature = made["access_token"].split(".")
    found = await told(service, token=f"{header}.{payload}.{signature[:-4]}AAAA", service="trust-probe")
    assert rules(found) == ["A2", "A4"]
    await service.http.patch("/_sandbox/v1/clock", json={"advance": "PT1H"})
    assert [fault["text"] for fault in (await told(service, token=made["access_token"]))["faults"]] == [
        "The access token has expired"
    ]
    assert rules(await told(service, token="no jwt")) == ["A2"]


async def test_a_proof_alone(service: Service) -> None:
    jwk = generate_key("ES256")
    claims = {"jti": "1", "htm": "GET", "htu": BASE, "iat": int(service.clock.now)}
    proof = sign({"typ": "JWT", "alg": "ES256", "jwk": public_members(jwk)}, claims, import_key(jwk))
    assert rules(await told(service, proof=proof)) == ["A3 typ"]
    assert rules(await told(service, proof=proof, method="POST", url=BASE + "/x")) == ["A3 typ", "A3 htm", "A3 htu"]
    private = sign({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}, claims | {"iat": 1}, import_key(jwk))
    assert rules(await told(service, proof=private)) == ["A3 jwk", "A3 iat"]


async def test_a_client_assertion_alone(service: Service) -> None:
    key = (await service.http.get("/_sandbox/v1/clients/sandkasse-epj/key")).json()
    now = int(service.clock.now)
    claims = {
        "iss": "sandkasse-epj",
        "sub": "sandkasse-epj",
        "aud": BASE + "/helseid",
        "jti": "j",
        "exp": now + 30,
        "iat": now,
        "nbf": now,
    }
    header = {"typ": "client-authentication+jwt", "alg": "ES256", "kid": key["kid"]}
    sound = await told(service, clientAssertion=sign(header, claims, import_key(key)))
    assert sound["ok"], sound
    assert sound["client"] == "sandkasse-epj"
    wrong = claims | {"aud": "https://elsewhere", "exp": now - 100, "jti": ""}
    other = import_key(generate_key("ES256"))
    found = await told(service, clientAssertion=sign({"typ": "dpop+jwt", "alg": "ES256"}, wrong, other))
    assert [fault["text"] for fault in found["faults"]] == [
        "the client assertion needs a jti of at most 512 characters",
        "the JWT is not signed with a key of the client",
        "typ must be client-authentication+jwt",
        "aud is not this issuer",
        "the JWT has expired",
    ]


async def test_a_token_request(service: Service) -> None:
    url = BASE + "/helseid/connect/par"
    form = {"headers": {"Content-Type": "application/x-www-form-urlencoded"}, "method": "POST", "url": url}
    found = await told(service, request={**form, "body": "client_id=sandkasse-epj"})
    assert [fault["rule"] for fault in found["faults"]] == ["STS invalid_client", "STS invalid_client"]
    key = (await service.http.get("/_sandbox/v1/clients/sandkasse-epj/key")).json()
    now = int(service.clock.now)
    claims = {"iss": "sandkasse-epj", "sub": "sandkasse-epj", "aud": BASE + "/helseid", "jti": "j", "exp": now + 30}
    header = {"typ": "client-authentication+jwt", "alg": "ES256", "kid": key["kid"]}
    sent = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion="
    sent += sign(header, claims, import_key(key))
    found = await told(service, request={**form, "body": sent + "&response_mode=pigeon&scope=unknown"})
    texts = " | ".join(fault["text"] for fault in found["faults"])
    for expected in ("redirect_uri", "response_type", "not granted", "response_mode", "code_challenge"):
        assert expected in texts
    found = await told(
        service, request={**form, "url": url.replace("par", "token"), "body": sent + "&grant_type=magic"}
    )
    assert [fault["reason"] for fault in found["faults"]] == ["invalid_request", "unsupported_grant_type"]


async def test_rows_of_the_policy_tell_what_they_saw(service: Service) -> None:
    """What each row found and wanted, where a value says it better than the row's text."""
    await service.http.patch("/_sandbox/v1/persons/P01", json={})
    stranger = {"given": "LETT", "family": "TÅKE", "birthDate": "1990-05-05", "gender": "female"}
    number = (await service.http.put("/_sandbox/v1/persons/X1", json=stranger)).json()["nin"]
    await service.http.delete("/_sandbox/v1/persons/X1")
    found = await told(service, request=await search(service, number=number))
    assert [(fault["rule"], fault["found"]) for fault in found["faults"]] == [("D1", "not in the register")]

    put = {"nin": "02828049251", "hpr": "222250101", "authorizations": []}
    await service.http.put("/_sandbox/v1/practitioners/H01", json=put)
    found = await told(service, request=await search(service))
    assert ("C2", "no authorisation") in [(fault["rule"], fault["found"]) for fault in found["faults"]]


async def test_an_attest_is_told_of(service: Service) -> None:
    url = BASE + "/trust-probe/whoami"
    made = await order(service, url=url, method="GET")
    request = {"url": url, "headers": made["headers"] | {"person-id": P01}}
    assert (await told(service, request=request))["ok"]
    change = {"settings": {"attest_max_age": 60, "proof_window": "relaxed"}}
    await service.http.patch("/_sandbox/v1/sandboxes/default", json=change)
    service.clock.now += 130
    wanted = {fault["rule"]: fault for fault in (await told(service, request=request))["faults"]}
    assert set(wanted) == {"A3 iat", "B5"}
    assert wanted["B5"]["found"] == int(service.clock.now) - 130
    assert wanted["B5"]["expected"].startswith("toa between")
    await service.http.put("/_sandbox/v1/organisations/O03", json={"orgnr": "315500303", "name": "ELSEWHERE"})
    headers = {"person-id": P01, "Authorization": "Bearer " + made["access_token"]}
    bearer = await told(service, request={"url": BASE + "/trust-probe/bearer/whoami", "headers": headers})
    assert bearer["faults"][0]["text"].startswith("The access token is bound to a DPoP key")
