"""The test-token service (trust.md section 6): every field, every fault, and that an API answers what a batch says.

``RC-27`` and ``RC-28`` of real-clients.md section 6; the faults run against the trust probe.
"""

from __future__ import annotations

import hashlib
import hmac as hmac_module
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from joserfc.jwk import RSAKey

from app.routers import helseid_ttt, trust_probe
from app.trust import issuer_keys
from app.trust.jose import Jwt, b64decode, generate_key, import_key, parse, public_members, verify
from app.trust.sts import ttt
from app.trust.sts.context import Context
from app.trust.sts.login import log_in, read_hint
from app.trust.sts.personas import PERSONAS
from app.trust.sts.ttt_request import PROOF_FAULTS, read_request
from tests.support.asgi import NOW, World

V2 = "/helseid-ttt/v2/create-test-token-with-key"
V1 = "/helseid-ttt/create-test-token-with-key"
PROBE = "http://localhost:8000/trust-probe/whoami"
CLIENT = "helseid://claims/client/"
IDENTITY = "helseid://claims/identity/"
ATTEST = "nhn:tillitsrammeverk:parameters"
H01, H02, H08 = "02828049251", "16867649135", "18885849179"
PROOF = {"htuClaimValue": PROBE, "htmClaimValue": "GET"}
SOUND = {
    "audience": "sandkasse:probe",
    "createTillitsrammeverkClaims": True,
    "createDPoPTokenWithDPoPProof": True,
    "dPoPProofParameters": PROOF,
}
EC_JWK = generate_key("ES256")
RSA_JWK = generate_key("RS256")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("ttt")
    world = World(folder, {"helseid-ttt": helseid_ttt.create, "trust-probe": trust_probe.create})
    yield world
    world.close()


def post(world: World, body: object, path: str = V2, **headers: str) -> tuple[int, dict[str, Any]]:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    answer = world.request(
        "POST", path, content=content, headers={"Content-Type": "application/json", "X-Auth-Key": "sandkasse"} | headers
    )
    value: dict[str, Any] = answer.json()
    return answer.status_code, value


def made(world: World, body: object, path: str = V2, **headers: str) -> tuple[str, str]:
    status, value = post(world, body, path, **headers)
    assert status == 200, value
    assert value["isError"] is False
    assert value["errorResponse"] == {"errorMessage": ""}
    return value["successResponse"]["accessTokenJwt"], value["successResponse"]["dPoPProof"]


def claims(world: World, **members: Any) -> Mapping[str, Any]:
    return parse(made(world, {"audience": "sandkasse:probe"} | members)[0]).claims


def refused(world: World, body: object, **headers: str) -> str:
    status, value = post(world, body, **headers)
    assert status == 400, value
    assert value["isError"] is True
    assert value["successResponse"] == {"accessTokenJwt": "", "dPoPProof": ""}
    message: str = value["errorResponse"]["errorMessage"]
    assert message
    return message


def probe(world: World, token: str, proof: str) -> tuple[int, str]:
    answer = world.request("GET", PROBE, headers={"Authorization": f"DPoP {token}", "DPoP": proof})
    return answer.status_code, answer.headers.get("WWW-Authenticate", "")


class TestDoor:
    @pytest.mark.parametrize("key", ["", "wrong", "sandkass", "æ"])
    def test_wrong_key(self, world: World, key: str) -> None:
        answer = world.request("POST", V2, content=b"{}", headers={"X-Auth-Key": key.encode()})
        assert answer.status_code == 401
        assert answer.json()["isError"] is True

    def test_missing_and_repeated_key(self, world: World) -> None:
        assert world.request("POST", V2, content=b"{}").status_code == 401
        twice = [("X-Auth-Key", "sandkasse"), ("X-Auth-Key", "sandkasse")]
        assert world.request("POST", V2, content=b"{}", headers=twice).status_code == 400

    def test_key_is_a_setting_of_the_sandbox(self, world: World) -> None:
        with world.using(ttt_key="another"):
            assert post(world, SOUND)[0] == 401
            assert post(world, SOUND, **{"X-Auth-Key": "another"})[0] == 200

    @pytest.mark.parametrize(
        "body",
        [
            b"", b"{", b"\xff\xfe", b"[]", b"1", b'"x"', b"null", b"{}", b'{"audience":""}', b'{"audience":1}',
            b'{"audience":null}', b'{"audience":"a","Audience":"b"}', b"[" * 5000, b'{"a":' * 900 + b"1" + b"}" * 900,
            b'{"audience":"a","persona":"nobody"}', b'{"audience":"a","batch":"yes"}',
            b'{"audience":"a","clientClaimsParameters":[]}', b'{"audience":"a","clientClaimsParameters":{"scope":[1]}}',
            b'{"audience":"a","clientClaimsParametersGeneration":9}',
            b'{"audience":"a","clientClaimsParametersGeneration":true}',
            b'{"audience":"a","clientClaimsParametersGeneration":"Some"}',
            b'{"audience":"a","issuerEnvironment":"Production"}',
            b'{"audience":"a","headerParameters":{"typ":"id+jwt"}}',
            b'{"audience":"a","expirationParameters":{"expirationTimeInSeconds":1.5}}',
            b'{"audience":"a","expirationParameters":{"expirationTimeInDays":99999999}}',
            b'{"audience":"a","toaAgeSeconds":99999999999}', b'{"audience":"a","toaAgeSeconds":"old"}',
            b'{"audience":"a","createDPoPTokenWithDPoPProof":true}',
            b'{"audience":"a","createDPoPTokenWithDPoPProof":true,"dPoPProofParameters":{"htuClaimValue":"x"}}',
            b'{"audience":"a","apiSpecificClaims":{}}', b'{"audience":"a","apiSpecificClaims":[1]}',
            b'{"audience":"a","apiSpecificClaims":[{"value":1}]}',
            b'{"audience":"a","clientClaimsParameters":{"cnfPublicKey":"no json"}}',
            b'{"audience":"a","clientClaimsParameters":{"cnfPublicKey":"[]"}}',
            b'{"audience":"a","clientClaimsParameters":{"cnfPublicKey":{"kty":"oct","k":"AA"}}}',
            b'{"audience":"a","userClaimsParameters":{"name":1}}',
        ],
    )  # fmt: skip
    def test_what_is_no_request_is_400(self, world: World, body: bytes) -> None:
        refused(world, body)

    def test_too_large(self, world: World) -> None:
        with world.using(max_body_bytes=1024):
            assert post(world, b" " * 1025)[0] == 413

    def test_real_series_is_refused_wherever_it_stands(self, world: World) -> None:
        # Computed here and never shown: no number of the ordinary series stands in this repository.
        real = _ordinary_series()
        for body in (
            {"audience": "a", "userClaimsParameters": {"pid": real}},
            {"audience": "a", "apiSpecificClaims": [{"type": "x", "value": [f"nr {real}."]}]},
            {"audience": "a", "apiSpecificClaims": [{"type": "x", "value": {real: 1}}]},
        ):
            assert real not in refused(world, body)
        assert claims(world, apiSpecificClaims=[{"type": "x", "value": "12345678901"}])["x"] == "12345678901"

    def test_unknown_member_is_ignored_with_a_finding(self, world: World) -> None:
        made(world, SOUND | {"signWithWrongKey": True, "headerParameters": {"type": "x"}, "99": 1})
        assert world.findings == [("C37", "note")] * 3
        made(world, SOUND)
        assert world.findings == []

    def test_documented(self, world: World) -> None:
        paths = helseid_ttt.create(world.core).openapi()["paths"]
        assert set(paths) == set(helseid_ttt.PATHS)
        assert {"200", "400", "401", "413"} <= set(paths[helseid_ttt.PATHS[0]]["post"]["responses"])
        assert world.request("GET", V2).status_code == 405


class TestToken:
    def test_default(self, world: World) -> None:
        token, proof = made(world, {"audience": "nhn:pps"})
        jwt, key = parse(token), _issuer(world)
        assert verify(jwt, key.key)
        assert dict(jwt.header) == {"alg": "RS256", "kid": key.kid, "x5t": key.x5t, "typ": "at+jwt"}
        assert proof == ""
        assert jwt.claims["iss"] == "http://localhost:8000/helseid"
        assert jwt.claims["aud"] == "nhn:pps"
        assert (jwt.claims["iat"], jwt.claims["nbf"], jwt.claims["exp"]) == (NOW, NOW, NOW + 600)
        assert jwt.claims["scope"] == ["nhn:pps/provesvar-read", "nhn:pps/provesvar"]
        assert jwt.claims[IDENTITY + "pid"] == H01
        assert jwt.claims[IDENTITY + "security_level"] == "4"
        assert jwt.claims["helseid://claims/hpr/hpr_number"] == "222250101"
        assert jwt.claims[CLIENT + "claims/orgnr_parent"] == "315500109"
        assert not {"cnf", "act", ATTEST} & set(jwt.claims)

    def test_unknown_audience_has_no_default_scope(self, world: World) -> None:
        assert claims(world, audience="own:api")["scope"] == []

    @pytest.mark.parametrize(
        ("generation", "default", "given"),
        [(None, True, True), (0, False, False), (1, True, False), (2, False, True), (3, True, True)],
    )
    @pytest.mark.parametrize("without", [False, True])
    def test_generation(self, world: World, generation: int | None, default: bool, given: bool, without: bool) -> None:
        found = claims(
            world,
            clientClaimsParametersGeneration=generation,
            userClaimsParametersGeneration=generation,
            withoutDefaultClientClaims=without,
            withoutDefaultUserClaims=without,
            clientClaimsParameters={"clientName": "MIN"},
            userClaimsParameters={"sid": "MIN"},
        )
        assert (found.get(CLIENT + "client_name") == "MIN") is given
        assert (found.get("sid") == "MIN") is given
        assert ("client_id" in found) is (default and not without)
        assert ("auth_time" in found) is (default and not without)

    @pytest.mark.parametrize(
        ("parameter", "claim"),
        [
            ("clientId", "client_id"),
            ("clientName", CLIENT + "client_name"),
            ("orgnrParent", CLIENT + "claims/orgnr_parent"),
            ("orgnrChild", CLIENT + "claims/orgnr_child"),
            ("orgnrSupplier", CLIENT + "claims/orgnr_supplier"),
            ("sfmJournalId", "nhn:sfm:journal_id"),
            ("clientAuthenticationMethodsReferences", "client_amr"),
            ("jti", "jti"),
        ],
    )
    def test_client_claim(self, world: World, parameter: str, claim: str) -> None:
        assert claims(world, clientClaimsParameters={parameter: "value"})[claim] == "value"

    @pytest.mark.parametrize(
        ("parameter", "claim"),
        [
            ("pid", IDENTITY + "pid"),
            ("pidPseudonym", IDENTITY + "pid_pseudonym"),
            ("hprNumber", "helseid://claims/hpr/hpr_number"),
            ("name", "name"),
            ("givenName", "given_name"),
            ("middleName", "middle_name"),
            ("familyName", "family_name"),
            ("identityProvider", "idp"),
            ("securityLevel", IDENTITY + "security_level"),
            ("assuranceLevel", IDENTITY + "assurance_level"),
            ("network", IDENTITY + "network"),
            ("subject", "sub"),
            ("sid", "sid"),
        ],
    )
    def test_user_claim(self, world: World, parameter: str, claim: str) -> None:
        assert claims(world, userClaimsParameters={parameter: "value"})[claim] == "value"

    def test_lists(self, world: World) -> None:
        assert claims(world, clientClaimsParameters={"scope": ["a/b", "c/d"]})["scope"] == ["a/b", "c/d"]
        assert claims(world, clientClaimsParameters={"scope": "a/b c/d"})["scope"] == ["a/b", "c/d"]
        references = {"authenticationMethodsReferences": ["x", "y"]}
        assert claims(world, clientClaimsParameters=references)["amr"] == ["pwd"]
        machine = claims(world, persona="maskin", clientClaimsParameters=references)
        assert machine["amr"] == ["x", "y"]
        assert claims(world, userClaimsParameters={"amr": "mfa"})["amr"] == ["mfa"]

    @pytest.mark.parametrize(
        ("kind", "claim"),
        [
            (0, "multi-tenant"),
            (1, "single-tenant"),
            (2, "none"),
            ("SingleTenant", "single-tenant"),
            (None, "multi-tenant"),
        ],
    )
    def test_tenancy(self, world: World, kind: object, claim: str) -> None:
        parameters = {"clientTenancy": True, "clientTenancyType": kind}
        name = CLIENT + "claims/client_tenancy"
        assert claims(world, clientClaimsParameters=parameters)[name] == claim
        # The published tool sends a type with every request.
        assert name not in claims(
            world, clientClaimsParameters={"clientTenancyType": kind}, withoutDefaultClientClaims=True
        )

    @pytest.mark.parametrize(
        ("parameters", "life"),
        [
            ({"expirationParameters": {"expirationTimeInSeconds": 90}}, 90),
            ({"expirationParameters": {"expirationTimeInDays": 2}}, 172_800),
            ({"expirationTimeInSeconds": -2147483648}, 600),
            ({"expirationTimeInSeconds": 30}, 30),
            ({"expirationParameters": None}, 600),
        ],
    )
    def test_lifetime(self, world: World, parameters: dict[str, Any], life: int) -> None:
        found = claims(world, **parameters)
        assert found["exp"] - found["iat"] == life

    @pytest.mark.parametrize(("typ", "header"), [("jwt", "JWT"), ("at+jwt", "at+jwt"), ("", "at+jwt")])
    def test_typ(self, world: World, typ: str, header: str) -> None:
        token, _ = made(world, {"audience": "a", "headerParameters": {"typ": typ}})
        assert parse(token).header["typ"] == header

    def test_cnf(self, world: World) -> None:
        thumbprint = import_key(EC_JWK).thumbprint
        assert claims(world, clientClaimsParameters={"cnfJkt": "abc"})["cnf"] == {"jkt": "abc"}
        for jwk in (public_members(EC_JWK), orjson.dumps(public_members(EC_JWK)).decode()):
            assert claims(world, clientClaimsParameters={"cnfPublicKey": jwk})["cnf"] == {"jkt": thumbprint}

    def test_api_specific_claims(self, world: World) -> None:
        entries = [{"type": "x", "value": "1"}, {"type": "y", "value": "a"}, {"type": "y", "value": "b"}]
        found = claims(world, apiSpecificClaims=entries)
        assert (found["x"], found["y"]) == ("1", ["a", "b"])

    def test_token_exchange(self, world: World) -> None:
        parameters = {"issuer": "https://i.example", "clientId": "c", "orgnrParent": "315500206"}
        found = claims(world, createTokenExchangeClaims=True, tokenExchangeParameters=parameters)
        assert found["act"] == {
            "iss": "https://i.example",
            "client_id": "c",
            CLIENT + "claims/orgnr_parent": "315500206",
        }
        assert claims(world, createTokenExchangeClaims=True)["act"]["iss"] == found["iss"]

    def test_sandbox_clock(self, world: World) -> None:
        before = world.sandbox
        world.move_sandbox_clock(86_400)
        assert claims(world)["iat"] == NOW + 86_400
        world.sandbox = before


class TestRegisters:
    def test_person(self, world: World) -> None:
        found = claims(world, userClaimsParameters={"pid": "14838449698"}, getPersonFromPersontjenesten=True)
        assert (found["name"], found["given_name"], found["family_name"]) == ("FRODIG BREGNE", "FRODIG", "BREGNE")
        only = claims(
            world, userClaimsParameters={"pid": H02}, getPersonFromPersontjenesten=True, onlySetNameForPerson=True
        )
        assert only["name"] == "MUNTER TRESKO"
        assert not {"given_name", "middle_name", "family_name"} & set(only)

    def test_hpr(self, world: World) -> None:
        name = "helseid://claims/hpr/hpr_number"
        assert claims(world, userClaimsParameters={"pid": H02}, getHprNumberFromHprregisteret=True)[name] == "222250102"
        assert name not in claims(world, userClaimsParameters={"pid": H08}, getHprNumberFromHprregisteret=True)

    def test_pseudonym(self, world: World) -> None:
        found = claims(world, userClaimsParameters={"pid": H02}, setPidPseudonym=True, setSubject=True)
        assert found[IDENTITY + "pid_pseudonym"] == found["sub"]
        assert len(b64decode(found["sub"].translate(str.maketrans("+/", "-_")).rstrip("="))) == 32
        assert found["sub"] != claims(world)["sub"]

    def test_subject_is_the_one_a_login_gives(self, world: World) -> None:
        found = claims(world, userClaimsParameters={"pid": H02}, setSubject=True)
        login = world.run(log_in(Context(world.core, world.trail), read_hint("H02")))
        assert found["sub"] == login.sub

    @pytest.mark.parametrize(
        "flag", ["getPersonFromPersontjenesten", "getHprNumberFromHprregisteret", "setPidPseudonym", "setSubject"]
    )
    def test_needs_a_pid(self, world: World, flag: str) -> None:
        assert "pid" in refused(world, {"audience": "a", "persona": "maskin", flag: True})

    def test_unknown_person(self, world: World) -> None:
        body = {"audience": "a", "userClaimsParameters": {"pid": "no such pid"}, "getPersonFromPersontjenesten": True}
        assert "Persontjenesten" in refused(world, body)


class TestAttest:
    def attest(self, world: World, **parameters: Any) -> dict[str, Any]:
        found = claims(world, createTillitsrammeverkClaims=True, tillitsrammeverkClaimsParameters=parameters)
        attest: dict[str, Any] = found[ATTEST]
        return attest

    def test_default(self, world: World) -> None:
        attest = self.attest(world)
        practitioner, care = attest["practitioner"], attest["care_relationship"]
        assert practitioner["identifier"]["id"] == H01
        assert practitioner["hpr_nr"]["id"] == "222250101"
        assert practitioner["authorization"]["text"] == "Lege"
        assert practitioner["legal_entity"]["id"] == "315500109"
        assert practitioner["point_of_care"]["name"] == "FRISK FJORD SYKEHUS, SOMATIKK"
        assert care["healthcare_service"]["code"] == "S03"
        assert care["purpose_of_use_details"]["code"] == "BEHANDLER"
        assert care["decision_ref"]["user_selected"] is True
        assert len(attest["patients"]) == 1
        assert "identifier" not in attest["patients"][0]
        assert "toa" not in attest

    @pytest.mark.parametrize(
        ("switch", "part", "member"),
        [
            ("PractitionerHprNr", "practitioner", "hpr_nr"),
            ("PractitionerAuthorization", "practitioner", "authorization"),
            ("PractitionerDepartment", "practitioner", "department"),
            ("CareRelationshipHealthcareService", "care_relationship", "healthcare_service"),
            ("CareRelationshipPurposeOfUseDetails", "care_relationship", "purpose_of_use_details"),
            ("PatientsPointOfCare", "patients", "point_of_care"),
            ("PatientsDepartment", "patients", "department"),
        ],
    )
    def test_left_out(self, world: World, switch: str, part: str, member: str) -> None:
        def holder(attest: dict[str, Any]) -> Any:
            return attest[part][0] if part == "patients" else attest[part]

        assert member in holder(self.attest(world))
        assert member not in holder(self.attest(world, **{"dontSet" + switch: True}))

    @pytest.mark.parametrize(
        ("parameter", "path"),
        [
            ("practitionerIdentifierSystem", "practitioner.identifier.system"),
            ("practitionerHprNrAuthority", "practitioner.hpr_nr.authority"),
            ("practitionerAuthorizationCode", "practitioner.authorization.code"),
            ("practitionerAuthorizationText", "practitioner.authorization.text"),
            ("practitionerLegalEntityId", "practitioner.legal_entity.id"),
            ("practitionerPointOfCareName", "practitioner.point_of_care.name"),
            ("practitionerDepartmentSystem", "practitioner.department.system"),
            ("careRelationshipHealthcareServiceCode", "care_relationship.healthcare_service.code"),
            ("careRelationshipHealthcareAssigner", "care_relationship.healthcare_service.assigner"),
            ("careRelationshipPurposeOfUseCode", "care_relationship.purpose_of_use.code"),
            ("careRelationshipPurposeOfUseDetailsSystem", "care_relationship.purpose_of_use_details.system"),
            ("careRelationshipDecisionRefId", "care_relationship.decision_ref.id"),
            ("careRelationshipTracingRefId", "care_relationship.decision_ref.id"),
            ("patientsPointOfCareId", "patients.point_of_care.id"),
            ("patientsDepartmentAuthority", "patients.department.authority"),
            ("patientsIdentifierId", "patients.identifier.id"),
            ("LegalEntityId", "practitioner.legal_entity.id"),
            ("PointOfCareName", "practitioner.point_of_care.name"),
        ],
    )
    def test_replaced(self, world: World, parameter: str, path: str) -> None:
        attest = self.attest(world, **{parameter: "value"})
        node: Any = {**attest, "patients": attest["patients"][0]}
        for name in path.split("."):
            node = node[name]
        assert node == "value"

    def test_rest_of_a_replaced_member_follows(self, world: World) -> None:
        attest = self.attest(
            world,
            practitionerAuthorizationCode="SP",
            practitionerLegalEntityId="315500605",
            patientsIdentifierId="14838449698",
            careRelationshipDecisionRefUserSelected=False,
        )
        assert attest["practitioner"]["authorization"]["text"] == "Sykepleier"
        assert attest["practitioner"]["legal_entity"]["name"] == "STØDIG KOMMUNE HELSE OG OMSORG"
        patient = attest["patients"][0]["identifier"]
        assert patient["system"] == "urn:oid:2.16.578.1.12.4.1.4.1"
        assert patient["authority"] == "https://www.skatteetaten.no"
        assert attest["care_relationship"]["decision_ref"]["user_selected"] is False

    def test_all_members_of_a_replaced_one_may_be_given(self, world: World) -> None:
        attest = self.attest(
            world,
            practitionerAuthorizationCode="SP",
            practitionerAuthorizationText="T",
            practitionerLegalEntityId="315500605",
            practitionerLegalEntityName="N",
            practitionerLegalEntityAuthority="A",
        )
        practitioner = attest["practitioner"]
        assert (practitioner["authorization"]["code"], practitioner["authorization"]["text"]) == ("SP", "T")
        assert (practitioner["legal_entity"]["name"], practitioner["legal_entity"]["authority"]) == ("N", "A")

    def test_details_for_a_persona_without_them(self, world: World) -> None:
        found = claims(
            world,
            persona="gp-fastlege",
            tillitsrammeverkClaimsParameters={"careRelationshipPurposeOfUseDetailsCode": "BELEGG"},
        )
        details = found[ATTEST]["care_relationship"]["purpose_of_use_details"]
        assert details["text"] == "Innlagt pasient"

    def test_follows_the_token(self, world: World) -> None:
        found = claims(
            world,
            createTillitsrammeverkClaims=True,
            userClaimsParameters={"pid": "43909349738", "hprNumber": "222250103"},
            clientClaimsParameters={"orgnrParent": "315500605", "orgnrChild": "315500702"},
        )
        practitioner = found[ATTEST]["practitioner"]
        assert practitioner["identifier"]["system"].endswith("4.2")
        assert practitioner["hpr_nr"]["id"] == "222250103"
        assert practitioner["legal_entity"]["id"] == "315500605"
        assert practitioner["point_of_care"]["name"] == "STØDIG SYKEHJEM"

    def test_toa(self, world: World) -> None:
        found = claims(world, createTillitsrammeverkClaims=True, toaAgeSeconds=120)
        assert found[ATTEST]["toa"] == NOW - 120

    def test_machine_has_no_practitioner(self, world: World) -> None:
        found = claims(world, persona="maskin", createTillitsrammeverkClaims=True)
        assert not {"identifier", "hpr_nr", "authorization"} & set(found[ATTEST]["practitioner"])


class TestPersona:
    @pytest.mark.parametrize("name", sorted(PERSONAS))
    def test_persona(self, world: World, name: str) -> None:
        persona = PERSONAS[name]
        found = claims(world, persona=name.upper())
        assert found.get(IDENTITY + "pid") == persona.pid
        assert found.get("helseid://claims/hpr/hpr_number") == persona.hpr
        assert found[CLIENT + "claims/orgnr_parent"] == persona.parent.orgnr
        # An audience that wants an attest gets one without being asked, unless nobody is logged in.
        assert (ATTEST in found) is (persona.pid is not None)
        assert ATTEST not in claims(world, persona=name, audience="nhn:parek")

    @pytest.mark.parametrize(
        ("name", "status"),
        [
            ("sykehuslege", 200),
            ("gp-fastlege", 200),
            ("sykepleier-sykehjem", 200),
            ("maskin", 403),
            ("tidligere-lege", 403),
        ],
    )
    def test_at_the_probe(self, world: World, name: str, status: int) -> None:
        body = {key: value for key, value in SOUND.items() if key != "createTillitsrammeverkClaims"}
        assert probe(world, *made(world, body | {"persona": name}))[0] == status


class TestProof:
    def test_sound(self, world: World) -> None:
        token, proof = made(world, SOUND)
        jwt = parse(proof)
        key = import_key(jwt.header["jwk"])
        assert verify(jwt, key)
        assert jwt.header["typ"] == "dpop+jwt"
        assert not key.private
        assert parse(token).claims["cnf"] == {"jkt": key.thumbprint}
        assert (jwt.claims["htu"], jwt.claims["htm"], jwt.claims["iat"]) == (PROBE, "GET", NOW)
        assert probe(world, token, proof)[0] == 200

    def test_key_of_the_installation_is_kept(self, world: World) -> None:
        first, second = (parse(made(world, SOUND)[1]).header["jwk"] for _ in range(2))
        assert first == second

    @pytest.mark.parametrize(
        ("jwk", "alg"),
        [
            (EC_JWK, "ES256"),
            (orjson.dumps(EC_JWK).decode(), "ES256"),
            (RSA_JWK, "RS256"),
            ({**RSA_JWK, "alg": "PS512", "kid": "k", "key_ops": ["sign"]}, "PS512"),
            ({**EC_JWK, "alg": "RS256"}, "ES256"),
            (generate_key("ES384"), "ES384"),
        ],
    )
    def test_own_key(self, world: World, jwk: object, alg: str) -> None:
        body = SOUND | {"dPoPProofParameters": PROOF | {"privateKeyForProofCreation": jwk}}
        token, proof = made(world, body)
        assert parse(proof).header["alg"] == alg
        assert probe(world, token, proof)[0] == 200

    @pytest.mark.parametrize("jwk", [public_members(EC_JWK), {"kty": "EC"}, "x", {"kty": "oct", "k": "AA"}])
    def test_unusable_key(self, world: World, jwk: object) -> None:
        refused(world, SOUND | {"dPoPProofParameters": PROOF | {"privateKeyForProofCreation": jwk}})


def _missing(member: str) -> Any:
    return lambda proof, _token: member not in proof.claims


_PROOF_EFFECTS: dict[str, Any] = {
    "DontSetHtuClaimValue": _missing("htu"),
    "DontSetHtmClaimValue": _missing("htm"),
    "SetIatValueInThePast": lambda proof, _: proof.claims["iat"] == NOW - 3600,
    "SetIatValueInTheFuture": lambda proof, _: proof.claims["iat"] == NOW + 3600,
    "DontSetAthClaimValue": _missing("ath"),
    "DontSetAlgHeader": lambda proof, _: "alg" not in proof.header,
    "DontSetJwkHeader": lambda proof, _: "jwk" not in proof.header,
    "DontSetJtiClaim": _missing("jti"),
    "SetAlgHeaderToASymmetricAlgorithm": lambda proof, _: proof.header["alg"] == "HS256",
    "SetPrivateKeyInJwkHeader": lambda proof, _: "d" in proof.header["jwk"],
    "SetInvalidTypHeaderValue": lambda proof, _: proof.header["typ"] != "dpop+jwt",
    "SetAnInvalidSignature": lambda proof, _: not verify(proof, import_key(proof.header["jwk"])),
    "SetAnInvalidJktValueInToken": lambda proof, token: (
        token.claims["cnf"]["jkt"] != import_key(proof.header["jwk"]).thumbprint
    ),
}


@pytest.mark.parametrize("number", range(1, len(PROOF_FAULTS)), ids=lambda number: f"{number}-{PROOF_FAULTS[number]}")
@pytest.mark.parametrize("spelling", ["number", "name", "digits"])
def test_proof_fault(world: World, number: int, spelling: str) -> None:
    name = PROOF_FAULTS[number]
    value = {"number": number, "name": name.upper(), "digits": str(number)}[spelling]
    body = SOUND | {"dPoPProofParameters": PROOF | {"invalidDPoPProofParameters": value}}
    token, proof = made(world, body)
    assert _PROOF_EFFECTS[name](parse(proof), parse(token))
    status, challenge = probe(world, token, proof)
    assert status == 401
    assert 'error="invalid_dpop_proof"' in challenge


def test_proof_without_htu_needs_none(world: World) -> None:
    for number, parameters in ((1, {"htmClaimValue": "GET"}), (2, {"htuClaimValue": PROBE})):
        made(world, SOUND | {"dPoPProofParameters": parameters | {"invalidDPoPProofParameters": number}})


def _hs256(token: Jwt, world: World) -> bool:
    native = _issuer(world).key.native
    assert isinstance(native, RSAKey)
    expected = hmac_module.digest(native.as_pem(private=False), token.signing_input, hashlib.sha256)
    return token.header["alg"] == "HS256" and token.signature == expected


_TOKEN_EFFECTS: dict[str, Any] = {
    "signJwtWithInvalidSigningKey": lambda t, w: t.header["kid"] == _issuer(w).kid and not verify(t, _issuer(w).key),
    "setInvalidIssuer": lambda t, w: "localhost" not in t.claims["iss"],
    "setInvalidAudience": lambda t, w: t.claims["aud"] != "sandkasse:probe",
    "setExpirationTimeAsExpired": lambda t, w: t.claims["nbf"] == t.claims["iat"] < t.claims["exp"] < NOW,
    "notYetValid": lambda t, w: NOW < t.claims["nbf"] < t.claims["exp"],
    "algNone": lambda t, w: t.header["alg"] == "none" and t.signature == b"",
    "hs256WithPublicKey": _hs256,
    "unknownKid": lambda t, w: t.header["kid"] != _issuer(w).kid and verify(t, _issuer(w).key),
    "missingAudience": lambda t, w: "aud" not in t.claims,
    "multipleAudiences": lambda t, w: t.claims["aud"][0] == "sandkasse:probe" and len(t.claims["aud"]) == 2,
    "wrongTyp": lambda t, w: t.header["typ"] == "id+jwt",
    "scopeAsString": lambda t, w: t.claims["scope"] == "sandkasse:probe/read",
}


@pytest.mark.parametrize("fault", _TOKEN_EFFECTS)
def test_token_fault(world: World, fault: str) -> None:
    token, _ = made(world, SOUND | {fault: True})
    assert _TOKEN_EFFECTS[fault](parse(token), world)
    assert not _TOKEN_EFFECTS[fault](parse(made(world, SOUND)[0]), world)


def test_multi_signature(world: World) -> None:
    token, _ = made(world, SOUND | {"multiSignature": True})
    value = orjson.loads(token)
    assert len(value["signatures"]) == 2
    parts = [parse(f"{one['protected']}.{value['payload']}.{one['signature']}") for one in value["signatures"]]
    assert [verify(part, _issuer(world).key) for part in parts] == [True, False]


@pytest.mark.parametrize("environment", [1, 2, "IntTest", "development"])
def test_other_issuers(world: World, environment: object) -> None:
    assert claims(world, issuerEnvironment=environment)["iss"].endswith(".invalid")
    assert claims(world, issuerEnvironment="Test")["iss"] == "http://localhost:8000/helseid"


def test_expired_in_both_places(world: World) -> None:
    assert claims(world, expirationParameters={"setExpirationTimeAsExpired": True})["exp"] < NOW


_ATTEST_EFFECTS: dict[str, Any] = {
    "identifierMismatch": lambda a: a["practitioner"]["identifier"]["id"] == H02,
    "unknownAuthorization": lambda a: a["practitioner"]["authorization"]["code"] == "ZZ",
    "unknownPurposeOfUse": lambda a: a["care_relationship"]["purpose_of_use"]["code"] == "XYZ",
    "userSelectedAsString": lambda a: a["care_relationship"]["decision_ref"]["user_selected"] == "true",
    "bothServiceAndDetailsMissing": lambda a: (
        not {"healthcare_service", "purpose_of_use_details"} & set(a["care_relationship"])
    ),
    "legalEntityMismatch": lambda a: a["practitioner"]["legal_entity"]["id"] == "315500206",
}


@pytest.mark.parametrize("fault", _ATTEST_EFFECTS)
def test_attest_fault(world: World, fault: str) -> None:
    assert _ATTEST_EFFECTS[fault](parse(made(world, SOUND | {fault: True})[0]).claims[ATTEST])
    assert not _ATTEST_EFFECTS[fault](parse(made(world, SOUND)[0]).claims[ATTEST])


def test_mismatch_for_the_one_who_is_the_other(world: World) -> None:
    body = SOUND | {
        "identifierMismatch": True,
        "legalEntityMismatch": True,
        "userClaimsParameters": {"pid": H02},
        "clientClaimsParameters": {"orgnrParent": "315500206"},
    }
    practitioner = parse(made(world, body)[0]).claims[ATTEST]["practitioner"]
    assert practitioner["identifier"]["id"] == H01
    assert practitioner["legal_entity"]["id"] == "315500109"


# ---- batch ----

_ROWS = ttt.faults_for(read_request(orjson.dumps(SOUND)), 3600)


@pytest.fixture(scope="module")
def batch(world: World) -> dict[str, dict[str, Any]]:
    status, value = post(world, SOUND | {"batch": True})
    assert status == 200
    assert value["successResponse"]["accessTokenJwt"]
    return {entry["fault"]: entry for entry in value["batch"]}


@pytest.mark.parametrize("row", _ROWS, ids=lambda row: f"{row.case} {row.name}")
def test_api_answers_what_the_batch_says(world: World, batch: dict[str, dict[str, Any]], row: ttt.Fault) -> None:
    entry = batch[row.name]
    assert (entry["expectedStatus"], entry["expectedError"], entry["case"]) == (row.status, row.error, row.case)
    status, challenge = probe(world, entry["accessTokenJwt"], entry["dPoPProof"])
    assert status == row.status
    if row.error is not None:
        assert f'error="{row.error}"' in challenge
    if row.name == "toaAgeSeconds":
        assert "attestation_has_expired" in challenge


def test_batch_holds_every_fault_once(batch: dict[str, dict[str, Any]]) -> None:
    assert len(_ROWS) == len(batch)
    names = {name.rpartition(":")[2] for name in batch}
    assert set(_TOKEN_EFFECTS) | set(_PROOF_EFFECTS) | set(_ATTEST_EFFECTS) <= names
    assert {"multiSignature", "wrongHtu", "wrongHtm", "wrongAth", "toaAgeSeconds", "IntTest", "Development"} <= names


def test_batch_of_a_bearer_token_has_no_proof_faults(world: World) -> None:
    _, value = post(world, {"audience": "nhn:pps", "batch": True})
    assert all(entry["dPoPProof"] == "" for entry in value["batch"])
    assert not any(entry["expectedError"] == "invalid_dpop_proof" for entry in value["batch"])
    assert not {"toaAgeSeconds", "identifierMismatch"} & {entry["fault"] for entry in value["batch"]}


# ---- published clients ----


@pytest.mark.parametrize("path", [pytest.param(V1, id="RC-27")])
def test_older_path_names_and_header(world: World, path: str) -> None:
    body = {
        "GeneralClaimsParametersGeneration": 3,
        "GeneralClaimsParameters": {"Scope": ["a/b"], "ClientId": "c"},
        "UserClaimsParametersGeneration": 3,
        "UserClaimsParameters": {"Pid": "", "Name": ""},
        "ExpirationTimeInSeconds": -2147483648,
        "HeaderParameters": {"Typ": ""},
        "DPoPProofParameters": {"HtuClaimValue": "", "HtmClaimValue": "", "InvalidDPoPProofParameters": 0},
        "WithoutDefaultGeneralClaims": True,
    }
    token, _ = made(world, body, path, Audience="nhn:test-public-samplecode")
    found = parse(token).claims
    assert found["aud"] == "nhn:test-public-samplecode"
    assert (found["scope"], found["client_id"]) == (["a/b"], "c")
    assert CLIENT + "client_name" not in found
    assert found[IDENTITY + "pid"] == H01
    assert parse(made(world, {"audience": "x"}, path, Audience="y")[0]).claims["aud"] == "x"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("GenerateOnlyFromNonEmptyParameterValues", id="RC-28"),
        pytest.param("onlyfromnonemptyparametervalues", id="RC-28 other case"),
        pytest.param("2", id="RC-28 digits"),
    ],
)
def test_enumeration_by_name(world: World, name: str) -> None:
    found = claims(world, clientClaimsParametersGeneration=name, clientClaimsParameters={"clientId": "c"})
    assert found["client_id"] == "c"
    assert CLIENT + "client_name" not in found


def _issuer(world: World) -> issuer_keys.SigningKey:
    return world.run(issuer_keys.signing_key(world.core, world.sandbox))


def _ordinary_series() -> str:
    first = (3, 7, 6, 1, 8, 9, 4, 5, 2)
    second = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
    for serial in range(100, 1000):
        digits = [int(digit) for digit in f"010190{serial}"]
        for weights in (first, second):
            digits.append(-sum(w * d for w, d in zip(weights, digits, strict=True)) % 11)
        if max(digits) < 10:
            return "".join(map(str, digits))
    raise AssertionError
