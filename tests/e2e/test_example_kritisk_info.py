"""The example of keeping copies of critical information in step, run as a user runs it, against a running service."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from sandkasse import Sandbox
from tools.live_server import LiveServer

_EXAMPLE = Path(__file__).parents[2] / "examples" / "epj_kritisk_info.py"
P01, P05, P16, P17 = "14838449698", "09895949814", "20828349954", "03836249851"


@dataclass(frozen=True, slots=True)
class Program:
    """The example with its addresses, in a sandbox of its own."""

    sandbox: Sandbox
    folder: Path

    def run(self, copy: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        service = f"{self.sandbox.url('critical-information')}/api/critical-information/v1"
        addresses = ["--helseid", self.sandbox.issuer, "--service", service, "--key", str(self.folder / "key.json")]
        copied = ["--copy", str(self.folder / copy)]
        return subprocess.run(
            [sys.executable, str(_EXAMPLE), *addresses, *copied, *arguments], capture_output=True, text=True
        )

    def said(self, copy: str, *arguments: str) -> str:
        done = self.run(copy, *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout


@pytest.fixture
def program(live: LiveServer, tmp_path: Path) -> Iterator[Program]:
    with Sandbox.create(live.url) as sandbox:
        key = httpx.get(f"{sandbox.url('control')}/clients/sandkasse-epj/key").json()
        (tmp_path / "key.json").write_text(json.dumps(key))
        yield Program(sandbox, tmp_path)


def test_it_reads_what_has_changed_and_then_nothing(program: Program) -> None:
    first = program.said("one.db", P16)
    assert "read AllergyIntolerance, Condition, Consent, DeviceUseStatement, Flag, Procedure: 14 replaced" in first
    again = program.said("one.db", P16)
    assert "nothing has changed, nothing was read" in again
    program.said("two.db", P01, P16, "--note", "Spurt igjen")
    assert "read AllergyIntolerance: 1 replaced, 0 removed" in program.said("one.db", P16)


def test_a_copy_that_is_behind_loses_nobodys_note(program: Program) -> None:
    program.said("one.db", P01)
    program.said("two.db", P01, "--note", "Spurt igjen")
    said = program.said("one.db", P01, "--note", "Bekreftet", "--no-poll")
    assert "was at version 2, not 1; read again" in said
    assert "changed: version 3" in said
    assert program.sandbox.checks("sandkasse-epj")["sync-conflict"].state == "passed"
    with sqlite3.connect(program.folder / "one.db") as copy:
        ((body,),) = copy.execute("SELECT body FROM record").fetchall()
    copy.close()
    assert [note["text"] for note in json.loads(body)["note"]][1:] == ["Spurt igjen", "Bekreftet"]


def test_a_reserved_patient_is_forgotten(program: Program) -> None:
    assert re.search(r"Patient 098959\*+\n  nothing has changed, nothing was read\n$", program.said("one.db", P05))
    program.said("one.db", P01)
    program.sandbox.settings.reserve("P01", service="KJ")
    assert "not in kjernejournal: 1 removed" in program.said("one.db", P01)
    assert "version" not in program.said("one.db", P01)


def test_a_restricted_patient_is_not_read(program: Program) -> None:
    done = program.run("one.db", P17)
    assert done.returncode == 1
    assert re.match(r"Not granted. GET \S+/AllergyIntolerance: 403 KI-9015 ", done.stderr)
    assert "1 replaced" in program.said("one.db", P17, "--basis", "FORHOYET_AKUTT")


def test_the_client_checks_have_nothing_to_say_against_it(program: Program) -> None:
    program.said("one.db", P01, P16)
    program.said("one.db", P01, "--note", "Bekreftet")
    program.said("one.db", P01)
    states = {result.id: result.state for result in program.sandbox.checks("sandkasse-epj").results}
    failed = {name for name, state in states.items() if state == "failed"}
    assert failed <= {"token-reuse"}  # a program that is run three times logs in three times
    assert states["sync-status"] == states["sync-changed"] == "passed"
