"""Cases T-73 to T-108 of trust.md section 9 at the trust probe, over HTTP from the resolving middleware on (R4)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

import httpx
import orjson
import pytest
from fastapi import FastAPI
from sqlalchemy import Connection

from app.clock import ManualClock
from app.core import Core
from app.identity import generate
from app.ids import SeededIds
from app.routers import trust_probe
from app.routers.resolver import Resolver
from app.sandboxes import manager
from app.sandboxes.state import SandboxState
from app.settings import Settings
from app.store import audit, privacy, registers, tables
from app.store.engine import Store
from app.synthetic.people import seed_people
from app.trust import issuer_keys
from app.trust.facts import Setting, SettingKind
from app.trust.jose import b64encode, generate_key, import_key, public_members, sign
from tests.unit.trust.gate_kit import (
    ABSENT,
    CLIENT_JWK,
    HPR_NUMBER,
    NOW,
    attest,
    claims,
    proof,
)

T = TypeVar("T")

P01 = "14838449698"
P02 = "02917149979"
P03 = "21869049848"
PROBE = "/trust-probe/whoami"
BEARER = "/trust-probe/bearer/whoami"
OTHER_CLIENT = generate_key("ES256")


@dataclass
class World:
    """The probe behind the resolver, on a clock that stands still, and the issuer's key to sign with."""

    core: Core
    clock: ManualClock
    app: Resolver
    runner: asyncio.Runner

    def run(self, work: Awaitable[T]) -> T:
        async def wait() -> T:
            return await work

        return self.runner.run(wait())

    def sign(self, made: Mapping[str, Any], header: Mapping[str, Any] | None = None, sandbox: str = "default") -> str:
        """An access token signed with the sandbox's present key."""
        key = self.run(self._signing_key(sandbox))
        base = {**key.header("at+jwt"), **(header or {})}
        return sign({name: value for name, value in base.items() if value is not ABSENT}, made, key.key)

    def get(
        self, path: str, headers: Sequence[tuple[str, str]], method: str = "GET", query: str = ""
    ) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
                return await client.request(method, path + query, headers=list(headers))

        return self.run(send())

    def call(
        self,
        made: Mapping[str, Any] | None = None,
        *,
        token_header: Mapping[str, Any] | None = None,
        person: str | None = None,
        sandbox: str = "default",
        now: float = NOW,
        **changes: Any,
    ) -> httpx.Response:
        """Call the probe with a token of ``made`` claims; keywords change its proof."""
        prefix = "" if sandbox == "default" else f"/s/{sandbox}"
        iss = f"http://localhost:8000{prefix}/helseid"
        raw = self.sign({**claims(now), "iss": iss} if made is None else made, token_header, sandbox)
        changes.setdefault("htu", f"http://localhost:8000{prefix}{PROBE}")
        extra = [("person-id", person)] if person is not None else []
        return self.get(prefix + PROBE, [*dpop(raw, proof(raw, now=now, **changes)), *extra])

    def records(self, sandbox: str = "default") -> list[dict[str, Any]]:
        """The probe's audit records, oldest first."""
        rows = self.core.store.read_now(lambda conn: audit.query(conn, sandbox, service="PROBE", limit=1000))
        return sorted(rows, key=lambda row: int(row["seq"]))

    def sandbox(self, **settings: Any) -> str:
        """A new sandbox with the sandbox's people and ``settings`` of its own."""

        def seed(conn: Connection, made: SandboxState, now: float) -> None:
            seed_people(conn, made.id, now)

        return self.run(manager.create(self.core, settings=settings, seeder=seed)).id

    async def _signing_key(self, sandbox: str) -> issuer_keys.SigningKey:
        state = await manager.state(self.core, sandbox)
        assert state is not None
        return await issuer_keys.signing_key(self.core, state)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    clock = ManualClock(NOW)
    path = tmp_path_factory.mktemp("gate") / "a.db"
    store = Store(f"sqlite:///{path}", clock)
    tables.metadata.create_all(store.engine)
    core = Core(Settings(), store, clock, SeededIds("gate"))
    apps = {"trust-probe": trust_probe.create(core), "trust-probe-bearer": trust_probe.create_bearer(core)}
    app = Resolver(core, {**apps, "web": FastAPI()}, FastAPI())
    store.start()

    def seed(conn: Connection, made: SandboxState, now: float) -> None:
        seed_people(conn, made.id, now)

    with asyncio.Runner() as runner:
        made = World(core, clock, app, runner)
        made.run(issuer_keys.ensure(core))
        made.run(manager.ensure(core, seeder=seed))
        yield made
        store.close()


def dpop(raw: str, *proofs: str) -> list[tuple[str, str]]:
    return [("Authorization", f"DPoP {raw}"), *(("DPoP", each) for each in proofs)]


def bearer(raw: str) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {raw}")]


def invalid_token(answer: httpx.Response) -> None:
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert answer.headers["Content-Type"] == "application/problem+json"


def invalid_proof(answer: httpx.Response) -> None:
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith('DPoP error="invalid_dpop_proof", error_description="')


def granted(answer: httpx.Response) -> None:
    assert answer.status_code == 200, answer.text
    assert answer.json()["clientId"] == "client-1"


def forbidden(reason: str) -> Callable[[httpx.Response], None]:
    def check(answer: httpx.Response) -> None:
        assert (answer.status_code, answer.json()["reason"]) == (403, reason)

    return check


Check = Callable[[World], None]
_CASES: list[Any] = []


def case(name: str) -> Callable[[Check], Check]:
    """Add a check as the case ``name``."""

    def add(check: Check) -> Check:
        _CASES.append(pytest.param(check, id=name))
        return check

    return add


# T-73 to T-77: how the token is carried


@case("T-73")
def no_credentials(world: World) -> None:
    answer = world.get(PROBE, [])
    assert answer.status_code == 401
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith('DPoP algs="')
    assert "error" not in challenge


@case("T-74")
def token_and_proof(world: World) -> None:
    answer = world.call()
    granted(answer)
    assert answer.json()["hprNumber"] == HPR_NUMBER
    assert answer.json()["attest"]["practitioner"]["authorization"]["code"] == "LE"
    assert answer.json()["patient"] is None


@case("T-75")
def bound_token_as_bearer(world: World) -> None:
    invalid_token(world.get(PROBE, bearer(world.sign(claims()))))


@case("T-76")
def unbound_token_as_dpop(world: World) -> None:
    invalid_token(world.call(claims(jkt=None)))


@case("T-77")
def bearer_route(world: World) -> None:
    granted(world.get(BEARER, bearer(world.sign(claims(jkt=None)))))
    answer = world.get(BEARER, bearer(world.sign(claims())))
    invalid_token(answer)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


# T-78 to T-86: the token


def _forged(world: World, alg: str) -> str:
    """A token nobody signed, or signed with the public key as if it were a secret."""
    key = world.run(world._signing_key("default"))
    header = b64encode(orjson.dumps({"alg": alg, "kid": key.kid, "typ": "at+jwt"}))
    body = f"{header}.{b64encode(orjson.dumps(claims()))}"
    if alg == "none":
        return body + "."
    secret = orjson.dumps(public_members(key.key.native.as_dict(private=False)))
    return f"{body}.{b64encode(hmac.new(secret, body.encode(), hashlib.sha256).digest())}"


def _of_other_key(world: World) -> str:
    kid = world.run(world._signing_key("default")).kid
    return sign({"alg": "RS256", "kid": kid, "typ": "at+jwt"}, claims(), import_key(generate_key("RS256")))


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(_of_other_key, id="T-78-key"),
        pytest.param(lambda world: world.sign(claims(), {"kid": "unknown"}), id="T-78-kid"),
        pytest.param(lambda world: world.sign(claims(NOW - 700)), id="T-79-expired"),
        pytest.param(lambda world: world.sign(claims(nbf=int(NOW) + 30)), id="T-79-nbf"),
        pytest.param(lambda world: world.sign(claims(iss="http://localhost:8000/helseid/")), id="T-81-slash"),
        pytest.param(lambda world: world.sign(claims(iss="https://example.org")), id="T-81-other"),
        pytest.param(lambda world: world.sign(claims(aud=ABSENT)), id="T-82-missing"),
        pytest.param(lambda world: world.sign(claims(aud="nhn:pps")), id="T-82-other"),
        pytest.param(lambda world: world.sign(claims(aud=["sandkasse:probe", "nhn:pps"])), id="T-82-two"),
        pytest.param(lambda world: world.sign(claims(), {"typ": "id+jwt"}), id="T-83-typ"),
        pytest.param(lambda world: world.sign(claims(aud="client-1"), {"typ": "JWT"}), id="T-83-id-token"),
        pytest.param(lambda world: _forged(world, "none"), id="T-84-none"),
        pytest.param(lambda world: _forged(world, "HS256"), id="T-84-HS256"),
    ],
)
def test_a_bad_token(world: World, make: Callable[[World], str]) -> None:
    raw = make(world)
    invalid_token(world.get(PROBE, dpop(raw, proof(raw))))


@case("T-80")
def the_attest_is_too_old(world: World) -> None:
    """The description is the one ATT-58 gives."""
    answer = world.call(claims(attest=attest(toa=int(NOW) - 3601)))
    invalid_token(answer)
    assert 'error_description="attestation_has_expired"' in answer.headers["WWW-Authenticate"]
    granted(world.call(claims(attest=attest(toa=int(NOW) - 3600))))


@case("T-80-iat")
def the_age_of_an_attest_without_toa_is_that_of_the_token(world: World) -> None:
    """Ruling R14."""
    granted(world.call(claims(attest=attest())))
    invalid_token(world.call(claims(attest=attest(), iat=int(NOW) - 3601)))


@case("T-85")
def the_scope_is_missing(world: World) -> None:
    answer = world.call(claims(scope=["openid", "nhn:pps/provesvar-read"]))
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    assert 'scope="sandkasse:probe/read"' in answer.headers["WWW-Authenticate"]


@case("T-86")
def the_scope_as_a_text(world: World) -> None:
    granted(world.call(claims(scope="openid sandkasse:probe/read")))


# T-87 to T-97: the proof


@pytest.mark.parametrize("number", [pytest.param(0, id="T-87-missing"), pytest.param(2, id="T-87-two")])
def test_the_number_of_proofs(world: World, number: int) -> None:
    raw = world.sign(claims())
    invalid_proof(world.get(PROBE, dpop(raw, *(proof(raw) for _ in range(number)))))


@pytest.mark.parametrize(
    ("changes", "expect"),
    [
        pytest.param({"header": {"typ": "JWT"}}, invalid_proof, id="T-88"),
        pytest.param({"header": {"jwk": ABSENT}}, invalid_proof, id="T-89-missing"),
        pytest.param({"header": {"jwk": {**CLIENT_JWK}}}, invalid_proof, id="T-89-private"),
        pytest.param({"jwk": OTHER_CLIENT}, invalid_proof, id="T-90"),
        pytest.param({"ath": ABSENT}, invalid_proof, id="T-91-missing"),
        pytest.param({"ath": b64encode(b"0" * 32)}, invalid_proof, id="T-91-other"),
        pytest.param({"htm": "POST"}, invalid_proof, id="T-92"),
        pytest.param({"htu": f"http://localhost:8000{PROBE}?a=b"}, invalid_proof, id="T-93-query"),
        pytest.param({"iat": int(NOW) - 10}, invalid_proof, id="T-94-old"),
        pytest.param({"iat": int(NOW) + 10}, invalid_proof, id="T-94-ahead"),
        pytest.param({"iat": int(NOW) - 5}, granted, id="T-95-old"),
        pytest.param({"iat": int(NOW) + 4}, granted, id="T-95-ahead"),
        pytest.param({"jti": ABSENT}, invalid_proof, id="T-97"),
    ],
)
def test_the_proof(world: World, changes: dict[str, Any], expect: Callable[[httpx.Response], None]) -> None:
    expect(world.call(**changes))


@case("T-93-call")
def the_htu_of_a_call_with_a_query_has_none(world: World) -> None:
    """The query of the call does not count."""
    raw = world.sign(claims())
    granted(world.get(PROBE, dpop(raw, proof(raw)), query="?a=b"))


@pytest.mark.parametrize("person", [None, P01], ids=["T-96", "T-96-patient"])
def test_a_proof_is_used_once(world: World, person: str | None) -> None:
    raw = world.sign(claims())
    headers = dpop(raw, proof(raw)) + ([("person-id", person)] if person else [])
    granted(world.get(PROBE, headers))
    invalid_proof(world.get(PROBE, headers))


@pytest.mark.parametrize("person", [None, P01], ids=["T-96-restart", "T-96-restart-patient"])
def test_a_proof_is_used_once_also_across_processes(world: World, person: str | None) -> None:
    """The memory of this process is gone, the store's is not."""
    raw = world.sign(claims())
    headers = dpop(raw, proof(raw)) + ([("person-id", person)] if person else [])
    granted(world.get(PROBE, headers))
    world.core.misc.clear()
    invalid_proof(world.get(PROBE, headers))


# T-98 to T-103: person, organisation, attest


_ELSEWHERE = {"id": "315500206", "system": "urn:oid:2.16.578.1.12.4.1.4.101"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"level": "3"}, "LEVEL_TOO_LOW", id="T-98"),
        pytest.param({"pid": ABSENT, "sub": ABSENT}, "USER_REQUIRED", id="T-99-machine"),
        pytest.param({"pid": ABSENT}, "PID_MISSING", id="T-99-pid"),
        pytest.param({"child": ABSENT}, "ORG_MISSING", id="T-100"),
        pytest.param({"attest": ABSENT}, "ATTEST_MISSING", id="T-101"),
        pytest.param({"attest": attest(patients={})}, "ATTEST_MISSING", id="T-101-broken"),
        pytest.param(
            {"attest": attest({"identifier": {"id": P01, "system": "urn:oid:2.16.578.1.12.4.1.4.1"}})},
            "ATTEST_ACTOR_MISMATCH",
            id="T-102",
        ),
        pytest.param({"attest": attest({"legal_entity": _ELSEWHERE})}, "ATTEST_ACTOR_MISMATCH", id="T-103"),
        pytest.param({"attest": attest({"point_of_care": _ELSEWHERE})}, "ATTEST_ACTOR_MISMATCH", id="T-103-R17"),
        pytest.param({"child": "315500400"}, "ORG_RELATION", id="T-103-A7b"),
    ],
)
def test_what_the_token_lacks(world: World, changes: dict[str, Any], reason: str) -> None:
    forbidden(reason)(world.call(claims(**changes)))


# T-104 to T-107: the release


def _block(world: World, nin: str, kind: SettingKind, subjects: frozenset[tuple[str, str]], sandbox: str) -> None:
    def put(conn: Connection) -> None:
        person = registers.person_by_nin(conn, sandbox, nin)
        assert person is not None
        setting = Setting("probe-block", "PROBE", kind, subjects=subjects)
        privacy.put_setting(conn, sandbox, person.id, setting, NOW)

    world.run(world.core.store.write(put))


@pytest.mark.parametrize(
    ("kind", "subjects", "reason"),
    [
        pytest.param(
            SettingKind.SPECIFIC_BLOCK, frozenset({("HPR", HPR_NUMBER)}), "ACTOR_BLOCKED", id="T-104-practitioner"
        ),
        pytest.param(
            SettingKind.ORG_BLOCK, frozenset({("ORGNR", "315500303")}), "ORG_BLOCKED", id="T-104-organisation"
        ),
        pytest.param(SettingKind.GENERAL_BLOCK, frozenset[tuple[str, str]](), "GENERAL_BLOCK", id="T-104-general"),
    ],
)
def test_a_block(world: World, kind: SettingKind, subjects: frozenset[tuple[str, str]], reason: str) -> None:
    sandbox = world.sandbox()
    _block(world, P03, kind, subjects, sandbox)
    forbidden(reason)(world.call(person=P03, sandbox=sandbox))
    granted(world.call(person=P01, sandbox=sandbox))
    refused, allowed = world.records(sandbox)
    assert (refused["decision"]["outcome"], refused["decision"]["reason"]) == ("DENY", reason)
    assert refused["http"] == {"status": 403, "route": "GET /whoami"}
    assert (allowed["decision"]["outcome"], allowed["patient"]["nin"]) == ("PERMIT", P01)


@case("T-104-another")
def a_block_against_somebody_else(world: World) -> None:
    sandbox = world.sandbox()
    _block(world, P03, SettingKind.SPECIFIC_BLOCK, frozenset({("HPR", "222250102")}), sandbox)
    granted(world.call(person=P03, sandbox=sandbox))


@case("T-105")
def another_patient_with_the_same_token(world: World) -> None:
    """Allowed, and each patient has an audit record of their own."""
    sandbox = world.sandbox()
    made = {**claims(), "iss": f"http://localhost:8000/s/{sandbox}/helseid"}
    for person in (P01, P02):
        answer = world.call(made, person=person, sandbox=sandbox)
        granted(answer)
        assert answer.json()["patient"] == {"known": True}
    assert [record["patient"]["nin"] for record in world.records(sandbox)] == [P01, P02]


@case("T-105-strict")
def another_patient_in_strict_binding(world: World) -> None:
    sandbox = world.sandbox(attest_binding="strict")
    made = {**claims(), "iss": f"http://localhost:8000/s/{sandbox}/helseid"}
    granted(world.call(made, person=P01, sandbox=sandbox))
    forbidden("ATTEST_PATIENT_MISMATCH")(world.call(made, person=P02, sandbox=sandbox))


@case("T-105-named")
def an_attest_that_names_another_patient(world: World) -> None:
    """Ruling R16: an attest about one patient is good for that patient alone."""
    named = attest(toa=int(NOW), patients=[{"identifier": {"id": P01}}])
    granted(world.call(claims(attest=named), person=P01))
    forbidden("ATTEST_PATIENT_MISMATCH")(world.call(claims(attest=named), person=P02))


@case("T-106")
def breaking_the_glass(world: World) -> None:
    """Allowed, and the record tells that the purpose had no emergency basis beside it."""
    sandbox = world.sandbox()
    purpose = {"code": "BTG", "system": "urn:oid:2.16.840.1.113883.1.11.20448"}
    made = claims(attest=attest(None, {"purpose_of_use": purpose}, toa=int(NOW)))
    made["iss"] = f"http://localhost:8000/s/{sandbox}/helseid"
    granted(world.call(made, person=P01, sandbox=sandbox))
    [record] = world.records(sandbox)
    assert record["purpose"] == "BTG"
    assert "FLAG_BASIS_MISMATCH" in record["decision"]["obligations"]


@case("T-107")
def the_decision_is_found_again(world: World) -> None:
    decision = {"id": "decision-T-107", "user_selected": True}
    granted(world.call(claims(attest=attest(None, {"decision_ref": decision}, toa=int(NOW))), person=P01))
    found = world.core.store.read_now(lambda conn: audit.query(conn, "default", decision_ref="decision-T-107"))
    assert [record["decisionRef"] for record in found] == [{"id": "decision-T-107", "userSelected": True}]


# T-108: the issuer's keys


@case("T-108")
def the_keys_are_rotated(world: World) -> None:
    """The old token holds until it ends; a key this process has not seen yet is asked for."""
    core, sandbox = world.core, world.sandbox()
    url = f"http://localhost:8000/s/{sandbox}{PROBE}"
    made = {**claims(), "iss": f"http://localhost:8000/s/{sandbox}/helseid"}
    state = world.run(manager.state(core, sandbox))
    assert state is not None
    before = world.run(issuer_keys.ring(core, state))
    old = world.sign(made, sandbox=sandbox)

    def call(raw: str) -> httpx.Response:
        return world.get(f"/s/{sandbox}{PROBE}", dpop(raw, proof(raw, htu=url, iat=int(core.clock.time()))))

    granted(call(old))
    for _ in range(2):  # the first brings in the key that was published as the next one
        world.run(issuer_keys.rotate(core, state))
    new = world.sign(made, sandbox=sandbox)
    # As in a process that has not noticed.
    core.misc.put(("issuer-ring", sandbox), before)
    granted(call(new))
    granted(call(old))
    core.tokens.clear()
    granted(call(old))
    world.clock.now = NOW + 606
    try:
        invalid_token(call(old))
    finally:
        world.clock.now = NOW


# what R5 to R8 and R58 say of the probe's own parameters


@case("R7-person-id")
def the_patient_is_named_once(world: World) -> None:
    raw = world.sign(claims())
    answer = world.get(PROBE, [*dpop(raw, proof(raw)), ("person-id", P01), ("person-id", P01)])
    assert (answer.status_code, answer.json()["reason"]) == (400, "HEADER_INVALID")


@case("R7-authorization")
def the_token_is_sent_once(world: World) -> None:
    raw = world.sign(claims())
    invalid_token(world.get(PROBE, dpop(raw, proof(raw)) + bearer(raw)))


@case("R5-person-id")
def a_patient_number_that_is_none(world: World) -> None:
    """It is judged after the token, and no record is made of it."""
    before = len(world.records())
    answer = world.call(person="14838449699")
    assert (answer.status_code, answer.json()["reason"]) == (400, "PATIENT_ID_INVALID")
    invalid_proof(world.call(person="14838449699", ath="x"))
    assert len(world.records()) == before


@case("D1-probe")
def a_patient_that_is_not_in_the_register(world: World) -> None:
    number = generate(date(1990, 1, 1), "female", 7)
    answer = world.call(person=number)
    granted(answer)
    assert answer.json()["patient"] == {"known": False}


@case("R5-route")
def a_route_that_is_none(world: World) -> None:
    """Told before any token is asked for."""
    unknown = world.get("/trust-probe/whoareyou", [])
    assert (unknown.status_code, unknown.headers["Content-Type"]) == (404, "application/problem+json")
    wrong = world.get(PROBE, [], method="POST")
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize(
    ("faults", "status", "reason"),
    [
        pytest.param({"privacy": "down"}, 500, "PRIVACY_UNAVAILABLE", id="privacy"),
        pytest.param({"audit": "down"}, 500, "AUDIT_UNAVAILABLE", id="audit"),
    ],
)
def test_a_dependency_that_fails_closes_the_probe(
    world: World, faults: dict[str, str], status: int, reason: str
) -> None:
    sandbox = world.sandbox()
    world.run(manager.configure(world.core, sandbox, faults=faults))
    answer = world.call(person=P01, sandbox=sandbox)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)


@pytest.mark.parametrize("check", _CASES)
def test_case(world: World, check: Check) -> None:
    check(world)
