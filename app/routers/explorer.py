"""The signing explorer: for each service its OpenAPI document, and a page that logs in and tries its operations.

Nothing here knows a service. What a call needs stands in the directory, and in the service's OpenAPI document, where
a header the page can fill in is marked (``app.routers.fills``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from jinja2 import Environment, PackageLoader, select_autoescape

from app.directory import BY_NAME, Service
from app.routers.common import trail_of
from app.routers.console import view
from app.routers.fills import FILL
from app.trust.sts.login import NETWORKS
from app.web.attest_templates import ATTEST_TEMPLATES, described
from app.web.explorer_texts import TEXTS
from app.web.languages import LANGUAGES

EXAMPLE_PATIENT: Final = "14838449698"  # P01; in examples it stands for the patient who is chosen on the page
_PAGES: Final = Environment(loader=PackageLoader("app.web"), autoescape=select_autoescape())
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    # Swagger UI styles its elements one by one and shows its icons as data.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
}


def add_pages(app: FastAPI, services: Mapping[str, FastAPI]) -> None:
    """Put ``/docs`` and ``/openapi`` on the application of our own pages."""

    def served(name: str) -> Service:
        if name not in services:
            raise HTTPException(404)
        return BY_NAME[name]

    @app.get("/docs", include_in_schema=False)
    async def documentation(request: Request) -> Response:
        return _page(request, "docs.html", services=[BY_NAME[name] for name in services])

    @app.get("/docs/{name}", include_in_schema=False)
    async def explorer(request: Request, name: str) -> Response:
        service = served(name)
        rule, api = service.rule, services[name].openapi()
        logs_in = rule.credential.startswith("helseid")
        return _page(
            request,
            "swagger.html",
            service=service,
            logs_in=logs_in,
            person=logs_in and rule.user,
            admin=rule.credential == "admin",
            networks=NETWORKS,
            patient="patient" in fills_of(api) or (logs_in and EXAMPLE_PATIENT in str(api)),
        )

    @app.get("/docs/{name}/explorer.json", include_in_schema=False)
    async def wants(request: Request, name: str) -> Response:
        service, language = served(name), view.language(request)
        call = trail_of(request).call
        root = call.root
        return JSONResponse(
            {
                **demands(service),
                "sandbox": call.sandbox.id,
                "addresses": {
                    "root": root,
                    "issuer": root + BY_NAME["helseid"].mount,
                    "control": root + BY_NAME["control"].mount,
                    "exchanges": f"{root}/exchanges",
                    "openapi": f"{root}/openapi/{name}.json",
                    "service": root + service.mount,
                },
                "examplePatient": EXAMPLE_PATIENT,
                "templates": [described(template, language) for template in ATTEST_TEMPLATES],
                "texts": dict(TEXTS[language]),
            }
        )

    @app.get("/openapi/{name}.json", include_in_schema=False)
    async def description(request: Request, name: str) -> Response:
        service = served(name)
        schema: dict[str, Any] = dict(services[name].openapi())
        schema["servers"] = [{"url": trail_of(request).call.root + service.mount, "description": service.title}]
        schema["x-sandkasse"] = demands(service)
        return JSONResponse(schema)


def demands(service: Service) -> dict[str, Any]:
    """What a caller must bring, as the directory has it."""
    rule = service.rule
    return {
        "service": service.name,
        "credential": rule.credential,
        "schemes": list(rule.schemes),
        "user": rule.user,
        "minLevel": rule.min_level,
        "attest": rule.attest,
        "grants": [{"audience": audience, "scope": scope} for audience, scope in rule.grants],
    }


def fills_of(document: Mapping[str, Any]) -> frozenset[str]:
    """What of an OpenAPI document's headers the page can fill in."""
    operations = [
        operation
        for item in document["paths"].values()
        for operation in item.values()
        if isinstance(operation, Mapping)
    ]
    found = (each.get(FILL) for operation in operations for each in operation.get("parameters", ()))
    return frozenset(fill for fill in found if fill is not None)


def _page(request: Request, template: str, **values: Any) -> Response:
    language = view.language(request)
    html = _PAGES.get_template(template).render(
        root=trail_of(request).call.root,
        lang=language,
        other=next(each for each in LANGUAGES if each != language),
        text=TEXTS[language],
        **values,
    )
    response = HTMLResponse(html, headers={**_HEADERS, "Content-Language": language, "Vary": "Accept-Language, Cookie"})
    view.remember_language(request, response)
    return response
