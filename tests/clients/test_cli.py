"""The command line in this process, against the real API and by itself: arguments, results, JSON, exit codes."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile
from PIL import Image

from pipeline.settings import Settings
from tests.clients.conftest import Ran

Command = Callable[..., Ran]

COMMANDS = [
    ("render",),
    ("clip",),
    ("upscale",),
    ("transcribe",),
    ("speak",),
    ("portrait",),
    *(("voice", name) for name in ("create", "list", "show", "preview", "rename", "delete")),
    *(("avatar", name) for name in ("create", "list", "show", "rename", "delete")),
    *(("videos", name) for name in ("list", "show", "download", "cancel", "delete")),
    *(("jobs", name) for name in ("list", "show", "watch", "cancel", "retry", "delete")),
    ("usage", "export"),
    ("status",),
    ("serve",),
]


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def picture_size(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


@pytest.fixture
def folder(tmp_path: Path, photo: bytes, clip: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with a photo, a clip, a script and things that are none of these."""
    (tmp_path / "me.png").write_bytes(photo)
    (tmp_path / "clip.wav").write_bytes(clip)
    (tmp_path / "script.txt").write_text("\ufeffHello from a file.\n", encoding="utf-8")
    (tmp_path / "latin.txt").write_bytes("Grüße".encode("latin-1"))
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    before = names(tmp_path)
    yield tmp_path
    left = [name for name in names(tmp_path) if name.startswith(".")]
    assert left == [], "half a file was left"
    assert set(before) <= set(names(tmp_path))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_an_example_and_every_command_has_json(mouthpiece: Command, command: tuple[str, ...]) -> None:
    ran = mouthpiece(*command, "--help")
    assert ran.code == 0
    assert f"mouthpiece {' '.join(command)}" in ran.out.split("Example")[1]
    assert "--json" in ran.out


def test_help_of_all(mouthpiece: Command) -> None:
    ran = mouthpiece("--help")
    assert ran.code == 0
    for name, *_ in COMMANDS:
        assert name in ran.out
    assert "130 interrupted" in ran.out
    assert mouthpiece("--version").out.startswith("mouthpiece 0.")


RENDER = ("render", "--text", "Hi.", "-o", "out.mp4")

REFUSED = [
    (("render", "-o", "out.mp4"), "missing_field", "--text"),
    (("render", "--text", "a", "--script", "script.txt", "-o", "out.mp4"), "two_sources", "--script"),
    (("render", "--script", "script.txt", "--audio", "clip.wav", "-o", "out.mp4"), "two_sources", "--audio"),
    ((*RENDER, "--portrait", "me.png", "--prompt", "man"), "two_sources", "--prompt"),
    ((*RENDER, "--prompt", "man", "--avatar", "eve"), "two_sources", "--avatar"),
    ((*RENDER, "--portrait", "missing.png"), "unreadable_file", "--portrait"),
    ((*RENDER, "--portrait", "sub"), "unreadable_file", "--portrait"),
    (("render", "--script", "missing.txt", "-o", "out.mp4"), "unreadable_file", "--script"),
    (("render", "--script", "latin.txt", "-o", "out.mp4"), "invalid_request", "--script"),
    (("render", "--audio", "missing.wav", "-o", "out.mp4"), "unreadable_file", "--audio"),
    ((*RENDER, "--voice", "missing.wav"), "unreadable_file", "--voice"),
    ((*RENDER, "--voice", "sub/anna"), "unreadable_file", "--voice"),
    (("render", "--text", "Hi.", "-o", "out.avi"), "unknown_extension", "--output"),
    (("render", "--text", "Hi.", "-o", "out"), "unknown_extension", "--output"),
    (("render", "--text", "Hi.", "-o", "sub/none/out.mp4"), "unwritable_output", "output"),
    (("render", "--text", "Hi.", "-o", "dir.mp4"), "unwritable_output", "output"),
    (("render", "--text", "Hi.", "-o", "/proc/out.mp4"), "unwritable_output", "output"),
    (("render", "--text", "Hi."), "missing_field", "--output"),
    ((*RENDER, "--size", "big"), "usage", None),
    ((*RENDER, "--sise", "512"), "usage", None),
    ((*RENDER, "--size", "513"), "invalid_request", "size"),
    ((*RENDER, "--size", "10000"), "invalid_request", "size"),
    ((*RENDER, "--fps", "0"), "invalid_request", "fps"),
    ((*RENDER, "--fps", "nan"), "invalid_request", "fps"),
    ((*RENDER, "--seed", "-1"), "invalid_request", "seed"),
    ((*RENDER, "--speed", "9"), "invalid_request", "speed"),
    ((*RENDER, "--pitch", "-13"), "invalid_request", "pitch"),
    ((*RENDER, "--language", "!"), "invalid_request", "language"),
    ((*RENDER, "--backend", "voices=espeak"), "unknown_name", "--backend"),
    ((*RENDER, "--backend", "espeak"), "unknown_name", "--backend"),
    ((*RENDER, "--backend", "voice="), "invalid_request", "--backend"),
    ((*RENDER, "--backend", "voice=espeak", "--backend", "voice=flite"), "given_twice", "--backend"),
    ((*RENDER, "--server", "http://127.0.0.1:9", "--set", "video.crf=9"), "two_sources", "--set"),
    ((*RENDER, "--server", "nonsense"), "invalid_url", "server"),
    (("render", "--text", "", "-o", "out.mp4"), "invalid_request", "text"),
    ((*RENDER, "--subtitles", "out.ass"), "unknown_extension", "--subtitles"),
    (("render", "--audio", "clip.wav", "--transcript", "none.txt", "-o", "out.mp4"), "unreadable_file", "--transcript"),
    (("transcribe", "missing.wav"), "unreadable_file", "AUDIO"),
    (("transcribe", "clip.wav", "-o", "out.doc"), "unknown_extension", "--output"),
    (("transcribe", "clip.wav", "--text", "a", "--script", "script.txt"), "two_sources", "--script"),
    (("transcribe", "clip.wav", "--backend", "voice=espeak"), "unknown_name", "--backend"),
    (("speak", "--text", "Hi.", "-o", "out.mp4"), "unknown_extension", "--output"),
    (("speak", "--text", "Hi.", "-o", "out.wav", "--backend", "face=mediapipe"), "unknown_name", "--backend"),
    (("portrait", "--prompt", "man", "-o", "out.jpg"), "unknown_extension", "--output"),
    (("portrait", "-o", "out.png", "--lora", "warm=much"), "invalid_request", "--lora"),
    (("portrait", "-o", "out.png", "--lora", "warm", "--lora", "warm=1"), "given_twice", "--lora"),
    (("portrait", "-o", "out.png", "--lora", "warm=3"), "invalid_request", "loras.warm"),
    (("portrait", "-o", "out.png", "--image", "missing.png"), "unreadable_file", "--image"),
    ((*RENDER, "--steps", "0"), "invalid_request", "steps"),
    (("voice", "create", "anna", "missing.wav"), "unreadable_file", "CLIP"),
    (("voice", "create", "anna"), "usage", None),
    (("avatar", "create", "eve"), "missing_field", "IMAGE"),
    (("avatar", "create", "eve", "me.png", "--prompt", "man"), "two_sources", "--prompt"),
    (("videos", "list"), "missing_field", "--server"),
    (("videos", "list", "--limit", "0", "--server", "http://127.0.0.1:9"), "usage", None),
    (("sing", "--text", "la"), "usage", None),
    (("voice", "sing"), "usage", None),
]


@pytest.mark.parametrize(("arguments", "code", "field"), REFUSED)
def test_what_is_refused_before_any_work(
    mouthpiece: Command, folder: Path, arguments: tuple[str, ...], code: str, field: str | None
) -> None:
    (folder / "dir.mp4").mkdir()
    before = names(folder)
    ran = mouthpiece(*arguments, "--json")
    assert (ran.code, ran.out) == (2, "")
    assert (ran.error["code"], ran.error.get("field")) == (code, field)
    people = mouthpiece(*arguments)
    assert (people.code, people.out) == (2, "")
    assert people.err.startswith("Error: ")
    assert "Traceback" not in people.err
    assert names(folder) == before


def test_nobody_at_the_address(mouthpiece: Command, folder: Path) -> None:
    ran = mouthpiece(*RENDER, "--portrait", "me.png", "--server", "http://127.0.0.1:9", "--json")
    assert ran.code == 1
    assert ran.error["code"] == "no_server"
    assert not (folder / "out.mp4").exists()
    assert mouthpiece("status", "--server", "http://127.0.0.1:9").code == 1


def test_a_wrong_setting_names_itself(mouthpiece: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = mouthpiece(*RENDER, "--set", "video.cfr=18", "--json")
    assert ran.code == 2
    assert (ran.error["code"], ran.error["field"]) == ("unknown_setting", "video.cfr")
    for setting, field in (("options.esspeak.x=1", "options.esspeak"), ("options.espeak.x=1", "options.espeak.x")):
        ran = mouthpiece(*RENDER, "--set", setting, "--json")
        assert (ran.code, ran.error["field"]) == (2, field)
    (folder / "bad.yaml").write_text("video:\n  size: big\n")
    ran = mouthpiece("status", "--config", "bad.yaml", "--json")
    assert "bad.yaml:2" in ran.error["message"]
    monkeypatch.setenv("MOUTHPIECE_VIDEO__SIZ", "3")
    assert mouthpiece("status", "--json").error["field"] == "MOUTHPIECE_VIDEO__SIZ"


def test_a_server_that_cannot_start_says_why(mouthpiece: Command, folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ran = mouthpiece("serve", "--port", port, "--no-dashboard", "--json")
    assert (ran.code, ran.out) == (1, "")
    assert (ran.error["code"], ran.error["field"]) == ("port_taken", "server.port")
    twice = mouthpiece("serve", "--port", "9000", "--set", "server.port=9001", "--json")
    assert (twice.code, twice.error["code"]) == (2, "duplicate_setting")
    nobody = mouthpiece("serve", "--set", "voice.backends=nobody", "--json")
    assert (nobody.code, nobody.error["code"], nobody.error["field"]) == (2, "unknown_name", "voice.backends")


def test_status_of_this_machine(mouthpiece: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "serve_config.yaml").write_text("video:\n  crf: 19\n")
    (folder / "other.yaml").write_text("profile: small\nvideo:\n  crf: 21\n")
    monkeypatch.setenv("MOUTHPIECE_VIDEO__FPS", "30")
    found = mouthpiece("status", "--verbose", "--json", "--set", "video.size=256").json
    assert found["server"] is None
    assert found["profile"] in ("cpu", "small", "standard", "high")
    settings = found["settings"]
    assert settings["video.crf"] == {"value": 19, "origin": "serve_config.yaml:2"}
    assert settings["video.fps"] == {"value": 30.0, "origin": "MOUTHPIECE_VIDEO__FPS"}
    assert settings["video.size"] == {"value": 256, "origin": "--set video.size"}
    monkeypatch.setenv("MOUTHPIECE_CONFIG", "other.yaml")
    found = mouthpiece("status", "--verbose", "--json").json
    assert found["profile"] == "small"
    assert found["settings"]["video.crf"]["value"] == 21
    assert "settings" not in mouthpiece("status", "--json").json
    people = mouthpiece("status", "--verbose")
    assert "video.crf\t21\tother.yaml:3" in people.out
    missing = mouthpiece("status", "--config", "missing.yaml")
    assert missing.code == 0
    assert missing.err.startswith("Warning: ")


def test_nothing_heavy_is_imported_for_help_version_and_status() -> None:
    heavy = "{'ray', 'cv2', 'mediapipe', 'scipy', 'av', 'httpx', 'fastapi'}"
    for argument, also in (("--help", "{'numpy'}"), ("--version", "{'numpy', 'pydantic'}"), ("status", "set()")):
        program = (
            f"import sys; from clients.cli.main import run; code = run([{argument!r}]); "
            f"print(sorted(set(sys.modules) & ({heavy} | {also})), code, file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stderr.splitlines()[-1] == "[] 0"


# With a server


def test_a_video_from_a_server(mouthpiece: Command, folder: Path, url: str) -> None:
    shape = ("--portrait", "me.png", "--size", "128", "--fps", "10", "--no-head-motion", "--server", url)
    ran = mouthpiece("render", "--script", "script.txt", *shape, "-o", "out.webm", "--json")
    assert (ran.code, ran.err) == (0, "")
    job = ran.json["video"]
    assert ran.json["output"] == "out.webm"
    assert job["result"]["format"] == "webm"
    assert job["result"]["size"] == 128
    assert (folder / "out.webm").stat().st_size == job["result"]["bytes"]

    listed = mouthpiece("videos", "list", "--limit", "1", "--server", url, "--json").json["data"]
    assert listed == [job]
    assert mouthpiece("videos", "show", job["id"], "--server", url, "--json").json == job
    fetched = mouthpiece("videos", "download", job["id"], "-o", "again.webm", "--server", url)
    assert fetched.code == 0
    assert (folder / "again.webm").read_bytes() == (folder / "out.webm").read_bytes()
    wrong = mouthpiece("videos", "download", job["id"], "-o", "again.mp4", "--server", url, "--json")
    assert wrong.error["code"] == "unknown_extension"
    assert mouthpiece("videos", "cancel", job["id"], "--server", url, "--json").error["code"] == "already_ended"
    assert mouthpiece("videos", "delete", job["id"], "--server", url, "--json").json == {"deleted": job["id"]}
    assert mouthpiece("videos", "show", job["id"], "--server", url, "--json").error["code"] == "not_found"


def test_a_recording_is_written_down(mouthpiece: Command, folder: Path, clip: bytes, url: str) -> None:
    (folder / "said.wav").write_bytes(clip)
    text = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background. It is easy to tell."
    (folder / "said.txt").write_text(text, encoding="utf-8")
    command = ("transcribe", "said.wav", "--script", "said.txt", "--server", url)
    printed = mouthpiece(*command)
    assert (printed.code, printed.out.strip()) == (0, text)
    words = mouthpiece(*command, "--json").json["words"]
    assert (words[0]["text"], len(words)) == ("The", 21)
    for name, begins in (
        ("said.srt", "1\n00:00:0"),
        ("said.vtt", "WEBVTT\n"),
        ("out.json", '{"text":'),
        ("o.txt", "The"),
    ):
        assert mouthpiece(*command, "-o", name).code == 0
        assert (folder / name).read_text().startswith(begins)
    alone = mouthpiece("transcribe", "said.wav", "--server", url, "--json")
    assert (alone.code, alone.error["code"]) == (2, "text_needed")
    small = ("--prompt", "a man", "--size", "128", "--fps", "10", "--server", url, "--json")
    made = mouthpiece("render", "--text", "One. Two.", "-o", "v.mp4", "--subtitles", "v.vtt", *small)
    assert (made.code, made.json["subtitles"]) == (0, "v.vtt")
    assert (folder / "v.vtt").read_text().splitlines()[3] == "One. Two."


def test_a_clip_from_a_server(mouthpiece: Command, folder: Path, url: str) -> None:
    small = ("clip", "--seconds", "0.4", "--width", "160", "--height", "128", "--server", url)
    ran = mouthpiece(*small, "--picture", "me.png", "--camera", "pan_left", "-o", "clip.mp4", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.json["video"]["result"]["bytes"] == (folder / "clip.mp4").stat().st_size
    refused = mouthpiece(*small, "--prompt", "a man", "--camera", "spin", "-o", "no.mp4", "--json")
    assert (refused.code, refused.error["field"]) == (2, "camera")
    for name, option in (("large.png", "me.png"), ("large.mp4", "clip.mp4")):
        enlarged = mouthpiece("upscale", option, "--factor", "1.5", "-o", name, "--server", url, "--json")
        assert (enlarged.code, enlarged.err) == (0, "")
        assert (folder / name).stat().st_size > 0
    left = mouthpiece(*small, "--prompt", "a man", "--detach", "--json")
    assert left.json["video"]["id"].startswith("vid_")


def test_what_a_person_sees(mouthpiece: Command, folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOUTHPIECE_SERVER", url)
    ran = mouthpiece(
        "render", "--audio", "clip.wav", "--prompt", "old man", "--size", "128", "--fps", "10", "-o", "out.gif"
    )
    assert ran.code == 0
    assert "animating" in ran.err
    assert "/" in ran.err.splitlines()[-1]
    assert ran.out.startswith("out.gif: ")
    assert "lipsync meshwarp" in ran.out
    assert "total " in ran.out
    assert picture_size(folder / "out.gif") == (128, 128)
    status = mouthpiece("status", "--verbose")
    assert "voice-espeak\tHEALTHY\t1 running" in status.out
    assert "video.size\t512" in status.out
    refused = mouthpiece(*RENDER, "--voice", "nobody")
    assert refused.code == 2
    assert refused.err.startswith("Error: voice: ")
    assert "Accepted: " in refused.err
    assert not (folder / "out.mp4").exists()


def test_voices_of_a_server(mouthpiece: Command, folder: Path, url: str) -> None:
    at = ("--server", url, "--json")
    kept = mouthpiece("voice", "create", "Anna", "clip.wav", *at).json
    try:
        assert mouthpiece("voice", "show", "Anna", *at).json == kept
        assert kept in mouthpiece("voice", "list", *at).json["profiles"]
        assert "Anna" in mouthpiece("voice", "list", "--server", url).out
        preview = mouthpiece("voice", "preview", "Anna", "--text", "Hello.", "-o", "anna.flac", *at)
        assert preview.json["bytes"] == (folder / "anna.flac").stat().st_size
        assert soundfile.info(folder / "anna.flac").format == "FLAC"
        assert mouthpiece("voice", "rename", "Anna", "Bea", *at).json["name"] == "Bea"
        spoken = mouthpiece("speak", "--text", "Hello.", "--voice", "Bea", "-o", "bea.wav", *at)
        assert spoken.code == 0
        clipped = mouthpiece("speak", "--text", "Hello.", "--voice", "clip.wav", "-o", "clipped.wav", *at)
        assert clipped.code == 0
        assert (folder / "clipped.wav").read_bytes() == (folder / "bea.wav").read_bytes()
    finally:
        assert mouthpiece("voice", "delete", kept["id"], *at).code == 0
    assert mouthpiece("voice", "show", "Bea", *at).error["code"] == "not_found"


def test_avatars_of_a_server(mouthpiece: Command, folder: Path, url: str) -> None:
    at = ("--server", url, "--json")
    kept = mouthpiece("avatar", "create", "Me", "me.png", *at).json
    try:
        assert mouthpiece("avatar", "show", "Me", *at).json == kept
        assert kept in mouthpiece("avatar", "list", *at).json["data"]
        assert mouthpiece("avatar", "show", "Me", "-o", "me2.png", "--server", url).code == 0
        assert picture_size(folder / "me2.png") == (kept["width"], kept["height"])
        assert mouthpiece("avatar", "rename", "Me", "You", *at).json["name"] == "You"
    finally:
        assert mouthpiece("avatar", "delete", kept["id"], "--server", url).out == f"{kept['id']} is deleted.\n"


# Without one


def test_by_itself(mouthpiece: Command, folder: Path, settings: Settings) -> None:
    here = ("--set", f"storage.folder={settings.storage.folder}", "--json")
    drawn = mouthpiece("portrait", "--prompt", "woman", "--size", "256", "--seed", "3", "-o", "eve.png", *here)
    assert (drawn.code, drawn.err) == (0, "")
    assert picture_size(folder / "eve.png") == (256, 256)
    spoken = mouthpiece("speak", "--script", "script.txt", "-o", "hello.mp3", *here)
    assert (spoken.code, spoken.err) == (0, "")
    assert soundfile.info(folder / "hello.mp3").duration > 0.5
    made = mouthpiece(
        "render", "--text", "Hi.", "--portrait", "eve.png", "--size", "128", "--fps", "10", "-o", "hi.mp4", *here
    )
    assert (made.code, made.err) == (0, "")
    assert (folder / "hi.mp4").stat().st_size == made.json["video"]["result"]["bytes"]
    refused = mouthpiece("speak", "--text", "!!!", "-o", "no.wav", *here)
    assert (refused.code, refused.out) == (2, "")
    assert refused.error["kind"] == "invalid_text"
    assert not (folder / "no.wav").exists()


def test_what_was_made_is_the_same_with_and_without_a_server(
    mouthpiece: Command, folder: Path, settings: Settings, url: str
) -> None:
    request = ("render", "--text", "Same.", "--portrait", "me.png", "--size", "128", "--fps", "10", "--seed", "5")
    mouthpiece(*request, "-o", "there.mp4", "--server", url)
    mouthpiece(*request, "-o", "here.mp4", "--set", f"storage.folder={settings.storage.folder}")
    assert (folder / "there.mp4").read_bytes() == (folder / "here.mp4").read_bytes()


def test_unreadable_script_on_stdin(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "clients.cli.main", "render", "--script", "-", "-o", "out.mp4", "--json"],
        input=b"\xff\xfe\x00",
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert json.loads(done.stderr)["error"]["field"] == "--script"


def test_the_command_is_installed() -> None:
    assert shutil.which("mouthpiece", path=str(Path(sys.executable).parent)) is not None
