"""``sandkasse sandbox``: the sandboxes of a running installation, made, kept, brought back and taken away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from app.commands.calling import HOME, AdminKey, Url, remote
from app.commands.common import group, stop
from app.commands.scenario import content_of
from app.sandboxes.state import DEFAULT

app: Final = group("Sandboxes of a running installation, each isolated from all others.")

Name = Annotated[str, typer.Argument(metavar="SANDBOX", help="Name of the sandbox.")]
NewName = Annotated[
    str | None, typer.Argument(metavar="[SANDBOX]", help="1-40 of a-z, 0-9 and -; made up if left out.")
]
Scenario = Annotated[str | None, typer.Option(help="Name of a scenario, or a YAML file with one.")]
Empty = Annotated[bool, typer.Option("--empty", help="With nothing in it: no people, no clients, no results.")]
ExpiresIn = Annotated[
    str | None, typer.Option(help="How long it lives: `90s`, `30m`, `12h`, `7d`. For ever if left out.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Everything, as the control API gives it.")]

_SECONDS: Final[Mapping[str, int]] = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@app.command()
def create(
    name: NewName = None,
    scenario: Scenario = None,
    empty: Empty = False,
    seed: Annotated[str | None, typer.Option(help="Seed of what is made for it.")] = None,
    expires_in: ExpiresIn = None,
    setting: Annotated[
        list[str] | None, typer.Option("--setting", help="`name=value`, several times: settings of its own.")
    ] = None,
    as_json: AsJson = False,
    url: Url = HOME,
    admin_key: AdminKey = None,
) -> None:
    """Make a sandbox and print where it is; its own admin key, if it has one, is shown this once.

    \b
    sandkasse sandbox create team-a --expires-in 8h
    sandkasse sandbox create --scenario gp-office --setting profile=strict
    """
    body = {
        "name": name,
        "seed": seed,
        **_content(scenario, empty),
        "expiresIn": None if expires_in is None else seconds(expires_in),
        "settings": dict(_setting(line) for line in setting or ()),
    }
    made = _call(url, admin_key, "POST", "", {key: value for key, value in body.items() if value is not None})
    _tell(made, made["base"], as_json)


@app.command("list")
def listed(as_json: AsJson = False, url: Url = HOME, admin_key: AdminKey = None) -> None:
    """Every sandbox with what its clock shows and when it ends.

    \b
    sandkasse sandbox list
    """
    found = _call(url, admin_key, "GET", "")["sandboxes"]
    if as_json:
        typer.echo(_json(found))
        return
    for each in found:
        clock = each["clock"]["now"][:19] + ("Z frozen" if each["clock"]["frozen"] else "Z")
        typer.echo(f"{each['name']:<40} clock {clock:<27} ends {each['expires'] or 'never'}")


@app.command()
def reset(
    name: Name,
    scenario: Scenario = None,
    empty: Empty = False,
    as_json: AsJson = False,
    url: Url = HOME,
    admin_key: AdminKey = None,
) -> None:
    """Empty a sandbox and fill it anew: clock and faults normal, own settings and snapshots kept.

    \b
    sandkasse sandbox reset team-a
    """
    _tell(_call(url, admin_key, "POST", _at(name, "reset"), _content(scenario, empty)), f"{name} is as new", as_json)


@app.command()
def snapshot(
    name: Name,
    kept: Annotated[str | None, typer.Argument(metavar="[SNAPSHOT]", help="Its name; made up if left out.")] = None,
    url: Url = HOME,
    admin_key: AdminKey = None,
) -> None:
    """Keep a sandbox as it is now, to be restored later; prints the snapshot's name.

    \b
    sandkasse sandbox snapshot team-a before-admission
    """
    body = {} if kept is None else {"name": kept}
    typer.echo(_call(url, admin_key, "POST", _at(name, "snapshots"), body)["name"])


@app.command()
def snapshots(name: Name, url: Url = HOME, admin_key: AdminKey = None) -> None:
    """A sandbox's snapshots, oldest first.

    \b
    sandkasse sandbox snapshots team-a
    """
    for each in _call(url, admin_key, "GET", _at(name, "snapshots"))["snapshots"]:
        typer.echo(f"{each['name']:<40} {each['at']}")


@app.command()
def restore(
    name: Name,
    kept: Annotated[str, typer.Argument(metavar="SNAPSHOT", help="Name of the snapshot.")],
    as_json: AsJson = False,
    url: Url = HOME,
    admin_key: AdminKey = None,
) -> None:
    """Make a sandbox as it was when the snapshot was taken; journal and audit chains go on.

    \b
    sandkasse sandbox restore team-a before-admission
    """
    back = _call(url, admin_key, "POST", _at(name, "snapshots", kept, "restore"))
    _tell(back, f"{name} is as it was at {kept}", as_json)


@app.command()
def clone(
    name: Name,
    new_name: Annotated[
        str | None, typer.Argument(metavar="[NEW]", help="Name of the clone; made up if left out.")
    ] = None,
    expires_in: ExpiresIn = None,
    as_json: AsJson = False,
    url: Url = HOME,
    admin_key: AdminKey = None,
) -> None:
    """Make a sandbox with the state of another, and print where it is.

    \b
    sandkasse sandbox clone team-a team-b
    """
    body = {"name": new_name, "expiresIn": None if expires_in is None else seconds(expires_in)}
    wanted = {key: value for key, value in body.items() if value is not None}
    made = _call(url, admin_key, "POST", _at(name, "clone"), wanted)
    _tell(made, made["base"], as_json)


@app.command()
def delete(
    name: Name,
    kept: Annotated[str | None, typer.Option("--snapshot", help="Only this snapshot of it.")] = None,
    url: Url = HOME,
    admin_key: AdminKey = None,
) -> None:
    """Take a sandbox away with all it holds, or one snapshot of it.

    \b
    sandkasse sandbox delete team-a
    sandkasse sandbox delete team-a --snapshot before-admission
    """
    _call(url, admin_key, "DELETE", _at(name) if kept is None else _at(name, "snapshots", kept))
    typer.echo(f"{name} is gone" if kept is None else f"{kept} of {name} is gone")


@app.command()
def key(name: Name, url: Url = HOME, admin_key: AdminKey = None) -> None:
    """Give a sandbox a new admin key of its own and print it, this once; the old one opens nothing any more.

    \b
    sandkasse sandbox key team-a
    """
    typer.echo(_call(url, admin_key, "POST", _at(name, "key"))["adminKey"])


def seconds(text: str) -> float:
    """A length of time as it is typed: a number, with s, m, h or d after it or nothing, which is seconds."""
    number, unit = (text[:-1], text[-1:]) if text[-1:] in _SECONDS else (text, "s")
    try:
        return float(number) * _SECONDS[unit]
    except ValueError:
        stop(f"a length of time is such as 90s, 30m, 12h or 7d, not {text!r}")


def _content(scenario: str | None, empty: bool) -> dict[str, Any]:
    if empty and scenario is not None:
        stop("--empty and --scenario exclude each other")
    if scenario is not None:
        return {"scenario": content_of(scenario)}
    return {"content": "empty"} if empty else {}


def _setting(line: str) -> tuple[str, Any]:
    name, equals, value = line.partition("=")
    if not equals:
        stop(f"a setting is name=value, not {line!r}")
    try:
        return name, json.loads(value)  # numbers, true and false
    except ValueError:
        return name, value


def _call(url: str, admin_key: str | None, method: str, path: str, body: Any = None) -> Any:
    with remote(url, DEFAULT, admin_key) as running:
        return running.control(method, f"/sandboxes{path}", body)


def _at(*names: str) -> str:
    return "".join("/" + quote(name, safe="") for name in names)


def _tell(state: Mapping[str, Any], text: str, as_json: bool) -> None:
    typer.echo(_json(state) if as_json else text)
    if "adminKey" in state and not as_json:
        typer.echo(f"admin key: {state['adminKey']}")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
