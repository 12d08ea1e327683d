"""What commands say: of what is missing, of settings, of a server that they can't do without."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.clients.conftest import Ran

Command = Callable[..., Ran]

SERVER_ONLY = [
    *(("ps",), ("usage", "export")),
    *(("jobs", verb) for verb in ("list", "show", "watch", "cancel", "retry", "delete")),
    *(("videos", verb) for verb in ("list", "show", "download", "cancel", "delete")),
    *(("models", verb) for verb in ("load", "unload", "pin", "keep")),
]


@pytest.mark.parametrize("command", SERVER_ONLY, ids=" ".join)
def test_a_command_for_a_server_says_that_it_needs_one(mouthpiece: Command, command: tuple[str, ...]) -> None:
    told = mouthpiece(*command, "--help").out
    assert "this command needs one" in told
    assert "in this process" not in told


def test_models_on_cards_are_listed_by_the_server(mouthpiece: Command) -> None:
    assert "models list --server URL" in mouthpiece("models", "load", "--help").out


def test_a_clip_without_a_picture_has_nothing_to_show(mouthpiece: Command) -> None:
    ran = mouthpiece("clip", "-o", "a.mp4")
    assert ran.err.startswith("Error: --picture: There is nothing to make a film of. Accepted: one of --picture")


def test_a_setting_is_named_once(mouthpiece: Command) -> None:
    ran = mouthpiece("status", "--set", "video.crf=99")
    assert ran.err.strip() == "Error: --set video.crf must be less than or equal to 51, got 99."
    assert mouthpiece("status", "--set", "video.crf=99", "--json").error["field"] == "video.crf"
