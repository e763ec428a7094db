"""The scan for real numbers; the ordinary ones it must find are computed here and stand in no file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tools import find_real_numbers as tool

_P01 = "14838449698"


def _number(day: int, month: int, *, start: int = 0) -> str:
    """The first number of that day whose control digits hold, made when the test runs."""
    for serial in range(start, 1000):
        for control in range(100):
            number = f"{day:02}{month:02}50{serial:03}{control:02}"
            if tool._control_digits_hold(number):
                return number
    raise AssertionError("no number holds")


@pytest.mark.parametrize("day", [14, 54], ids=["fødselsnummer", "D-number"])
def test_an_ordinary_number_is_found_and_masked(day: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    number = _number(day, 3)
    file = tmp_path / "notes.txt"
    file.write_text(f"first\npatient {number[:6]} {number[6:]}\n")

    assert tool.main([str(file)]) == 1

    printed = capsys.readouterr().out
    assert "notes.txt:2:" in printed
    assert number not in printed


@pytest.mark.parametrize(
    "text",
    [_P01, "12345678901", "00000000000", "315501008", _number(14, 3) + "7", "a-" + _number(14, 3) + "-b"],
    ids=["synthetic", "control", "zeroes", "orgnr", "longer", "inside-a-uuid"],
)
def test_what_is_no_ordinary_number_passes(text: str, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text(text)
    assert tool.main([str(file)]) == 0


def test_the_2032_rule_counts_too() -> None:
    number = next(n for serial in range(1000) if (n := _with_first_remainder(serial)) is not None)
    assert tool.could_be_real(number)


def test_the_allow_list_names_hashes(tmp_path: Path) -> None:
    number = _number(14, 3)
    allow = tmp_path / "allow"
    allow.write_text(f"# vectors\n{hashlib.sha256(number.encode()).hexdigest()}  # published in a manual\n")
    file = tmp_path / "notes.txt"
    file.write_text(number)
    assert list(tool.scan(file)) == [(1, number)]
    assert list(tool.scan(file, tool.allow_list(allow))) == []
    assert tool.allow_list(tmp_path / "absent") == frozenset()


def test_a_binary_file_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(b"\x89PNG\xff" + _number(14, 3).encode())
    assert list(tool.scan(file)) == []


def test_this_repository_holds_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    assert tool.main([]) == 0


def _with_first_remainder(serial: int) -> str | None:
    for control in range(100):
        number = f"140350{serial:03}{control:02}"
        digits = [int(character) for character in number]
        first = sum(w * d for w, d in zip(tool._FIRST, digits, strict=False)) % 11
        second = sum(w * d for w, d in zip(tool._SECOND, digits, strict=True)) % 11
        if first in (1, 2, 3) and second == 0:
            return number
    return None
