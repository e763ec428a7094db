"""``sandkasse explain``: why an answer was as it was, or what is wrong with a request that was not sent."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from app.commands.calling import HOME, AdminKey, Sandbox, Url, remote
from app.commands.common import single, stop
from app.links.curl_line import NotCurl, read_curl
from app.links.remote import Remote

app: Final = single()

_WIDTH: Final = 100


@app.command()
def explain(
    asked: Annotated[
        str,
        typer.Argument(
            metavar="EXCHANGE | curl …",
            help="The `Sandbox-Exchange` header of an answer, or a curl command line; `-` reads standard input.",
        ),
    ],
    url: Url = HOME,
    admin_key: AdminKey = None,
    sandbox: Sandbox = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as the control API gives it.")] = False,
) -> None:
    """Say why a request was answered as it was, or everything that is wrong with one, without sending it.

    Options of this command stand before the curl line. Exit status 1 when something is wrong with the request.

    \b
    sandkasse explain 01KAJ3V9Q4T5W8X2Y7Z6ABCDEF
    sandkasse explain curl -X POST http://localhost:8000/pps/v2/DiagnosticReport/_search -H 'DPoP: eyJ…'
    pbpaste | sandkasse explain -
    """
    line = sys.stdin.read() if asked == "-" else asked
    if not line.lstrip().startswith("curl"):
        with remote(url, sandbox, admin_key) as running:
            found = running.control("GET", f"/exchanges/{line.strip()}")
        typer.echo(_json(found) if as_json else story(found))
        return
    with remote(url, sandbox, admin_key) as running:
        found = _unsent(running, line)
    typer.echo(_json(found) if as_json else _told(found))
    if not found["ok"]:
        raise typer.Exit(1)


def story(found: Mapping[str, Any]) -> str:
    """An exchange for a person to read: the request, the verdict, and each rule that was looked at."""
    request, answer, decision = found["request"], found["answer"], found["decision"]
    lines = [
        f"{request['method']} {request['url']}  ->  {answer['status']}   ({found['time']}, {found['durationMs']} ms)",
        found["summary"],
        "",
    ]
    facts = [("client", found.get("client")), ("patient", found.get("patient")), ("outcome", decision["outcome"])]
    facts += [(name, value) for name, value in (found.get("access") or {}).items()]
    lines += [f"  {name:<14} {value}" for name, value in facts if value not in (None, False)]
    looked_at = [rule for rule in found["rules"] if rule["fired"]]
    if found["rules"]:
        lines += ["", f"{len(found['rules'])} rules looked at, {len(looked_at)} fired:"]
        lines += [f"  {'=>' if rule['deciding'] else '  '} {rule['rule']:<6} {rule['text']}" for rule in looked_at]
    if found["dropped"]:
        lines += ["", "withheld:"]
        lines += [f"  {entry['object']}: {entry['reason']} ({entry['rule']})" for entry in found["dropped"]]
    if found["findings"]:
        lines += ["", "about the client:"]
        lines += [f"  {finding['code']}: {finding['text']}" for finding in found["findings"]]
    return "\n".join(lines)


def _unsent(running: Remote, line: str) -> Mapping[str, Any]:
    try:
        sent = read_curl(line)
    except NotCurl as error:
        stop(str(error))
    request = {"method": sent.method, "url": sent.url, "headers": [list(pair) for pair in sent.headers]}
    found: Mapping[str, Any] = running.control("POST", "/explain", {"request": {**request, "body": sent.body}})
    return found


def _told(found: Mapping[str, Any]) -> str:
    lines = [found["summary"]]
    for number, fault in enumerate(found["faults"], 1):
        lines.append(f"\n{number}. [{fault['rule']}] {fault['text']}" + (f"  ({fault['source']})"))
        lines += [
            f"   {name + ':':<10}{_short(fault[name])}" for name in ("found", "expected") if fault[name] is not None
        ]
    lines += [f"\n{finding['level']} {finding['code']}: {finding['text']}" for finding in found["findings"]]
    decision = found.get("decision")
    if decision is not None:
        lines.append(
            f"\nThe rules of release say {decision['outcome']}"
            + (f" by {decision['rule']}." if decision["rule"] else ".")
        )
    return "\n".join(lines)


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _json(found: Mapping[str, Any]) -> str:
    return json.dumps(found, indent=2, ensure_ascii=False)
