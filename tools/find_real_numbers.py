"""Find national identity numbers that could belong to a real person: none may stand in this repository.

Looks in every text file git tracks, or would track, for 11 digits that pass both control digits (the 1964 or
the 2032 rule), carry a possible date, and lie in the ordinary or the D-number series: nothing added to the month.
Longer runs of digits and UUIDs are passed over. What is found is printed with the middle digits hidden.

``.synthetic-numbers-allow`` at the root may name, one a line, the SHA-256 of a published test vector that a
test must quote, with the reason after a ``#``.

usage: python -m tools.find_real_numbers [FILE ...]
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

ALLOW_FILE = ".synthetic-numbers-allow"

_CANDIDATE = re.compile(r"(?<![0-9A-Za-z.\-_/+])(\d{6})[ ]?(\d{5})(?![0-9A-Za-z\-_+])")
_FIRST = (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)
_SECOND = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)
_LONGEST_LINE = 20_000
_CENTURIES = (1800, 1900, 2000)


def main(arguments: Sequence[str]) -> int:
    allowed = allow_list(Path(ALLOW_FILE))
    found = 0
    for path in [Path(name) for name in arguments] or _repository_files():
        for row, number in scan(path, allowed):
            found += 1
            print(f"{path}:{row}: {masked(number)} could be a real person's number: use a synthetic one (month + 80)")
    return 1 if found else 0


def scan(path: Path, allowed: frozenset[str] = frozenset()) -> Iterator[tuple[int, str]]:
    """The ``(line, number)`` of each number in ``path`` that could be a person's. Binary files have none."""
    try:
        text = path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError):
        return
    for row, line in enumerate(text.splitlines(), 1):
        for match in _CANDIDATE.finditer(line[:_LONGEST_LINE]):
            number = match.group(1) + match.group(2)
            if could_be_real(number) and hashlib.sha256(number.encode()).hexdigest() not in allowed:
                yield row, number


def could_be_real(number: str) -> bool:
    """Whether 11 digits are a valid number of the ordinary or the D-number series."""
    return _has_date(number) and _control_digits_hold(number)


def masked(number: str) -> str:
    return f"{number[:4]}*****{number[9:]}"


def allow_list(path: Path) -> frozenset[str]:
    if not path.is_file():
        return frozenset()
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return frozenset(line for line in lines if line)


def _control_digits_hold(number: str) -> bool:
    digits = [int(character) for character in number]
    first = sum(weight * digit for weight, digit in zip(_FIRST, digits, strict=False)) % 11
    second = sum(weight * digit for weight, digit in zip(_SECOND, digits, strict=True)) % 11
    return first <= 3 and second == 0  # the 2032 rule lets the first check leave 1, 2 or 3


def _has_date(number: str) -> bool:
    day, month, year = int(number[:2]), int(number[2:4]), int(number[4:6])
    return any(_is_date(century + year, month, day - 40 if day > 40 else day) for century in _CENTURIES)


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _repository_files() -> list[Path]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, check=True).stdout
    return [Path(name.decode()) for name in listed.split(b"\0") if name]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
