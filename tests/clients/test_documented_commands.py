"""What README.md and docs/ tell people to type and to call: every command line is taken, every route is there."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import pytest
import typer
from starlette.routing import Match

from clients.cli.main import app
from deployments.ingress.api import make_api
from deployments.operations import Operations
from pipeline.settings import Settings

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted(
    path for place in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "cluster/*.md", "docs/*.md")
    for path in ROOT.glob(place)
)  # fmt: skip
COMMAND: Final[Any] = typer.main.get_command(app)
OTHERS: Final = ("serve deploy", "serve run", "serve build")
"""Ray Serve's own."""
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


def fenced(text: str) -> Iterator[list[str]]:
    """The commands in a page's blocks of shell, in words: joined lines, without comments, each part of a pipe."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            for joint, part in itertools.groupby(words, lambda word: word in ("|", "&&", ";")):
                if not joint:
                    yield list(part)


def inline(text: str) -> Iterator[str]:
    """What stands between backquotes on a line."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"`([^`\n]+)`", prose)


def lines(found: str) -> list[tuple[Path, list[str]]]:
    return [
        (page, words)
        for page in PAGES
        for words in fenced(page.read_text(encoding="utf-8"))
        if words and Path(words[0]).name == found
    ]


def taken(words: list[str]) -> None:
    """Raises what the parser says of a command line; nothing is run."""
    command, context = COMMAND, COMMAND.make_context("mouthpiece", list(words))
    while hasattr(command, "resolve_command"):
        name, command, words = command.resolve_command(context, words)
        context = command.make_context(name, list(words), parent=context)


def options(words: list[str]) -> None:
    """That there is such a command, with such options; what it works on may be left out."""
    command = COMMAND
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        assert words[0] in command.commands, words[0]
        command, words = command.commands[words[0]], words[1:]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("-") and word != "-"} <= known | {"--help"}


SHELL: Final = [(page.name, shlex.join(words[1:])) for page, words in lines("mouthpiece")]


@pytest.mark.parametrize(("page", "line"), SHELL)
def test_a_command_line_is_taken(page: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOUTHPIECE_SERVER", "")
    taken(shlex.split(line))


def test_a_command_line_that_is_wrong_is_not_taken() -> None:
    assert len(SHELL) > 8
    for wrong in (["render", "--sise", "1"], ["sing"], ["jobs", "lists"], ["voice", "create", "anna"]):
        with pytest.raises(typer.TyperException):
            taken(wrong)


def mentioned() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for said in inline(page.read_text(encoding="utf-8")):
            own = said.startswith("mouthpiece ")
            words = shlex.split(said.removeprefix("mouthpiece ").replace(" | ", "|"))
            if words and said not in OTHERS and (own or (len(words) > 1 and words[0] in COMMAND.commands)):
                for choice in itertools.product(*(word.split("|") for word in words)):
                    yield page.name, shlex.join(choice)


@pytest.mark.parametrize(("page", "line"), sorted(set(mentioned())))
def test_a_command_that_is_mentioned_is_there(page: str, line: str) -> None:
    options(shlex.split(line))


def test_the_pages_need_a_server_only_where_they_name_one() -> None:
    """Commands that only a server answers, in a block without an address, would fail as they stand."""
    for page in PAGES:
        named = False
        for words in fenced(page.read_text(encoding="utf-8")):
            named = named or (words[0] == "export" and words[1].startswith("MOUTHPIECE_SERVER=http"))
            if Path(words[0]).name != "mouthpiece":
                continue
            command: Any = COMMAND
            for word in words[1:]:
                command = getattr(command, "commands", {}).get(word, command)
            own = {name for parameter in command.params for name in parameter.opts}
            if "--server" in own and "--config" not in own:
                assert named or "--server" in words, (page.name, words)


def routes() -> set[tuple[str, str]]:
    """Method and path of whatever the pages call or name: `*` where no method is said."""
    found = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for said in inline(text):
            if told := re.fullmatch(r"(?:([A-Z]+) )?(/(?:api/)?v1/[^ ]*)", said):
                found.add((told[1] or "*", told[2].partition("?")[0]))
        for words in fenced(text):
            for word in words:
                if re.match(r"(http://)?(localhost|127\.0\.0\.1):8000/.", word):
                    method = "POST" if {"-F", "-d"} & set(words) else "GET"
                    found.add((method, urlsplit(word if "//" in word else f"http://{word}").path))
    return found


def test_the_routes_are_there(settings: Settings) -> None:
    api = make_api(cast("Operations", None), settings)
    asked = routes()
    assert ("POST", "/api/v1/videos/stream") in asked
    assert not matches(api, "POST", "/api/v1/transcriptions")
    assert not matches(api, "*", "/api/v1/transcriptions")
    assert sorted(each for each in asked if not matches(api, *each)) == []


def matches(api: Any, method: str, path: str) -> bool:
    path = path.replace("{n}", "1").replace("{id}", "vid_1")
    if method == "WS":
        scopes = [{"type": "websocket", "path": path}]
    else:
        scopes = [{"type": "http", "method": one, "path": path} for one in (METHODS if method == "*" else (method,))]
    return any(route.matches(scope)[0] == Match.FULL for route in api.routes for scope in scopes)
