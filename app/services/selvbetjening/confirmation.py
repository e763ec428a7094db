"""A person confirms a draft, and the browser goes back to the installer (selvbetjening.md section 3.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from app.errors import Reason, Refusal
from app.services.selvbetjening import drafts, keys, templates
from app.services.selvbetjening.drafts import Draft
from app.services.selvbetjening.errors import Invalid
from app.services.selvbetjening.registration import granted_claims, granted_scopes
from app.services.selvbetjening.templates import Template
from app.settings import Settings
from app.store import clients
from app.store import drafts as store
from app.store.engine import Connection
from app.trust.sts.clients import Client
from app.trust.sts.personas import PERSONAS
from app.trust.sts.request import is_loopback

Verdict = Literal["Success", "Rejected"]
Status = Literal["Success", "Rejected", "Failed"]
_PATH: Final = re.compile(r"/?[A-Za-z0-9._~!$'()*+,;:@%/-]{0,500}")
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_HIGHEST_PORT: Final = 65_535


@dataclass(frozen=True, slots=True)
class Asked:
    """The old form's query parameters, whatever they hold; they count only where the draft has no address."""

    port: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What came of it: the status for the installer, and the client when there is one now."""

    status: Status
    client: Client | None = None


def confirm(
    conn: Connection, sandbox: str, draft: Draft, verdict: Verdict, now: float, settings: Settings
) -> Confirmation:
    """Make the client, or turn the draft down. A draft is confirmed once.

    ``Failed``: it has expired, or its key has become another client's meanwhile. Raises ``Refusal(CONFLICT)`` when it
    was confirmed or turned down before; then nothing has changed.
    """
    if draft.state == drafts.EXPIRED:
        return Confirmation("Failed")
    if not store.settle_draft(conn, sandbox, draft.id, drafts.OPEN, _AFTER[verdict]):
        raise Refusal(Reason.CONFLICT, "the client draft was confirmed or rejected before", source="B2")
    if verdict == "Rejected":
        return Confirmation("Rejected")
    try:
        keys.refuse_foreign(conn, sandbox, draft.order.key, draft.id)
    except Invalid:
        store.settle_draft(conn, sandbox, draft.id, drafts.CONFIRMED, drafts.REJECTED)
        return Confirmation("Failed")
    template = templates.find(conn, sandbox, draft.template)
    if template is None:
        store.settle_draft(conn, sandbox, draft.id, drafts.CONFIRMED, drafts.REJECTED)
        return Confirmation("Failed")
    client = _client(draft, template, now, settings)
    clients.put(conn, sandbox, client)
    return Confirmation("Success", client)


def may_confirm(pid: str, organisation: str, settings: Settings) -> bool:
    """Whether the person acts for the organisation (B2): anybody, or those a persona places there."""
    if settings.confirming_person == "any":
        return True
    return any(each.pid == pid and each.parent.orgnr == organisation for each in PERSONAS.values())


def target(draft: Draft, asked: Asked) -> str | None:
    """Where the browser goes: the draft's own address, else that of the old form; None unless it is loopback."""
    uri = draft.order.confirmation_uri or _old_form(asked)
    return uri if uri is not None and is_loopback(uri) and "\\" not in uri else None


def redirect(uri: str, status: Status) -> str:
    """The address with ``status`` and nothing else added: the published client stumbles over other parameters."""
    plain, _, _ = uri.partition("#")
    return f"{plain}{'&' if '?' in plain else '?'}status={status}"


_AFTER: Final[dict[Verdict, str]] = {"Success": drafts.CONFIRMED, "Rejected": drafts.REJECTED}


def _old_form(asked: Asked) -> str | None:
    port, path = asked.port or "", asked.path or ""
    if not _PORT.fullmatch(port) or int(port) > _HIGHEST_PORT or not _PATH.fullmatch(path):
        return None
    return f"http://localhost:{port}/{path.removeprefix('/')}"


def _client(draft: Draft, template: Template, now: float, settings: Settings) -> Client:
    order = draft.order
    granted, pending = granted_scopes(order.scopes, (), template)
    bare = Client(
        id=draft.id,
        name=template.name,
        grants=template.grants,
        scopes=(*template.identity_scopes, *granted),
        pending_scopes=pending,
        claims=granted_claims(order.claims, (), template),
        orgnr_parent=order.organisation,
        children=order.children,
        redirect_uris=order.redirect_uris,
        post_logout_redirect_uris=order.post_logout_redirect_uris,
        template=template.id,
        made=now,
    )
    return keys.with_key(bare, order.key, "Api", now, settings)
