"""A request to the test-token service read from JSON, the way the real one reads it (trust.md section 6).

Member names in any case, enumerations as number or name, what is missing or empty has its default (ruling
C37). Both the present names and the older ones (``generalClaims…``) are known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import orjson

from app.directory import API_BY_AUDIENCE
from app.errors import Refusal
from app.identity import parse
from app.trust.jose import JoseError, Key, import_key
from app.trust.sts.personas import DEFAULT_PERSONA, PERSONAS, Persona


class TttError(ValueError):
    """A request the service cannot make a token of; the text is the ``errorMessage``."""


@dataclass(frozen=True, slots=True)
class ProofRequest:
    """The proof to make. ``jwk`` None means the installation's own key; ``fault`` is a row of ``PROOF_FAULTS``."""

    htu: str
    htm: str
    jwk: Mapping[str, Any] | None = None
    fault: int = 0


@dataclass(frozen=True, slots=True)
class AttestRequest:
    """The attest to put in the token: what is left out, and what replaces a default, by lower-case parameter name."""

    leave_out: frozenset[str]
    values: Mapping[str, str]
    user_selected: bool


@dataclass(frozen=True, slots=True)
class Source:
    """Where a group of claims comes from: the defaults, the given values, or both, the given ones winning."""

    default: bool
    given: bool


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What token to make. ``faults`` are names of ``TOKEN_FAULTS`` and ``ATTEST_FAULTS``; times in seconds.

    ``client`` and ``user`` hold the given claims by claim name; ``ignored`` are members nobody read.
    """

    audience: str
    persona: Persona
    client_source: Source
    user_source: Source
    client: Mapping[str, Any]
    user: Mapping[str, Any]
    issuer_environment: int = 0
    lifetime: int = 600
    typ: str = "at+jwt"
    person_from_register: bool = False
    only_name: bool = False
    hpr_from_register: bool = False
    set_pseudonym: bool = False
    set_subject: bool = False
    cnf_jkt: str | None = None
    attest: AttestRequest | None = None
    proof: ProofRequest | None = None
    api_claims: tuple[tuple[str, Any], ...] = ()
    act: Mapping[str, str] | None = None
    faults: frozenset[str] = frozenset()
    toa_age: int | None = None
    batch: bool = False
    ignored: tuple[str, ...] = ()


GENERATIONS: Final = (
    "None",
    "OnlyDefault",
    "OnlyFromNonEmptyParameterValues",
    "DefaultWithClaimsFromNonEmptyParameterValues",
)
ISSUER_ENVIRONMENTS: Final = ("Test", "IntTest", "Development")
TENANCIES: Final = ("MultiTenant", "SingleTenant", "None")
TENANCY_CLAIMS: Final = ("multi-tenant", "single-tenant", "none")
PROOF_FAULTS: Final = (
    "None",
    "DontSetHtuClaimValue",
    "DontSetHtmClaimValue",
    "SetIatValueInThePast",
    "SetIatValueInTheFuture",
    "DontSetAthClaimValue",
    "DontSetAlgHeader",
    "DontSetJwkHeader",
    "DontSetJtiClaim",
    "SetAlgHeaderToASymmetricAlgorithm",
    "SetPrivateKeyInJwkHeader",
    "SetInvalidTypHeaderValue",
    "SetAnInvalidSignature",
    "SetAnInvalidJktValueInToken",
)
"""The enumeration ``invalidDPoPProofParameters`` of the real service, in its numbering."""

TOKEN_FAULTS: Final = (
    "signJwtWithInvalidSigningKey",
    "setInvalidIssuer",
    "setInvalidAudience",
    "setExpirationTimeAsExpired",
    "notYetValid",
    "algNone",
    "hs256WithPublicKey",
    "unknownKid",
    "missingAudience",
    "multipleAudiences",
    "wrongTyp",
    "scopeAsString",
    "multiSignature",
)
EXTRA_PROOF_FAULTS: Final = ("wrongHtu", "wrongHtm", "wrongAth")
ATTEST_FAULTS: Final = (
    "identifierMismatch",
    "unknownAuthorization",
    "unknownPurposeOfUse",
    "userSelectedAsString",
    "bothServiceAndDetailsMissing",
    "legalEntityMismatch",
)
LEAVE_OUT: Final = (
    "PractitionerHprNr",
    "PractitionerAuthorization",
    "PractitionerDepartment",
    "CareRelationshipHealthcareService",
    "CareRelationshipPurposeOfUseDetails",
    "PatientsPointOfCare",
    "PatientsDepartment",
)

_CLIENT: Final = "helseid://claims/client/"
_IDENTITY: Final = "helseid://claims/identity/"
CLIENT_CLAIMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "clientId": "client_id",
        "clientName": _CLIENT + "client_name",
        "orgnrParent": _CLIENT + "claims/orgnr_parent",
        "orgnrChild": _CLIENT + "claims/orgnr_child",
        "orgnrSupplier": _CLIENT + "claims/orgnr_supplier",
        "sfmJournalId": "nhn:sfm:journal_id",
        "clientAuthenticationMethodsReferences": "client_amr",
        "jti": "jti",
    }
)
USER_CLAIMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "pid": _IDENTITY + "pid",
        "pidPseudonym": _IDENTITY + "pid_pseudonym",
        "hprNumber": "helseid://claims/hpr/hpr_number",
        "name": "name",
        "givenName": "given_name",
        "middleName": "middle_name",
        "familyName": "family_name",
        "identityProvider": "idp",
        "securityLevel": _IDENTITY + "security_level",
        "assuranceLevel": _IDENTITY + "assurance_level",
        "network": _IDENTITY + "network",
        "subject": "sub",
        "sid": "sid",
    }
)
TENANCY_CLAIM: Final = _CLIENT + "claims/client_tenancy"
LEGACY_AMR_CLAIM: Final = _CLIENT + "amr"

_CODED: Final = ("Code", "Text", "System", "Assigner")
_IDENTIFIED: Final = ("Id", "Name", "System", "Authority")
ATTEST_PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "practitionerIdentifier": ("System", "Authority"),
        "practitionerHprNr": ("System", "Authority"),
        "practitionerAuthorization": _CODED,
        "practitionerLegalEntity": _IDENTIFIED,
        "practitionerPointOfCare": _IDENTIFIED,
        "practitionerDepartment": _IDENTIFIED,
        "careRelationshipHealthcareService": ("Code", "Text"),
        "careRelationshipHealthcare": ("System", "Assigner"),
        "careRelationshipPurposeOfUse": _CODED,
        "careRelationshipPurposeOfUseDetails": _CODED,
        "careRelationshipDecisionRef": ("Id",),
        "patientsIdentifier": _IDENTIFIED,  # the sandbox's own: row B6 needs a token with a patient (ruling R16)
        "patientsPointOfCare": _IDENTIFIED,
        "patientsDepartment": _IDENTIFIED,
    }
)
"""Parameter groups of the attest; a parameter's name is the group and one of its members."""

_OLD_ATTEST_NAMES: Final = (
    ("practitionerLegalEntityId", "LegalEntityId"),
    ("practitionerLegalEntityName", "LegalEntityName"),
    ("practitionerPointOfCareId", "PointOfCareId"),
    ("practitionerPointOfCareName", "PointOfCareName"),
    ("careRelationshipDecisionRefId", "careRelationshipTracingRefId"),
)

_MAX_TEXT: Final = 4000
_MAX_ITEMS: Final = 200
_MAX_LIFETIME: Final = 10 * 366 * 86_400
_MAX_AGE: Final = 10 * 366 * 86_400
_TYPS: Final[Mapping[str, str]] = MappingProxyType({"": "at+jwt", "at+jwt": "at+jwt", "jwt": "JWT"})
_ELEVEN_DIGITS: Final = re.compile(r"(?<![0-9A-Za-z_-])[0-9]{11}(?![0-9A-Za-z_-])")
_NAME: Final = re.compile(r"[A-Za-z_]{1,60}")


def read_request(body: bytes, audience_header: str | None = None) -> TokenRequest:
    """Read a request body. ``audience_header`` is what the older samples send the audience in (ruling C37).

    Raises ``TttError`` for anything that is no request.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise TttError("The body is not valid JSON") from error
    _only_synthetic(value)
    root = _Members(value, "the request")
    audience = root.text("audience") or (audience_header or "")
    if not audience:
        raise TttError("audience must have a value")
    api = API_BY_AUDIENCE.get(audience)
    name = root.text("persona")
    if name.lower() not in PERSONAS and name:
        raise TttError("persona must be one of " + ", ".join(PERSONAS))
    persona = PERSONAS[name.lower() or DEFAULT_PERSONA]
    client = root.nested("clientClaimsParameters", "generalClaimsParameters")
    user = root.nested("userClaimsParameters")
    wants_attest = root.flag("createTillitsrammeverkClaims", default=bool(name and api and api.attest and persona.pid))
    attest = root.nested("tillitsrammeverkClaimsParameters")
    request = TokenRequest(
        audience=audience,
        persona=persona,
        client_source=_source(root, ("clientClaims", "generalClaims"), ("Client", "General")),
        user_source=_source(root, ("userClaims",), ("User",)),
        client=_client_claims(client),
        user=_user_claims(user),
        issuer_environment=root.choice(ISSUER_ENVIRONMENTS, "issuerEnvironment") or 0,
        lifetime=_lifetime(root),
        typ=_typ(root),
        person_from_register=root.flag("getPersonFromPersontjenesten"),
        only_name=root.flag("onlySetNameForPerson"),
        hpr_from_register=root.flag("getHprNumberFromHprregisteret"),
        set_pseudonym=root.flag("setPidPseudonym"),
        set_subject=root.flag("setSubject"),
        cnf_jkt=_cnf(client),
        attest=_attest(attest) if wants_attest else None,
        proof=_proof(root) if root.flag("createDPoPTokenWithDPoPProof") else None,
        api_claims=_api_claims(root),
        act=_act(root),
        faults=_faults(root),
        toa_age=root.number("toaAgeSeconds"),
        batch=root.flag("batch"),
    )
    if request.toa_age is not None and abs(request.toa_age) > _MAX_AGE:
        raise TttError("toaAgeSeconds is too large")
    return _with_ignored(request, root)


def _with_ignored(request: TokenRequest, root: _Members) -> TokenRequest:
    return replace(request, ignored=tuple(name if _NAME.fullmatch(name) else "a member" for name in root.unread()))


def _source(root: _Members, groups: tuple[str, ...], without: tuple[str, ...]) -> Source:
    generation = root.choice(GENERATIONS, *(f"{group}ParametersGeneration" for group in groups))
    no_default = root.flag(*(f"withoutDefault{name}Claims" for name in without))
    if generation is None:
        generation = 3
    return Source(default=generation in (1, 3) and not no_default, given=generation in (2, 3))


def _client_claims(client: _Members) -> Mapping[str, Any]:
    claims: dict[str, Any] = _named(client, CLIENT_CLAIMS)
    scopes = client.texts("scope")
    if scopes:
        claims["scope"] = list(scopes)
    if "client_amr" in claims:
        claims[LEGACY_AMR_CLAIM] = claims["client_amr"]
    tenancy = client.choice(TENANCIES, "clientTenancyType")
    # The published tool always sends a type; only the switch makes the claim.
    if client.flag("clientTenancy"):
        claims[TENANCY_CLAIM] = TENANCY_CLAIMS[tenancy or 0]
    amr = client.texts("authenticationMethodsReferences")
    if amr:
        claims["amr"] = list(amr)
    return claims


def _user_claims(user: _Members) -> Mapping[str, Any]:
    claims: dict[str, Any] = _named(user, USER_CLAIMS)
    amr = user.texts("amr")
    if amr:
        claims["amr"] = list(amr)
    return claims


def _named(members: _Members, names: Mapping[str, str]) -> dict[str, Any]:
    found = {claim: members.text(name) for name, claim in names.items()}
    return {claim: value for claim, value in found.items() if value}


def _lifetime(root: _Members) -> int:
    expiration = root.nested("expirationParameters")
    seconds = expiration.number("expirationTimeInSeconds") or root.number("expirationTimeInSeconds") or 0
    days = expiration.number("expirationTimeInDays") or root.number("expirationTimeInDays") or 0
    # The published tool sends the least integer when nothing was asked for.
    lifetime = days * 86_400 if days > 0 else seconds if seconds > 0 else 600
    if lifetime > _MAX_LIFETIME:
        raise TttError("the expiration time is too far ahead")
    return lifetime


def _typ(root: _Members) -> str:
    typ = _TYPS.get(root.nested("headerParameters").text("typ").lower())
    if typ is None:
        raise TttError("headerParameters.typ must be 'jwt' or 'at+jwt'")
    return typ


def _cnf(client: _Members) -> str | None:
    jkt, public = client.text("cnfJkt"), client.jwk("cnfPublicKey")
    return jkt or (read_key(public, "cnfPublicKey").thumbprint if public is not None else None)


def _attest(members: _Members) -> AttestRequest:
    old = dict(_OLD_ATTEST_NAMES)
    values: dict[str, str] = {}
    for group, endings in ATTEST_PARAMETERS.items():
        for ending in endings:
            name = group + ending
            value = members.text(name, *([old[name]] if name in old else []))
            if value:
                values[name] = value
    return AttestRequest(
        frozenset(name for name in LEAVE_OUT if members.flag("dontSet" + name)),
        values,
        members.flag("careRelationshipDecisionRefUserSelected", default=True),
    )


def _proof(root: _Members) -> ProofRequest:
    members = root.nested("dPoPProofParameters")
    fault = members.choice(PROOF_FAULTS, "invalidDPoPProofParameters") or 0
    htu, htm = members.text("htuClaimValue"), members.text("htmClaimValue")
    if not htu and fault != 1:
        raise TttError("htuClaimValue must have a value when a DPoP proof is created")
    if not htm and fault != 2:
        raise TttError("htmClaimValue must have a value when a DPoP proof is created")
    jwk = members.jwk("privateKeyForProofCreation")
    if jwk is not None and not read_key(jwk, "privateKeyForProofCreation").private:
        raise TttError("privateKeyForProofCreation must be a private JWK")
    return ProofRequest(htu, htm, jwk, fault)


def _api_claims(root: _Members) -> tuple[tuple[str, Any], ...]:
    claims = [(entry.text("type"), entry.any("value")) for entry in root.items("apiSpecificClaims")]
    if not all(name for name, _ in claims):
        raise TttError("apiSpecificClaims[].type must have a value")
    return tuple(claims)


def _act(root: _Members) -> Mapping[str, str] | None:
    members = root.nested("tokenExchangeParameters")
    values = {name: members.text(name) for name in ("issuer", "clientId", "orgnrParent")}
    return values if root.flag("createTokenExchangeClaims") else None


def _faults(root: _Members) -> frozenset[str]:
    expired = root.nested("expirationParameters").flag("setExpirationTimeAsExpired")
    faults = {name for name in (*TOKEN_FAULTS, *EXTRA_PROOF_FAULTS, *ATTEST_FAULTS) if root.flag(name)}
    return frozenset(faults | ({"setExpirationTimeAsExpired"} if expired else set()))


def read_key(jwk: Mapping[str, Any], name: str) -> Key:
    """Import a JWK of the request. Raises ``TttError``."""
    try:
        return import_key(jwk)
    except JoseError as error:
        raise TttError(f"{name} is not a usable JWK: {error}") from error


def _only_synthetic(value: object) -> None:
    """Refuse a national number of the ordinary series wherever it stands (as R26 does for logins)."""
    waiting = [value]
    while waiting:  # not recursive: the depth is the sender's choice
        current = waiting.pop()
        if isinstance(current, dict):
            waiting += [*current, *current.values()]
        elif isinstance(current, list):
            waiting += current
        elif isinstance(current, str | int) and any(map(_is_real, _ELEVEN_DIGITS.findall(str(current)))):
            raise TttError("Only synthetic national identity numbers are accepted")


def _is_real(digits: str) -> bool:
    try:
        return parse(digits, synthetic_only=False, aliases={}).series == "real"
    except Refusal:
        return False


class _Members:
    """The members of a JSON object by name in any case; remembers which of them were read."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise TttError(f"{path} must be a JSON object")
        self._path = path
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}
        self._read: set[str] = set()
        self._nested: dict[str, _Members] = {}
        self._items: list[_Members] = []
        for name, member in value.items():
            if name.lower() in self._values:
                raise TttError(f"{path} has a member more than once")
            self._names[name.lower()] = name
            self._values[name.lower()] = member

    def any(self, *names: str) -> Any:
        """The first of ``names`` that is there and not null."""
        found = None
        for name in names:
            self._read.add(name.lower())
            value = self._values.get(name.lower())
            found = value if found is None else found
        return found

    def text(self, *names: str) -> str:
        value = self.any(*names)
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > _MAX_TEXT:
            raise TttError(f"{names[0]} must be a text of at most {_MAX_TEXT} characters")
        return value

    def flag(self, *names: str, default: bool = False) -> bool:
        value = self.any(*names)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise TttError(f"{names[0]} must be true or false")
        return value

    def number(self, *names: str) -> int | None:
        value = self.any(*names)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise TttError(f"{names[0]} must be a whole number")
        return value

    def choice(self, choices: tuple[str, ...], *names: str) -> int | None:
        """An enumeration, as number or name; NHN's own names begin with ``Generate`` in places."""
        value = self.any(*names)
        if value is None or value == "":
            return None
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(choices):
            return value
        if isinstance(value, str):
            wanted = value.lower().removeprefix("generate")
            for index, choice in enumerate(choices):
                if wanted in (choice.lower(), str(index)):
                    return index
        raise TttError(f"{names[0]} must be one of " + ", ".join(f"{i} {name}" for i, name in enumerate(choices)))

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; one text is split at its spaces."""
        value = self.any(name)
        if isinstance(value, str):
            value = value.split()
        if value is None:
            return ()
        if not isinstance(value, list) or len(value) > _MAX_ITEMS or not all(isinstance(item, str) for item in value):
            raise TttError(f"{name} must be a list of texts")
        return tuple(item for item in value if item)

    def jwk(self, name: str) -> Mapping[str, Any] | None:
        """A JWK as an object, or as the text of one."""
        value = self.any(name)
        if isinstance(value, str) and value:
            try:
                value = orjson.loads(value)
            except orjson.JSONDecodeError as error:
                raise TttError(f"{name} is not a usable JWK: not valid JSON") from error
        if value is None or value == "":
            return None
        if not isinstance(value, dict):
            raise TttError(f"{name} is not a usable JWK: not a JSON object")
        return value

    def nested(self, *names: str) -> _Members:
        value = self.any(*names)
        if names[0] not in self._nested:
            self._nested[names[0]] = _Members({} if value is None else value, names[0])
        return self._nested[names[0]]

    def items(self, name: str) -> tuple[_Members, ...]:
        value = self.any(name)
        if value is None:
            return ()
        if not isinstance(value, list) or len(value) > _MAX_ITEMS:
            raise TttError(f"{name} must be a list of at most {_MAX_ITEMS} objects")
        inner = tuple(_Members(item, f"{name}[]") for item in value)
        self._items.extend(inner)
        return inner

    def unread(self) -> list[str]:
        own = [self._names[name] for name in self._values if name not in self._read]
        return own + [name for inner in (*self._nested.values(), *self._items) for name in inner.unread()]
