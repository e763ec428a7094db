"""``/persons/{id}/settings``: privacy settings in the sandbox's short form and in those of PVK and PTS."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response

from app.clock import rfc3339
from app.core import Core
from app.errors import Reason, Refusal
from app.routers.common import trail_of
from app.routers.control.people import PersonId
from app.routers.problems import limited_router, responses
from app.sandboxes import privacy_change
from app.sandboxes.registry import required
from app.sandboxes.setting_bodies import AnySetting, ShortSetting
from app.store import privacy
from app.store.engine import Connection
from app.store.privacy import StoredSetting


def routes(core: Core) -> APIRouter:
    """Read, add, replace and remove the settings of a person."""
    router = limited_router(core.settings.max_body_bytes, tags=["settings"])

    @router.get("/persons/{person_id}/settings", summary="A person's settings", responses=responses(404))
    async def list_settings(request: Request, person_id: PersonId) -> dict[str, Any]:
        call = trail_of(request).call

        def read(conn: Connection) -> list[StoredSetting]:
            required(conn, call.sandbox.id, person_id)
            return privacy.settings_of(conn, call.sandbox.id, person_id)

        found = await core.store.read(read)
        return {"settings": [_shown(each, call.moment.sandbox) for each in found]}

    @router.post(
        "/persons/{person_id}/settings",
        status_code=201,
        summary="Set what a body in the short form, or that of PVK or PTS, stands for",
        description="A PVK body with `aktiv` false removes the setting. The same rule sent again replaces itself.",
        responses=responses(400, 404),
    )
    async def add_setting(request: Request, person_id: PersonId, body: AnySetting) -> dict[str, Any]:
        call = trail_of(request).call
        now = call.moment.sandbox

        def write(conn: Connection) -> list[StoredSetting]:
            person = required(conn, call.sandbox.id, person_id)
            return privacy_change.put(conn, call.sandbox, person, body, now)

        stored = await core.store.write(write)
        return {"settings": [_shown(each, now) for each in stored]}

    @router.get("/persons/{person_id}/settings/{sid}", summary="One setting", responses=responses(404))
    async def get_setting(request: Request, person_id: PersonId, sid: str) -> dict[str, Any]:
        call = trail_of(request).call
        found = await core.store.read(lambda conn: privacy.settings_of(conn, call.sandbox.id, person_id))
        for each in found:
            if each.setting.id == sid:
                return _shown(each, call.moment.sandbox)
        raise _unknown()

    @router.put(
        "/persons/{person_id}/settings/{sid}", summary="Put a setting under an id", responses=responses(400, 404)
    )
    async def put_setting(
        request: Request, response: Response, person_id: PersonId, sid: str, body: ShortSetting
    ) -> dict[str, Any]:
        call = trail_of(request).call
        now = call.moment.sandbox
        if len(sid) > 64:
            raise Refusal(Reason.CONTENT_INVALID, "a setting's id has at most 64 characters")

        def write(conn: Connection) -> StoredSetting:
            required(conn, call.sandbox.id, person_id)
            setting = replace(privacy_change.short(conn, call.sandbox, body), id=sid)
            return privacy.replace_settings(conn, call.sandbox.id, person_id, sid, (setting,), now)[0]

        stored = await core.store.write(write)
        response.status_code = 201 if stored.sequence == 1 else 200
        return _shown(stored, now)

    @router.delete(
        "/persons/{person_id}/settings/{sid}", status_code=204, summary="Remove a setting", responses=responses(404)
    )
    async def delete_setting(request: Request, person_id: PersonId, sid: str) -> None:
        sandbox = trail_of(request).call.sandbox.id
        if not await core.store.write(lambda conn: privacy.remove_setting(conn, sandbox, person_id, sid)):
            raise _unknown()

    return router


def _shown(stored: StoredSetting, now: float) -> dict[str, Any]:
    setting = stored.setting
    return {
        "id": setting.id,
        "svc": setting.service,
        "kind": setting.kind.value,
        "subjects": [{"type": kind, "value": value} for kind, value in sorted(setting.subjects)],
        "objects": [{"type": kind, "value": value} for kind, value in sorted(setting.objects)],
        "level": setting.level,
        "code": setting.code,
        "until": _time(setting.until),
        "from": _time(setting.active_from),
        "to": _time(setting.active_to),
        "active": setting.active(now),
        "sequence": stored.sequence,
        "created": rfc3339(stored.created),
        "changed": rfc3339(stored.changed),
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)


def _unknown() -> Refusal:
    return Refusal(Reason.NOT_FOUND, "the person has no setting with that id")
