"""``docs/addresses.md``: each service, where it is here and where the real one is, and what it demands."""

from __future__ import annotations

from app.directory import APIS, SERVICES, AccessRule, Service
from tools.pages import NOTE, table

_INTRODUCTION = f"""\
# Addresses

{NOTE}
Change the base URL and nothing else: the path after the base is that of the national service. Each service is reached
in three ways, and links, issuer and `htu` in the answers follow the way the call came in.

| Way | Example | For |
| --- | --- | --- |
| path | `http://localhost:8000/pps/v2/…` | most clients |
| subdomain | `http://pps.localhost:8000/v2/…` | clients that take a host and no path |
| real test host name | `https://test.pps.nhn.no/v2/…` | clients that cannot be reconfigured: see [TLS](tls.md) |

A named sandbox is another world beside the default one: put `/s/<name>` before the path
(`http://localhost:8000/s/my-test/pps/v2/…`) or its name after the label (`http://pps.my-test.localhost:8000/v2/…`).

## Services

"""


def page() -> str:
    services = [
        [service.title, f"`{service.mount}`", f"`{_subdomain(service)}`", _real(service), _demands(service.rule)]
        for service in SERVICES
    ]
    audiences = [
        [f"`{api.audience}`", ", ".join(f"`{scope}`" for scope in api.scopes), api.dpop, "yes" if api.attest else "no"]
        for api in APIS
    ]
    return (
        _INTRODUCTION
        + table(["Service", "Mount", "Subdomain form", "Stands for", "Demands"], services)
        + "\n## Audiences and scopes the issuer knows\n\n"
        + table(["Audience", "Scopes", "DPoP", "Attest in the token"], audiences)
    )


def _subdomain(service: Service) -> str:
    return f"http://{service.label}.localhost:8000{service.label_prefix}"


def _real(service: Service) -> str:
    return ", ".join(f"`https://{real}`" for real in service.real) or "ours"


def _demands(rule: AccessRule) -> str:
    if rule.credential == "none":
        return "nothing"
    if rule.credential == "admin":
        return "`X-Admin-Key` when one is set"
    if rule.credential == "persona":
        return "a person chosen on the page"
    wanted = [" or ".join(rule.schemes) + " token"]
    wanted += [f"audience `{audience}` with scope `{scope}`" for audience, scope in rule.grants]
    if rule.user:
        wanted.append(f"a user at level {rule.min_level}")
    if rule.orgnr_parent:
        wanted.append("a legal entity")
    if rule.orgnr_child:
        wanted.append("a point of care")
    if rule.attest != "ignore":
        wanted.append(f"attest {rule.attest}")
    return "; ".join(wanted)
