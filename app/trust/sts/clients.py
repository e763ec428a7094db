"""Clients of the issuer: what is registered, and the four every sandbox starts with (rulings R23, R24)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

from app.directory import API_BY_SCOPE, APIS, Api
from app.errors import Reason, Refusal
from app.trust.cache import BoundedCache
from app.trust.jose import JoseError, Key, import_key, public_members
from app.trust.sts.registered import (
    ClientClaim,
    KeyNote,
    UnsignedTerms,
    dump_all,
    read_claims,
    read_key_notes,
    read_terms,
)

Tenancy = Literal["none", "single-tenant", "multi-tenant"]
Profile = Literal["lenient", "strict"]
Switch = Literal["required", "optional"]

CODE: Final = "authorization_code"
REFRESH: Final = "refresh_token"
MACHINE: Final = "client_credentials"
EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
GRANTS: Final = (CODE, REFRESH, MACHINE, EXCHANGE)

IDENTITY_SCOPES: Final = (
    "openid",
    "profile",
    "offline_access",
    "helseid://scopes/identity/pid",
    "helseid://scopes/identity/pid_pseudonym",
    "helseid://scopes/identity/security_level",
    "helseid://scopes/identity/assurance_level",
    "helseid://scopes/identity/network",
    "helseid://scopes/identity/all",
    "helseid://scopes/hpr/hpr_number",
)
"""Scopes that tell of a user; a machine client may not ask for them (T-23)."""

CLIENT_SCOPES: Final = (
    "helseid://scopes/client/info",
    "helseid://scopes/client/client_name",
    "nhn:tillitsrammeverk:parameters",
    "nhn:sfm:journal-id",
)
"""Scopes that name no audience and no user."""

_MAX_TEXT: Final = 500
_MAX_ITEMS: Final = 500


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client.

    ``scopes`` are those granted, in the order they are given when a request names none (ruling C13).
    ``orgnr_parent`` is the legal entity of a single-tenant client, ``orgnr_supplier`` that of a multi-tenant one;
    ``children`` the sub-units the former may act for, ``delegations`` the legal entities that delegated to the
    latter. ``audiences`` are the APIs this client itself is, for token exchange. ``profile`` overrides the
    sandbox's (ruling C1). ``access_token_seconds`` overrides the setting of that name. ``jwks`` are public JWKs.

    What Selvbetjening keeps of it: ``keys`` are notes on some of ``jwks``; ``claims`` the client's own claims;
    ``pending_scopes`` those an API's owner has not granted; ``unsigned_terms`` what delegations lack;
    ``template`` the client system it was made from; ``made`` when, in epoch seconds. A ``blocked`` client is
    unknown to the issuer.
    """

    id: str
    name: str = ""
    grants: frozenset[str] = frozenset({CODE, REFRESH})
    scopes: tuple[str, ...] = ()
    tenancy: Tenancy = "single-tenant"
    orgnr_parent: str | None = None
    orgnr_supplier: str | None = None
    children: tuple[str, ...] = ()
    delegations: tuple[str, ...] = ()
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    audiences: frozenset[str] = frozenset()
    dpop: Switch = "required"
    par: Switch = "required"
    profile: Profile | None = None
    access_token_seconds: int | None = None
    jwks: tuple[Mapping[str, Any], ...] = ()
    keys: tuple[KeyNote, ...] = ()
    claims: tuple[ClientClaim, ...] = ()
    pending_scopes: tuple[str, ...] = ()
    unsigned_terms: tuple[UnsignedTerms, ...] = ()
    template: str | None = None
    made: float | None = None
    blocked: bool = False

    @property
    def known_organisations(self) -> frozenset[str]:
        """Organisation numbers accepted for this client even when the register lacks them (ruling C40)."""
        own = (self.orgnr_parent, self.orgnr_supplier, *self.children, *self.delegations)
        return frozenset(number for number in own if number is not None)

    def dump(self) -> dict[str, Any]:
        """The client as JSON, the form the control API shows and ``read_client`` takes."""
        return {
            "id": self.id,
            "name": self.name,
            "grants": [grant for grant in GRANTS if grant in self.grants],
            "scopes": list(self.scopes),
            "tenancy": self.tenancy,
            "orgnr_parent": self.orgnr_parent,
            "orgnr_supplier": self.orgnr_supplier,
            "children": list(self.children),
            "delegations": list(self.delegations),
            "redirect_uris": list(self.redirect_uris),
            "post_logout_redirect_uris": list(self.post_logout_redirect_uris),
            "audiences": sorted(self.audiences),
            "dpop": self.dpop,
            "par": self.par,
            "profile": self.profile,
            "access_token_seconds": self.access_token_seconds,
            "jwks": [dict(jwk) for jwk in self.jwks],
            "keys": dump_all(self.keys),
            "claims": dump_all(self.claims),
            "pending_scopes": list(self.pending_scopes),
            "unsigned_terms": dump_all(self.unsigned_terms),
            "template": self.template,
            "made": self.made,
            "blocked": self.blocked,
        }

    def known_at(self, now: float, delay: float) -> bool:
        """Whether the issuer knows the client: not when blocked, nor younger than ``delay`` seconds."""
        return not self.blocked and (self.made is None or now >= self.made + delay)

    def usable_jwks(
        self, now: float, delay: float, cache: BoundedCache[tuple[str, ...], Key] | None = None
    ) -> tuple[Mapping[str, Any], ...]:
        """The keys that hold at ``now``: not expired, and not younger than ``delay`` seconds."""
        if not self.keys:
            return self.jwks
        notes = {note.thumbprint: note for note in self.keys}
        return tuple(jwk for jwk in self.jwks if _holds(notes.get(import_key(jwk, cache).thumbprint), now, delay))


def load_client(body: Mapping[str, Any]) -> Client:
    """The client that ``dump`` gave, from our own store: not checked again."""
    return Client(
        **{
            **body,
            "grants": frozenset(body["grants"]),
            "scopes": tuple(body["scopes"]),
            "children": tuple(body["children"]),
            "delegations": tuple(body["delegations"]),
            "redirect_uris": tuple(body["redirect_uris"]),
            "post_logout_redirect_uris": tuple(body["post_logout_redirect_uris"]),
            "audiences": frozenset(body["audiences"]),
            "jwks": tuple(body["jwks"]),
            "keys": tuple(KeyNote(**note) for note in body.get("keys", ())),
            "claims": tuple(ClientClaim(**claim) for claim in body.get("claims", ())),
            "pending_scopes": tuple(body.get("pending_scopes", ())),
            "unsigned_terms": tuple(UnsignedTerms(**terms) for terms in body.get("unsigned_terms", ())),
        }
    )


def read_client(value: object) -> Client:
    """A client from JSON that somebody sent, members as in ``dump``, all but ``id`` optional.

    Private members of a JWK are dropped (real-clients.md section 4). Raises ``Refusal(CONTENT_INVALID)``.
    """
    if not isinstance(value, dict):
        raise _invalid("a client is a JSON object")
    unknown = set(value) - set(Client.__dataclass_fields__)
    if unknown:
        raise _invalid("unknown member of a client: " + ", ".join(sorted(str(name)[:40] for name in unknown)))
    client_id = _text(value, "id")
    if not client_id or len(client_id) > 120:
        raise _invalid("id must be a text of 1 to 120 characters")
    grants = frozenset(_texts(value, "grants", (CODE, REFRESH)))
    if not grants <= set(GRANTS):
        raise _invalid("grants must be among " + ", ".join(GRANTS))
    seconds = value.get("access_token_seconds")
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= 86400):
        raise _invalid("access_token_seconds must be a whole number from 1 to 86400")
    return Client(
        id=client_id,
        name=_text(value, "name") or client_id,
        grants=grants,
        scopes=_texts(value, "scopes"),
        tenancy=_choice(value, "tenancy", get_args(Tenancy), "single-tenant"),
        orgnr_parent=_orgnr(_text(value, "orgnr_parent")),
        orgnr_supplier=_orgnr(_text(value, "orgnr_supplier")),
        children=_orgnrs(value, "children"),
        delegations=_orgnrs(value, "delegations"),
        redirect_uris=_texts(value, "redirect_uris"),
        post_logout_redirect_uris=_texts(value, "post_logout_redirect_uris"),
        audiences=frozenset(_texts(value, "audiences")),
        dpop=_choice(value, "dpop", get_args(Switch), "required"),
        par=_choice(value, "par", get_args(Switch), "required"),
        profile=_choice(value, "profile", (*get_args(Profile), None), None),
        access_token_seconds=seconds,
        jwks=_jwks(value.get("jwks", [])),
        keys=read_key_notes(value.get("keys", [])),
        claims=read_claims(value.get("claims", [])),
        pending_scopes=_texts(value, "pending_scopes"),
        unsigned_terms=read_terms(value.get("unsigned_terms", [])),
        template=_text(value, "template"),
        made=_time(value.get("made")),
        blocked=_choice(value, "blocked", (True, False), False) is True,
    )


def with_key(client: Client, jwk: Mapping[str, Any]) -> Client:
    """The client with one more public key. Raises ``Refusal(CONTENT_INVALID)`` for a JWK that cannot be used."""
    return replace(client, jwks=(*client.jwks, *_jwks([dict(jwk)])))


def api_of(scope: str) -> Api | None:
    """The API a scope belongs to; an audience outside the directory is read from the scope's own name.

    ``audience/scope-name`` (trust.md section 3.3). ``None`` for an identity scope.
    """
    known = API_BY_SCOPE.get(scope)
    if known is not None or scope in IDENTITY_SCOPES or scope in CLIENT_SCOPES:
        return known
    audience, slash, _ = scope.partition("/")
    if not slash or ":" not in audience or audience.endswith(":"):
        return None
    listed = next((api for api in APIS if api.audience == audience), None)
    return listed if listed is not None else Api(audience, (scope,), dpop="optional")


_API_SCOPES: Final = tuple(scope for api in APIS for scope in api.scopes)
_LOGIN_SCOPES: Final = (*IDENTITY_SCOPES, *CLIENT_SCOPES)
_FRISK_FJORD: Final = "315500109"
_FRISK_FJORD_SYKEHUS: Final = "315500303"
_LETT_BAKKE: Final = "315500508"
_STODIG: Final = "315500605"
_KLAR_SKY: Final = "315501008"

SEEDED: Final[tuple[Client, ...]] = (
    Client(
        "sandkasse-epj",
        "Sandkasse EPJ",
        frozenset({CODE, REFRESH, MACHINE}),
        # Lacks one scope on purpose, so that a refused scope can be shown (ruling R23, T-22).
        (*_LOGIN_SCOPES, *(scope for scope in _API_SCOPES if scope != "nhn:parek/rekvisisjon")),
        orgnr_parent=_FRISK_FJORD,
        children=(_FRISK_FJORD_SYKEHUS,),
    ),
    Client(
        "sandkasse-leverandor",
        "Sandkasse leverandør",
        frozenset({CODE, REFRESH, MACHINE}),
        (*_LOGIN_SCOPES, *_API_SCOPES),
        tenancy="multi-tenant",
        orgnr_supplier=_KLAR_SKY,
        delegations=(_LETT_BAKKE, _STODIG),
        # One delegator has not signed the terms of one API, so that a rejected scope can be seen (SB-37).
        unsigned_terms=(UnsignedTerms(_STODIG, "nhn:parek"),),
    ),
    Client(
        "sandkasse-maskin",
        "Sandkasse maskin",
        frozenset({MACHINE}),
        (*CLIENT_SCOPES, *_API_SCOPES),
        orgnr_parent=_FRISK_FJORD,
    ),
    Client(
        "sandkasse-gammel",
        "Sandkasse, eldre klient",
        frozenset({CODE, REFRESH, MACHINE}),
        (
            *_LOGIN_SCOPES,
            *(scope for scope in _API_SCOPES if scope.startswith(("nhn:pps/", "nhn:nilar/", "sandkasse:probe/"))),
        ),
        orgnr_parent=_LETT_BAKKE,
        dpop="optional",
        par="optional",
    ),
)
"""The clients every sandbox starts with; their keys are made at first start (rulings R23, R24)."""


def _holds(note: KeyNote | None, now: float, delay: float) -> bool:
    if note is None:
        return True
    return (note.expires is None or now < note.expires) and (note.made is None or now >= note.made + delay)


def _jwks(value: object) -> tuple[Mapping[str, Any], ...]:
    if isinstance(value, dict) and isinstance(value.get("keys"), list):
        value = value["keys"]
    if not isinstance(value, list) or len(value) > 20 or not all(isinstance(jwk, dict) for jwk in value):
        raise _invalid("jwks must be a list of at most 20 JWKs")
    keys = []
    for jwk in value:
        public = public_members(jwk)
        try:
            import_key(public)
        except JoseError as error:
            raise _invalid(str(error)) from error
        keys.append(public)
    return tuple(keys)


def _text(value: Mapping[str, Any], name: str) -> str | None:
    text = value.get(name)
    if text is not None and (not isinstance(text, str) or len(text) > _MAX_TEXT):
        raise _invalid(f"{name} must be a text of at most {_MAX_TEXT} characters")
    return text


def _texts(value: Mapping[str, Any], name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    texts = value.get(name, list(default))
    if (
        not isinstance(texts, list)
        or len(texts) > _MAX_ITEMS
        or not all(isinstance(text, str) and len(text) <= _MAX_TEXT for text in texts)
    ):
        raise _invalid(f"{name} must be a list of at most {_MAX_ITEMS} texts")
    return tuple(dict.fromkeys(texts))


def _time(value: object) -> float | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11):
        raise _invalid("made must be a time in epoch seconds")
    return value


def _choice(value: Mapping[str, Any], name: str, choices: tuple[Any, ...], default: Any) -> Any:
    chosen = value.get(name, default)
    if chosen not in choices:
        raise _invalid(f"{name} must be one of " + ", ".join(str(choice) for choice in choices))
    return chosen


def _orgnrs(value: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return tuple(number for number in map(_orgnr, _texts(value, name)) if number is not None)


def _orgnr(number: str | None) -> str | None:
    if number is not None and not (len(number) == 9 and number.isascii() and number.isdigit()):
        raise _invalid("an organisation number has nine digits")
    return number


def _invalid(detail: str) -> Refusal:
    return Refusal(Reason.CONTENT_INVALID, detail)
