"""``/scenarios``: whole sandboxes from a page of YAML, listed, checked and loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, HTTPException, Path, Request
from pydantic import ConfigDict, Field

from app.core import Core
from app.errors import Refusal
from app.routers.common import trail_of
from app.routers.control.ports import Ports, ScenarioLibrary
from app.routers.problems import limited_router, responses
from app.sandboxes import manager, scenario_file
from app.sandboxes.forms import Body
from app.sandboxes.scenario import Listed, Scenario, schema
from app.sandboxes.scenario_file import LARGEST, Document, Fault

_TAG: Final = "scenarios"
_EXAMPLE: Final = {
    "name": "one-block",
    "title": "One patient has closed the results for all",
    "privacy": [{"person": "P01", "setting": {"svc": "PPS", "kind": "general_block"}}],
}
_YAML: Final = "name: one-block\ntitle: One patient has closed the results for all\n"
_CHECKED: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "application/yaml": {"schema": {"type": "string"}, "example": _YAML},
            "application/json": {"schema": {"type": "object"}, "example": _EXAMPLE},
        },
    }
}
Name = Annotated[str, Path(description="The scenario's name.", max_length=40)]


class Load(Body):
    """A scenario to load, by name or whole."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"scenario": "gp-office", "reset": True}]})

    scenario: Annotated[str, Field(max_length=40)] | dict[str, Any] = Field(
        description="A name, or the content of a file as JSON."
    )
    reset: bool = Field(
        False, description="Empty the sandbox first and begin with what the scenario is built on; else it is added."
    )


def routes(core: Core, ports: Ports) -> APIRouter:
    """List, show, check and load scenarios."""
    router = limited_router(core.settings.max_body_bytes, tags=[_TAG])

    def library() -> ScenarioLibrary:
        if ports.scenarios is None:
            raise HTTPException(501, "this installation has no scenarios")
        return ports.scenarios

    @router.get("/scenarios", summary="Every scenario", responses=responses(501))
    async def list_scenarios() -> dict[str, Any]:
        return {"scenarios": [_listed(each) for each in library().listed()]}

    @router.get("/scenarios/schema", summary="The JSON schema of a scenario file")
    async def get_schema() -> dict[str, Any]:
        return schema()

    @router.post(
        "/scenarios/check",
        summary="What is wrong with a scenario",
        description="YAML, or JSON. It is loaded into a sandbox that is thrown away; nothing else changes. `faults` "
        "has a JSON pointer and, for YAML, a line for each.",
        responses=responses(400, 413, 501),
        openapi_extra=_CHECKED,
    )
    async def check(request: Request) -> dict[str, Any]:
        found, document = _read(await request.body())
        if not found:
            # Half a second of work, in a database of its own: not on the thread that answers everybody.
            found = await asyncio.to_thread(library().check, document.content, core.clock.time())
        faults = [each if each.line is not None else document.at(each.pointer, each.detail) for each in found]
        return {"ok": not faults, "faults": [asdict(each) for each in faults]}

    @router.post(
        "/scenarios/load",
        summary="Load a scenario into the sandbox",
        description="All of it or nothing. Settings, clock and faults it does not name stay as they are.",
        responses=responses(400, 404, 409, 501),
    )
    async def load(request: Request, body: Load) -> dict[str, Any]:
        sandbox = trail_of(request).call.sandbox.id
        seeder = library().seeder(body.scenario, add=not body.reset)
        if body.reset:
            await manager.reset(core, sandbox, seeder=seeder)
        else:
            await manager.load(core, sandbox, seeder)
        name = body.scenario if isinstance(body.scenario, str) else body.scenario["name"]
        return {"scenario": name, "sandbox": sandbox, "reset": body.reset}

    @router.get("/scenarios/{name}", summary="One scenario", responses=responses(404, 501))
    async def get_scenario(name: Name) -> dict[str, Any]:
        return _shown(library().get(name))

    return router


def _read(body: bytes) -> tuple[Sequence[Fault], Document]:
    """The document; with the one fault for which it cannot be read, if there is one."""
    if len(body) <= LARGEST:
        with suppress(orjson.JSONDecodeError):
            return [], Document(orjson.loads(body), {})
    try:
        return [], scenario_file.read_yaml(body.decode("utf-8", "replace"))
    except Refusal as refusal:
        return [scenario_file.fault_of(refusal)], Document(None, {})


def _listed(found: Listed) -> dict[str, Any]:
    return {"name": found.name, "title": found.title.model_dump(), "base": found.base, "source": found.source}


def _shown(found: Scenario) -> dict[str, Any]:
    return found.model_dump(mode="json", by_alias=True, exclude_unset=True)
