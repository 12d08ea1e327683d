"""The table of backends, and backends of other packages found by entry point."""

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from deployments.backends import registry
from deployments.backends.registry import BACKENDS, CAPABILITIES
from pipeline.cascade import resolve
from pipeline.contracts import SpeechRequest
from pipeline.errors import SettingsError, UnknownName
from pipeline.media.audio import PCM_RATE
from pipeline.models import VoiceModel

ROOT = Path(registry.__file__).parents[2]
VOICES = ", ".join(sorted(row.name for row in BACKENDS if row.capability == "voice"))

ACME = '''
"""A voice that hums: a package that knows nothing of Mouthpiece but its contracts."""
import numpy as np

from deployments.backends.registry import Backend
from pipeline.contracts import Speech, VoiceTint


class Hum:
    def __init__(self, *, pitch_hz: float = 110.0) -> None:
        self.pitch_hz = pitch_hz

    def voices(self):
        return {"hum": ("en",)}

    def speak(self, request):
        times = np.arange(16000 * len(request.text) // 10) / 16000
        yield Speech(np.sin(2 * np.pi * self.pitch_hz * times).astype(np.float32), 16000, None, "en")

    def tint(self, samples, sample_rate):
        return VoiceTint(self.pitch_hz, 0.0, 0.0, np.zeros(513, np.float32))


HUM = Backend("voice", "hum", "acme_hum:Hum", description="It hums", licence="MIT", commercial_use=True, install="none")
'''


class Site:
    """A folder of installed packages, as pip leaves them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "acme_hum.py").write_text(textwrap.dedent(ACME))
        # A package that breaks when it is imported must not be in anyone's way until it is asked for.
        (folder / "acme_bad.py").write_text("raise RuntimeError('imported')\n")

    def install(self, package: str, **entries: str) -> None:
        info = self.folder / f"{package.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name.replace('__', '.')} = {target}" for name, target in entries.items()]
        (info / "entry_points.txt").write_text("\n".join(["[mouthpiece.backends]", *lines, ""]))


@pytest.fixture
def site(tmp_path, monkeypatch):
    site = Site(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield site
    for name in ("acme_hum", "acme_bad"):
        sys.modules.pop(name, None)


def test_names_are_unique_and_each_capability_has_one():
    names = [backend.name for backend in BACKENDS]
    assert len(set(names)) == len(names)
    assert {backend.capability for backend in BACKENDS} == set(CAPABILITIES)


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.deployment)
def test_each_row_points_to_a_class_of_its_protocol_and_says_what_it_is(backend):
    registry.check(replace(backend, program=""), {})
    assert backend.description
    assert backend.licence != "unknown"
    assert registry.find(backend.capability, backend.name) is backend
    assert registry.options(backend) is not None


def test_a_missing_program_says_what_to_install(tmp_path, monkeypatch):
    flite = registry.find("voice", "flite")
    monkeypatch.setenv("PATH", str(tmp_path))
    for options in ({}, {"program": "other-flite"}):
        with pytest.raises(SettingsError) as caught:
            registry.check(flite, options)
        assert (caught.value.code, caught.value.accepted) == ("missing_dependency", "apt-get install flite")
    program = tmp_path / "other-flite"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    registry.check(flite, {"program": "other-flite"})
    registry.check(flite, {"program": str(program)})


def test_the_default_settings_name_backends_that_are_there():
    enabled = registry.enabled(resolve({}, {}))
    assert [[backend.deployment for backend in enabled[capability]] for capability in CAPABILITIES] == [
        ["voice-espeak"],
        ["avatar-procedural"],
        ["face-mediapipe"],
        ["lipsync-meshwarp"],
        ["motion-kenburns"],
        ["upscale-lanczos"],
        ["transcribe-align"],
    ]


def test_an_unknown_name_lists_the_capabilitys_own():
    with pytest.raises(UnknownName) as caught:
        registry.find("voice", "meshwarp")
    assert (caught.value.field, caught.value.accepted) == ("voice.backends", VOICES)


@pytest.mark.parametrize(
    ("args", "field", "accepted"),
    [
        ({"voice": {"backends": ["espeak", "acme"]}}, "voice.backends", VOICES),
        ({"face": {"backends": ["espeak"]}}, "face.backends", "mediapipe"),
        ({"options": {"nobody": {}}}, "options.nobody", ", ".join(sorted(backend.name for backend in BACKENDS))),
        ({"options": {"espeak": {"no_such": 1}}}, "options.espeak.no_such", None),
    ],
)
def test_settings_that_name_what_is_not_there(args, field, accepted):
    with pytest.raises(SettingsError) as caught:
        registry.enabled(resolve(args, {}))
    assert caught.value.field == field
    if accepted is not None:
        assert caught.value.accepted == accepted


@pytest.mark.parametrize("target", ["acme_hum:Hum", "acme_hum:HUM"], ids=["class", "descriptor"])
def test_a_backend_of_another_package_is_found_enabled_and_speaks(site, target):
    site.install("acme-hum", voice__hum=target)
    settings = resolve({"voice": {"backends": ["hum", "espeak"]}, "options": {"hum": {"pitch_hz": 220}}}, {})
    backend = registry.enabled(settings)["voice"][0]
    assert (backend.deployment, backend.provider, backend.target) == ("voice-hum", "acme-hum", "acme_hum:Hum")
    assert backend.licence == ("MIT" if target.endswith("HUM") else "unknown")
    model = registry.load(backend, settings.options["hum"])
    assert isinstance(model, VoiceModel)
    [speech] = model.speak(SpeechRequest("ten letters"))
    assert speech.seconds == pytest.approx(1.1)
    assert model.pitch_hz == 220.0


def test_it_is_found_in_a_process_of_its_own(site):
    site.install("acme-hum", voice__hum="acme_hum:Hum")
    code = """
        import json, sys
        from deployments.backends import registry
        before = sorted(name for name in sys.modules if name.startswith(("acme", "deployments.backends.voice.")))
        espeak = registry.find("voice", "espeak").name
        between = "acme_hum" in sys.modules
        model = registry.load(registry.find("voice", "hum"), {"pitch_hz": 90})
        print(json.dumps([before, espeak, between, model.pitch_hz]))
    """
    path = os.pathsep.join([str(site.folder), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [[], "espeak", False, 90.0]


def test_the_application_speaks_with_it_by_configuration_alone(site, tmp_path):
    site.install("acme-hum", voice__hum="acme_hum:Hum")
    code = f"""
        import asyncio, sys
        from deployments.local import LocalApplication
        from pipeline.cascade import resolve
        from pipeline.contracts import SpeakRequest
        from pipeline.settings_file import load_file

        async def spoken(backend):
            request = SpeakRequest(text="ten letters", format="pcm", backend=backend)
            return b"".join([part async for part in application.operations.speak(request)])

        application = LocalApplication(resolve(load_file({str(tmp_path / "hum.yaml")!r}), {{}}))
        sys.stdout.buffer.write(asyncio.run(spoken(None)))
        application.close()
    """
    settings = {
        "voice": {"backends": ["hum"]},
        "options": {"hum": {"pitch_hz": 200}},
        "storage": {"folder": str(tmp_path / "storage")},
    }
    (tmp_path / "hum.yaml").write_text(yaml.safe_dump(settings))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site.folder), str(ROOT)])},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    samples = np.frombuffer(done.stdout, "<i2").astype(float)
    assert len(samples) > 0
    frequencies = np.fft.rfftfreq(len(samples), 1 / PCM_RATE)
    assert frequencies[np.argmax(np.abs(np.fft.rfft(samples)))] == pytest.approx(200, abs=2)


def test_an_unknown_name_lists_those_of_other_packages_without_importing_them(site):
    site.install("acme-bad", voice__bad="acme_bad:Voice")
    with pytest.raises(UnknownName) as caught:
        registry.find("voice", "nobody")
    assert caught.value.accepted == f"bad, {VOICES}"
    assert registry.find("voice", "espeak").provider == "mouthpiece"


def test_a_package_that_breaks_on_import_is_the_one_that_is_named(site):
    site.install("acme-bad", voice__bad="acme_bad:Voice")
    with pytest.raises(SettingsError) as caught:
        registry.find("voice", "bad")
    assert caught.value.code == "invalid_backend"
    assert "The voice backend bad can't be used" in caught.value.message
    assert "RuntimeError: imported" in caught.value.message


@pytest.mark.parametrize(
    ("entries", "providers"),
    [
        ([("acme-hum", {"voice__espeak": "acme_hum:Hum"})], ("mouthpiece", "acme-hum")),
        ([("acme-hum", {"face__espeak": "acme_hum:Hum"})], ("mouthpiece", "acme-hum")),
        ([("acme-one", {"voice__hum": "acme_hum:Hum"}), ("acme-two", {"voice__hum": "x:Y"})], ("acme-one", "acme-two")),
    ],
)
def test_two_of_one_name_are_refused(site, entries, providers):
    for package, points in entries:
        site.install(package, **points)
    with pytest.raises(SettingsError) as caught:
        registry.table()
    assert caught.value.code == "duplicate_backend"
    assert all(provider in caught.value.message for provider in providers)


@pytest.mark.parametrize("name", ["hum", "sing__hum", "voice__", "voice__HUM", "voice__a__b"])
def test_an_entry_point_that_names_no_backend(site, name):
    site.install("acme-hum", **{name: "acme_hum:Hum"})
    with pytest.raises(SettingsError) as caught:
        registry.find("voice", "espeak")
    assert caught.value.code == "invalid_backend"
    assert "acme-hum" in caught.value.message


@pytest.mark.parametrize("name", ["voice__hmm", "avatar__hum"])
def test_a_descriptor_under_another_name(site, name):
    site.install("acme-hum", **{name: "acme_hum:HUM"})
    capability, _, own = name.partition("__")
    with pytest.raises(SettingsError) as caught:
        registry.find(capability, own)
    assert "points to the backend voice.hum" in caught.value.message


def test_a_package_that_claims_another_capability_than_its_class_has(site):
    site.install("acme-hum", lipsync__hum="acme_hum:Hum")
    with pytest.raises(SettingsError) as caught:
        registry.enabled(resolve({"lipsync": {"backends": ["hum"]}}, {}))
    assert "is no LipsyncModel: it has no animate" in caught.value.message
