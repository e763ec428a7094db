"""The scenarios there are: those that come with the service, and a folder of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal

import orjson

from app.errors import Reason, Refusal
from app.sandboxes.config import Config
from app.sandboxes.content import Prepared, Seeder
from app.sandboxes.forms import below, invalid
from app.sandboxes.scenario import Listed, Scenario, both
from app.sandboxes.scenario_file import LARGEST, Fault, faults_in, read_yaml
from app.sandboxes.state import SandboxState
from app.settings import Settings
from app.store import sandboxes
from app.store.engine import Connection
from app.store.sandboxes import SandboxRow
from app.store.scratch import SCRATCH, in_memory
from app.synthetic import arrange, seed

ROOTS: Final[Mapping[str, Seeder]] = {"default": seed.fill, "empty": seed.fill_bare}
"""What a scenario can stand on without being built on another one."""
DEEPEST: Final = 8
_MOST_FILES: Final = 500


class Scenarios:
    """The library, and the scenarios of ``settings.scenario_dir``, which is read anew each time.

    Where a method takes a scenario, that is its name, or its content as JSON.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def listed(self) -> list[Listed]:
        """Every scenario by name. A file of the folder that cannot be read is left out; ``check`` tells why."""
        found = [_listed(each, "library") for each in _library().values()]
        for name in self._own():
            try:
                found.append(_listed(self._from_folder(name), "folder"))
            except Refusal:
                continue
        return sorted(found, key=lambda each: each.name)

    def get(self, name: str) -> Scenario:
        """The scenario of a name. Raises ``Refusal``: NOT_FOUND, or CONTENT_INVALID for a broken file of the folder."""
        known = _library().get(name)
        if known is not None:
            return known
        if name not in self._own():
            raise Refusal(Reason.NOT_FOUND, "there is no scenario of that name", extra={"pointer": "/scenario"})
        return self._from_folder(name)

    def seeder(self, scenario: str | Mapping[str, Any], *, add: bool = False) -> Seeder:
        """What fills a sandbox with the scenario; with ``add`` on top of what is there, without what it stands on.

        Raises ``Refusal`` at once for what the scenario's own form says is wrong; the seeder raises it for the rest,
        and then the transaction it ran in leaves nothing behind.
        """
        chain = self._chain(self._read(scenario))

        def fill(conn: Connection, state: SandboxState, real: float) -> None:
            with below("/scenario"):
                arrange.fill(conn, state, real, chain, None if add else ROOTS[chain[0].base])

        content = orjson.dumps([each.model_dump(mode="json", by_alias=True) for each in chain]).decode()
        if add or "$now" in content:  # a copy made earlier in the day would have the wrong hour
            return fill
        seeded = any(each.generate or each.resources for each in chain)
        return Prepared("scenario/" + content, fill, any_seed=not seeded)

    def check(self, content: object, now: float) -> list[Fault]:
        """Everything wrong with a scenario's form; when nothing is, the first fault met when it is loaded.

        ``now`` is epoch seconds. Nothing is stored: it is loaded into a database in memory.
        """
        found, faults = faults_in(content)
        if found is None:
            return faults
        try:
            chain = self._chain(found)
            self._rehearse(chain, now)
        except Refusal as refusal:
            return [Fault(refusal.extra.get("pointer", ""), refusal.detail)]
        return []

    def _rehearse(self, chain: Sequence[Scenario], now: float) -> None:
        state = SandboxState(SCRATCH, self._settings, seed=self._settings.seed)
        row = SandboxRow(SCRATCH, now, state.seed, None, 0.0, None, None, None, Config().dump())

        def load(conn: Connection) -> None:
            sandboxes.add(conn, row)
            arrange.fill(conn, state, now, chain, ROOTS[chain[0].base])

        in_memory(load, now)

    def _read(self, scenario: str | Mapping[str, Any]) -> Scenario:
        if isinstance(scenario, str):
            return self.get(scenario)
        return _valid(scenario, "/scenario")

    def _chain(self, scenario: Scenario) -> tuple[Scenario, ...]:
        """The scenario after all it is built on, the lowest first."""
        chain = [scenario]
        while chain[0].base not in ROOTS:
            base = chain[0].base
            if base in {each.name for each in chain} or len(chain) >= DEEPEST:
                raise invalid("/base", f"the scenario is built on itself, or on more than {DEEPEST} others")
            try:
                chain.insert(0, self.get(base))
            except Refusal as refusal:
                raise invalid("/base", f"{base}: {refusal.detail}") from None
        return tuple(chain)

    def _own(self) -> Mapping[str, Path]:
        folder = self._settings.scenario_dir
        if folder is None or not folder.is_dir():
            return {}
        files = sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))[:_MOST_FILES]
        return {path.stem: path for path in files if path.stem not in _library()}

    def _from_folder(self, name: str) -> Scenario:
        path = self._own()[name]
        with path.open("rb") as file:
            text = file.read(LARGEST + 1).decode("utf-8", "replace")
        return _named(text, name)


def library_text(name: str) -> str | None:
    """The file of a scenario of the library, None when there is none."""
    return _texts().get(name)


@cache
def _library() -> Mapping[str, Scenario]:
    return {name: _named(text, name) for name, text in _texts().items()}


@cache
def _texts() -> Mapping[str, str]:
    folder = resources.files(__package__) / "scenarios"
    files = sorted((each for each in folder.iterdir() if each.name.endswith(".yaml")), key=lambda each: each.name)
    return {each.name.removesuffix(".yaml"): each.read_text("utf-8") for each in files}


def _named(text: str, name: str) -> Scenario:
    scenario = _valid(read_yaml(text).content)
    if scenario.name != name:
        raise invalid("/name", "a scenario has the name of its file")
    return scenario


def _valid(content: object, place: str = "") -> Scenario:
    found, faults = faults_in(content)
    if found is None:
        with below(place):
            raise invalid(faults[0].pointer, faults[0].detail)
    return found


def _listed(scenario: Scenario, source: Literal["library", "folder"]) -> Listed:
    return Listed(scenario.name, both(scenario.title), scenario.base, source)
