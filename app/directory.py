"""The address book: for each national service where it is mounted, what its real hosts are, and what it demands.

One entry a service. The gate is built from the entry, the issuer takes audiences and scopes from it,
and the resolving middleware its addresses (design section 4, trust.md section 3.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

Scheme = Literal["Bearer", "DPoP"]
Credential = Literal["helseid", "helseid+ticket", "saml", "persona", "admin", "none"]
Demand = Literal["ignore", "optional", "required"]


@dataclass(frozen=True, slots=True)
class AccessRule:
    """What a service demands of a caller.

    ``grants`` are the accepted ``(audience, scope)`` pairs; a token needs one of them.
    ``audit_service`` is the name audit records, settings and policy know the service by.
    """

    credential: Credential
    audit_service: str
    grants: tuple[tuple[str, str], ...] = ()
    schemes: tuple[Scheme, ...] = ("DPoP",)
    user: bool = True
    min_level: int = 4
    orgnr_parent: bool = True
    orgnr_child: bool = False
    attest: Demand = "ignore"
    bearer_with_cnf: Literal["refuse", "accept"] = "refuse"
    ath: Literal["required", "optional"] = "required"
    every_scope: bool = False  # a token needs all of the scopes (ruling S5)

    @property
    def audiences(self) -> frozenset[str]:
        return _parts(self.grants)[0]

    @property
    def scopes(self) -> frozenset[str]:
        return _parts(self.grants)[1]


@lru_cache(maxsize=64)
def _parts(grants: tuple[tuple[str, str], ...]) -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(audience for audience, _ in grants), frozenset(scope for _, scope in grants)


@dataclass(frozen=True, slots=True)
class Service:
    """One address: a mount of ours, and the real ``host/prefix`` addresses it stands for.

    ``label`` is the host label of the subdomain form (``http://<label>.localhost:8000``); the tail after
    the base is identical in all forms.
    """

    name: str
    title: str
    mount: str
    label: str
    label_prefix: str
    real: tuple[str, ...]
    rule: AccessRule
    spec: str
    fhir: Literal["R4", "R5"] | None = None


_OPEN: Final = AccessRule(credential="none", audit_service="")
_ADMIN: Final = AccessRule(credential="admin", audit_service="SANDBOX")

SERVICES: Final[tuple[Service, ...]] = (
    Service("helseid", "HelseID", "/helseid", "helseid", "", ("helseid-sts.test.nhn.no",), _OPEN, "trust.md"),
    Service(
        "helseid-ttt",
        "HelseID test-token service",
        "/helseid-ttt",
        "helseid-ttt",
        "",
        ("helseid-ttt.test.nhn.no",),
        _OPEN,
        "trust.md section 6",
    ),
    Service(
        "pps",
        "Pasientens prøvesvar v1",
        "/pps",
        "pps",
        "",
        ("test.pps.nhn.no", "test.nilar.nhn.no"),
        AccessRule(
            credential="helseid",
            audit_service="PPS",
            grants=(("nhn:pps", "nhn:pps/provesvar"), ("nhn:nilar", "nhn:nilar/api")),
            schemes=("Bearer", "DPoP"),
            attest="optional",
        ),
        "pps.md",
        "R4",
    ),
    Service(
        "pps-v2",
        "Pasientens prøvesvar v2",
        "/pps/v2",
        "pps",
        "/v2",
        ("test.pps.nhn.no/v2",),
        AccessRule(
            credential="helseid",
            audit_service="PPS",
            grants=(("nhn:pps", "nhn:pps/provesvar-read"),),
            attest="optional",
        ),
        "pps.md",
        "R4",
    ),
    Service(
        "pps-backdoor",
        "Pasientens prøvesvar, backdoor",
        "/pps-backdoor/fhir",
        "pps-backdoor",
        "/fhir",
        ("backdoor.test.pps.nhn.no/fhir", "test.nilar.nhn.no/fhir"),
        AccessRule(credential="none", audit_service="PPS"),
        "pps.md section 3.2",
        "R4",
    ),
    Service(
        "pps-sandbox",
        "Reception of svarrapport",
        "/pps-sandbox",
        "pps-sandbox",
        "",
        (),
        _ADMIN,
        "pps.md section 9",
    ),
    Service(
        "trust-probe",
        "Trust probe",
        "/trust-probe",
        "trust-probe",
        "",
        (),
        AccessRule(
            credential="helseid",
            audit_service="PROBE",
            grants=(("sandkasse:probe", "sandkasse:probe/read"),),
            orgnr_child=True,
            attest="required",
        ),
        "resolutions-a.md R4",
    ),
    Service(
        "trust-probe-bearer",
        "Trust probe, Bearer",
        "/trust-probe/bearer",
        "trust-probe",
        "/bearer",
        (),
        AccessRule(
            credential="helseid",
            audit_service="PROBE",
            grants=(("sandkasse:probe", "sandkasse:probe/read"),),
            schemes=("Bearer",),
            orgnr_child=True,
            attest="required",
        ),
        "resolutions-a.md R4",
    ),
    Service(
        "selvbetjening-api",
        "HelseID Selvbetjening API",
        "/selvbetjening-api",
        "selvbetjening-api",
        "",
        ("api.selvbetjening.test.nhn.no", "ext.selvbetjening.test.nhn.no"),
        AccessRule(
            credential="helseid",
            audit_service="SELVBETJENING",
            grants=(("nhn:selvbetjening", "nhn:selvbetjening/client"),),
            schemes=("DPoP", "Bearer"),
            user=False,
            min_level=0,
            orgnr_parent=False,
        ),
        "selvbetjening.md",
    ),
    Service(
        "selvbetjening",
        "HelseID Selvbetjening, portal",
        "/selvbetjening",
        "selvbetjening",
        "",
        ("selvbetjening.test.nhn.no",),
        AccessRule(credential="persona", audit_service="SELVBETJENING"),
        "selvbetjening.md section 3.2",
    ),
    Service(
        "critical-information",
        "Pasientens kritiske informasjon",
        "/critical-information",
        "critical-information",
        "",
        ("test1.critical-information.hit.nhn.no",),
        AccessRule(
            credential="helseid",
            audit_service="KJ",
            grants=(("nhn:critical-information", "nhn:critical-information/api"),),
            schemes=("DPoP", "Bearer"),
            orgnr_child=True,
        ),
        "kritisk-info.md",
        "R4",
    ),
    Service(
        "kjernejournal",
        "Kjernejournal",
        "/kjernejournal",
        "kjernejournal",
        "",
        tuple(f"api.st{number}.kjernejournal-test.no" for number in (1, 2, 3)),
        AccessRule(
            credential="helseid+ticket",
            audit_service="KJ",
            grants=(("nhn:kjernejournal", "nhn:kjernejournal/api"),),
            schemes=("DPoP", "Bearer"),
        ),
        "kritisk-info.md sections 1.2 and 2",
        "R4",
    ),
    Service(
        "kjernejournal-innlogging",
        "Kjernejournal, portal session",
        "/kjernejournal-innlogging",
        "kjernejournal-innlogging",
        "",
        ("innlogging.st1.kjernejournal-test.no",),
        AccessRule(
            credential="helseid",
            audit_service="KJ",
            grants=(
                ("nhn:kjernejournal", "nhn:kjernejournal/innlogging"),
                ("nhn:kjernejournal", "nhn:kjernejournal/tillitsrammeverk"),
            ),
            attest="required",
            every_scope=True,
        ),
        "kritisk-info.md section 7",
    ),
    Service(
        "kjernejournal-portal",
        "Kjernejournal, portal",
        "/kjernejournal-portal",
        "kjernejournal-portal",
        "",
        ("st1.kjernejournal-test.no",),
        AccessRule(credential="none", audit_service="KJ"),
        "kritisk-info.md section 7",
    ),
    Service(
        "codingsystems",
        "Code systems of kjernejournal",
        "/codingsystems",
        "codingsystems",
        "",
        (),
        AccessRule(
            credential="helseid",
            audit_service="CODES",
            grants=(
                ("nhn:critical-information", "nhn:critical-information/api"),
                ("nhn:kjernejournal", "nhn:kjernejournal/api"),
            ),
            schemes=("DPoP", "Bearer"),
            user=False,
        ),
        "resolutions-b.md S26",
    ),
    Service(
        "fhir-facade",
        "FHIR facade (not a national API)",
        "/fhir/r4",
        "fhir",
        "/r4",
        (),
        AccessRule(
            credential="helseid",
            audit_service="KJ",
            grants=(("nhn:critical-information", "nhn:critical-information/api"),),
            schemes=("DPoP", "Bearer"),
            orgnr_child=True,
        ),
        "resolutions-b.md S17",
        "R4",
    ),
    Service(
        "citizen",
        "Citizen side (not a national API)",
        "/citizen/v1",
        "citizen",
        "/v1",
        (),
        AccessRule(
            credential="helseid",
            audit_service="KJ",
            grants=(("sandkasse:citizen", "sandkasse:citizen/read"),),
            schemes=("DPoP", "Bearer"),
            orgnr_parent=False,
        ),
        "resolutions-b.md S16",
        "R4",
    ),
    Service("control", "Control API", "/_sandbox/v1", "control", "/_sandbox/v1", (), _ADMIN, "design section 8"),
)

BY_NAME: Final = {service.name: service for service in SERVICES}


@dataclass(frozen=True, slots=True)
class Api:
    """An audience the issuer knows, served here or not (ruling R22, trust.md section 3.3).

    ``claims`` are the short names of the claims its access tokens carry (ruling R21);
    ``attest`` whether the tillitsrammeverk claim is emitted when the client sent an attest (R13).
    """

    audience: str
    scopes: tuple[str, ...]
    claims: tuple[str, ...] = (
        "pid",
        "hpr_number",
        "security_level",
        "network",
        "orgnr_parent",
        "orgnr_child",
        "orgnr_supplier",
    )
    attest: bool = False
    dpop: Literal["required", "optional"] = "required"


APIS: Final[tuple[Api, ...]] = (
    Api("nhn:pps", ("nhn:pps/provesvar-read", "nhn:pps/provesvar"), attest=True, dpop="optional"),
    Api("nhn:nilar", ("nhn:nilar/api",), dpop="optional"),
    Api(
        "nhn:phr",
        (
            "nhn:phr/mhd/read-documentreferences",
            "nhn:phr/mhd/read-document",
            "nhn:phr/mhd/read-documentreferences/kjernejournalforskriften",
            "nhn:phr/mhd/read-document/kjernejournalforskriften",
        ),
        attest=True,
    ),
    Api(
        "nhn:kjernejournal",
        ("nhn:kjernejournal/innlogging", "nhn:kjernejournal/tillitsrammeverk", "nhn:kjernejournal/api"),
        attest=True,
        dpop="optional",
    ),
    Api("nhn:critical-information", ("nhn:critical-information/api",), dpop="optional"),
    Api("nhn:parek", ("nhn:parek/rekvisisjon",)),
    Api("nhn:careplan", ("nhn:careplan/api",)),
    Api("nhn:patient-careplan", ("nhn:patient-careplan/api",)),
    Api("nhn:maternity-record", ("nhn:maternity-record/api",)),
    Api("nhn:pts", ("nhn:pts/api",)),
    Api("nhn:fullmakt", ("nhn:fullmakt/read",)),
    Api(
        "nhn:helsenorge.eksternapi",
        (
            "nhn:helsenorge.eksternapi/personverninnstilling_read",
            "nhn:helsenorge.eksternapi/personverninnstilling_write",
        ),
        dpop="optional",
    ),
    Api("nhn:selvbetjening", ("nhn:selvbetjening/client",)),
    Api("sandkasse:probe", ("sandkasse:probe/read",), attest=True, dpop="optional"),
    Api("sandkasse:citizen", ("sandkasse:citizen/read",), ("pid", "security_level", "network"), dpop="optional"),
    Api(
        "nhn:test-public-samplecode",
        (
            "nhn:test-public-samplecode/client-credentials",
            "nhn:test-public-samplecode/authorization-code",
            "nhn:test-public-samplecode/token-exhange-endpoint",
        ),
        dpop="optional",
    ),
    Api(
        "nhn:test-public-samplecode-for-token-exchange",
        ("nhn:test-public-samplecode-for-token-exchange/token-exhange-endpoint",),
        dpop="optional",
    ),
    Api("nhn:test-public-sample-api-1", ("nhn:test-public-sample-api-1/some-scope",), dpop="optional"),
    Api("nhn:test-public-sample-api-2", ("nhn:test-public-sample-api-2/some-scope",), dpop="optional"),
)

API_BY_AUDIENCE: Final = {api.audience: api for api in APIS}
API_BY_SCOPE: Final = {scope: api for api in APIS for scope in api.scopes}
