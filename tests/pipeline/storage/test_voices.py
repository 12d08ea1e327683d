import json
import subprocess
import sys

import numpy as np
import pytest

from pipeline.contracts import VoiceTint
from pipeline.errors import Conflict, InvalidRequest, MouthpieceError, NotFound
from pipeline.ids import is_id, new_id
from pipeline.storage.voices import VoiceStore

RATE = 16000
CLIP = np.sin(np.arange(4 * RATE, dtype=np.float32) / 20) * np.float32(0.5)
TINT = VoiceTint(123.25, 0.125, 4.5, np.linspace(-20, 20, 513, dtype=np.float32))


@pytest.fixture
def store(tmp_path):
    return VoiceStore(tmp_path / "voices")


def make(store, name):
    return store.create(name, CLIP, RATE, TINT, ("espeak", "flite"))


def test_a_voice_comes_back_as_it_was_kept(store, tmp_path):
    made = make(store, "  Ada   Lovelace ")
    assert made.name == "Ada Lovelace"
    assert is_id("voi", made.id)
    assert made.clip_seconds == 4
    assert made.fidelity == "tint"
    again = VoiceStore(tmp_path / "voices")
    assert again.get(made.id) == again.get("ada lovelace") == made
    assert list(again.list()) == [made]
    tint = again.tint("Ada Lovelace")
    assert (tint.pitch_hz, tint.pitch_spread, tint.syllables_per_second) == (123.25, 0.125, 4.5)
    np.testing.assert_array_equal(tint.envelope_db, TINT.envelope_db)
    clip, rate = again.clip(made.id)
    assert rate == RATE
    assert clip.dtype == np.float32
    np.testing.assert_allclose(clip, CLIP, atol=2e-7)


def test_names_are_one_persons(store):
    first = make(store, "Zoë")
    second = make(store, "Max")
    for taken in ("Zoë", "ZOË", "Zoe\u0308", " zoë "):
        with pytest.raises(Conflict) as caught:
            make(store, taken)
        assert caught.value.field == "name"
        with pytest.raises(Conflict):
            store.rename(second.id, taken)
    assert store.rename(first.id, "ZOË").name == "ZOË"
    assert store.rename("max", "../../Max/..").name == "../../Max/.."
    assert [card.name for card in store.list()] == ["ZOË", "../../Max/.."]


SOME_ID = "voi_01m7zrpaxvx3z2hvbb3x43aprz"


@pytest.mark.parametrize("name", ["", "   ", "a" * 101, "a\x00b", "a\u202eb", "\ud800", SOME_ID])
def test_names_that_nobody_could_read_are_refused(store, name):
    with pytest.raises(InvalidRequest) as caught:
        make(store, name)
    assert (caught.value.code, caught.value.field) == ("invalid_name", "name")
    assert not store.list()


def test_deleted_is_gone(store):
    made = make(store, "Ada")
    store.delete("Ada")
    for ask in (store.get, store.tint, store.clip, store.delete):
        for wanted in (made.id, "Ada"):
            with pytest.raises(NotFound):
                ask(wanted)
    assert make(store, "Ada").id != made.id


@pytest.mark.parametrize("wanted", ["../x", "voi_../../../../../../../../x", "", "voi_", "/etc/passwd", "x" * 5000])
def test_what_is_no_id_reaches_no_path(store, wanted):
    make(store, "Ada")
    for ask in (store.get, store.tint, store.clip, store.delete):
        with pytest.raises(NotFound) as caught:
            ask(wanted)
        assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("profile.json", b""),
        ("profile.json", b"{}"),
        ("profile.json", b"\xff\xfe"),
        ("profile.json", None),
        ("tint.npz", b"PK\x03\x04 no"),
        ("tint.npz", None),
        ("clip.flac", b"fLaC"),
        ("clip.flac", None),
    ],
)
def test_a_damaged_voice_is_an_error_and_spoils_no_other(store, tmp_path, file, content):
    sound, hurt = make(store, "Sound"), make(store, "Hurt")
    path = tmp_path / "voices" / hurt.id / file
    path.unlink() if content is None else path.write_bytes(content)
    ask = {"profile.json": store.get, "tint.npz": store.tint, "clip.flac": store.clip}[file]
    with pytest.raises(MouthpieceError) as caught:
        ask(hurt.id)
    assert caught.value.code == "damaged"
    assert sound in store.list()
    assert store.tint("Sound").pitch_hz == TINT.pitch_hz
    store.delete(hurt.id)
    assert list(store.list()) == [sound]


def test_a_profile_in_anothers_folder_is_damage(store, tmp_path):
    one, two = make(store, "One"), make(store, "Two")
    card = tmp_path / "voices" / one.id / "profile.json"
    card.write_text((tmp_path / "voices" / two.id / "profile.json").read_text())
    with pytest.raises(MouthpieceError) as caught:
        store.get(one.id)
    assert caught.value.code == "damaged"


def test_what_fails_half_way_leaves_nothing(store, tmp_path):
    unwritable = VoiceTint(123.0, 0.1, 4.0, np.array(["x"] * 513))  # found out after the clip is written
    with pytest.raises(ValueError, match="could not convert"):
        store.create("Broken", CLIP, RATE, unwritable, ())
    assert not store.list()
    assert [path.name for path in (tmp_path / "voices").iterdir()] == [".lock"]


def test_what_a_killed_process_left_is_swept_up(store, tmp_path):
    make(store, "One")
    (tmp_path / "voices" / f".new-{new_id('voi')}").mkdir()
    assert len(store.list()) == 1
    make(store, "Two")
    assert not list((tmp_path / "voices").glob(".new-*"))


_RACE = """
import json, sys
from pathlib import Path
import numpy as np
from pipeline.contracts import VoiceTint
from pipeline.errors import Conflict
from pipeline.storage.voices import VoiceStore
store = VoiceStore(Path(sys.argv[1]))
tint = VoiceTint(100.0, 0.1, 4.0, np.zeros(513, np.float32))
won = []
for number in range(8):
    try:
        store.create(f"voice {number}", np.zeros(800, np.float32), 8000, tint, ())
        won.append(number)
    except Conflict:
        pass
    assert all(card.name.startswith("voice") for card in store.list())
print(json.dumps(won))
"""


def test_processes_at_once_share_the_names_out(tmp_path):
    folder = tmp_path / "voices"
    racers = [
        subprocess.Popen([sys.executable, "-c", _RACE, str(folder)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    won = [number for racer in racers for number in json.loads(racer.communicate()[0])]
    assert sorted(won) == list(range(8))
    assert len(VoiceStore(folder).list()) == 8
