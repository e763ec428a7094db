"""``sandkasse scenario``: whole sandboxes from a page of YAML, listed, shown, checked and loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from app.commands.calling import HOME, TELLING, AdminKey, Sandbox, Url, remote
from app.commands.common import CLOCK, group, read_settings, stop, told_plainly
from app.errors import Refusal
from app.links.remote import read_file
from app.sandboxes.scenario import schema as scenario_schema
from app.sandboxes.scenario_file import Document, Fault, fault_of, read_yaml

app: Final = group("Scenarios: whole sandboxes from a page of YAML, with the calls to try.")

_FILES: Final = (".yaml", ".yml", ".json")


@app.command(name="list")
def list_scenarios() -> None:
    """Every scenario that comes with the service, and those of the folder SANDKASSE_SCENARIO_DIR."""
    from app.synthetic.scenarios import Scenarios  # reads the seed's messages: the other commands start faster

    for found in Scenarios(read_settings()).listed():
        typer.echo(f"{found.name:<24} {found.title.en}" + (" (own)" if found.source == "folder" else ""))


@app.command()
def show(name: Annotated[str, typer.Argument(help="Name of a scenario.")]) -> None:
    """Print a scenario of the library as its file: the way to begin one of your own.

    \b
    sandkasse scenario show gp-office > mine.yaml
    """
    from app.synthetic.scenarios import library_text

    text = library_text(name)
    if text is None:
        stop(f"The library has no scenario {name}; `sandkasse scenario list` names them.")
    typer.echo(text, nl=False)


@app.command()
def check(file: Annotated[Path, typer.Argument(help="YAML or JSON file.")]) -> None:
    """Say everything that is wrong with a scenario file, with place and line. Needs no running sandbox.

    \b
    sandkasse scenario check mine.yaml
    """
    from app.synthetic.scenarios import Scenarios

    settings = read_settings()
    with told_plainly(TELLING):
        document = _document(file)
        found = Scenarios(settings).check(document.content, CLOCK.time())
    faults = [document.at(each.pointer, each.detail) for each in found]
    if faults:
        _tell(file, faults)
    typer.echo(f"{file}: nothing is wrong")


@app.command()
def load(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="A name, or a YAML or JSON file.")],
    reset: Annotated[
        bool, typer.Option("--reset", help="Empty the sandbox first; else the scenario is added to what is there.")
    ] = False,
    url: Url = HOME,
    admin_key: AdminKey = None,
    sandbox: Sandbox = "default",
) -> None:
    """Load a scenario into a running sandbox: all of it or nothing.

    \b
    sandkasse scenario load gp-office --reset
    sandkasse scenario load mine.yaml --sandbox team-a
    """
    with remote(url, sandbox, admin_key) as running:
        body = {"scenario": content_of(scenario), "reset": reset}
        running.control("POST", "/scenarios/load", body)
    typer.echo(f"{scenario} is loaded into the sandbox {sandbox}")


@app.command()
def schema() -> None:
    """Print the JSON schema of a scenario file, for editors that complete and check YAML.

    \b
    sandkasse scenario schema > scenario.schema.json
    """
    typer.echo(json.dumps(scenario_schema(), indent=2, ensure_ascii=False))


def content_of(scenario: str) -> str | Mapping[str, Any]:
    """What the control API takes for a scenario: its name, or the content when it is a file. Stops when unreadable."""
    if not scenario.endswith(_FILES):
        return scenario
    with told_plainly(TELLING):
        content = _document(Path(scenario)).content
    if not isinstance(content, Mapping):
        stop(f"{scenario} holds no scenario")
    return content


def _document(file: Path) -> Document:
    try:
        return read_yaml(read_file(file).decode("utf-8", "replace"))
    except Refusal as refusal:
        _tell(file, [fault_of(refusal)])
        raise


def _tell(file: Path, faults: list[Fault]) -> None:
    stop("\n".join(f"{file}: {each.told()}" for each in faults))
