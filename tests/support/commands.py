"""Command lines of the documentation, held against the command line there is."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any, Final

import typer.main

from app.cli import app, one_argument
from tools.pages import command_line

_CALL: Final = re.compile(r"(?:^|(?<=[\s`(|]))(?:\.venv/bin/)?sandkasse(?= [a-z-])")
_ENDS: Final = frozenset({"|", "||", "&", "&&", ";", ">", ">>", "<", "2>", "(", ")"})
_KNOWN: Final = dict(command_line.commands(typer.main.get_command(app), "sandkasse"))


def calls(text: str) -> Iterator[str]:
    """Every call of ``sandkasse`` in the code of a Markdown page: at the start of a line or prompt, or inline."""
    for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if re.match(r"\s*(?:\$ )?(?:[A-Z_]+=\S* )*(?:\S+ \| )?(?:\.venv/bin/)?sandkasse [a-z-]", line):
                yield from _in_line(line)
    yield from re.findall(r"`(sandkasse [^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def fault_of(call: str) -> str | None:
    """What is wrong with a call: no such command, or no such option. None when it is sound."""
    words = _words(call)
    command, rest = _command(words)
    if command is None:
        return f"no command: {call}"
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    known |= {"--help"}
    for word in one_argument(["explain", *rest])[1:] if words[1] == "explain" else rest:
        option = word.partition("=")[0]
        if re.fullmatch(r"--?[a-zA-Z][\w-]*", option) and option not in known:
            return f"no option {option}: {call}"
    return None


def _in_line(line: str) -> Iterator[str]:
    for found in _CALL.finditer(line):
        yield line[found.start() :]


def _words(call: str) -> list[str]:
    lexer = shlex.shlex(call.replace("…", ""), posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if word in _ENDS:
            break
        words.append(word)
    return words


def _command(words: list[str]) -> tuple[Any, list[str]]:
    if words[1:] and words[1] == "--version":
        return typer.main.get_command(app), words[1:]
    for length in (3, 2):
        name = " ".join(["sandkasse", *words[1:length]])
        if name in _KNOWN and len(words) >= length:
            return _KNOWN[name], words[length:]
    return None, []
