import numpy as np
import pytest

from pipeline.contracts import Face
from pipeline.errors import Conflict, MouthpieceError, NotFound
from pipeline.ids import is_id
from pipeline.storage.avatars import AvatarStore

RNG = np.random.default_rng(7)
PICTURE = RNG.integers(0, 256, (96, 64, 3), dtype=np.uint8)
FACE = Face(
    landmarks=RNG.uniform(0, 64, (478, 3)).astype(np.float32),
    box=(3.5, 4.25, 60.0, 70.125),
    yaw=-3.5,
    pitch=2.25,
    roll=0.5,
    quality=0.875,
    crop=(0, 8, 64),
)


@pytest.fixture
def store(tmp_path):
    return AvatarStore(tmp_path / "avatars")


def test_an_avatar_comes_back_as_it_was_kept(store, tmp_path):
    made = store.create("Grace", PICTURE, FACE, "photo")
    assert is_id("ava", made.id)
    assert (made.width, made.height, made.yaw, made.quality, made.source) == (64, 96, -3.5, 0.875, "photo")
    again = AvatarStore(tmp_path / "avatars")
    assert again.get("grace") == made
    np.testing.assert_array_equal(again.picture(made.id), PICTURE)
    face = again.face("Grace")
    np.testing.assert_array_equal(face.landmarks, FACE.landmarks)
    assert (face.box, face.yaw, face.pitch, face.roll, face.quality, face.crop) == (
        FACE.box,
        FACE.yaw,
        FACE.pitch,
        FACE.roll,
        FACE.quality,
        FACE.crop,
    )


def test_names_and_ids_follow_the_shelfs_rules(store):
    made = store.create("Grace", PICTURE, FACE, "prompt")
    with pytest.raises(Conflict):
        store.create("GRACE", PICTURE, FACE, "photo")
    assert store.rename(made.id, "Hedy").name == "Hedy"
    with pytest.raises(NotFound) as caught:
        store.picture("Grace")
    assert caught.value.field == "avatar"
    store.delete("Hedy")
    assert not store.list()


@pytest.mark.parametrize(("file", "ask"), [("picture.png", "picture"), ("face.npz", "face")])
def test_damaged_files_are_said_to_be(store, tmp_path, file, ask):
    made = store.create("Grace", PICTURE, FACE, "photo")
    path = tmp_path / "avatars" / made.id / file
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(MouthpieceError) as caught:
        getattr(store, ask)(made.id)
    assert caught.value.code == "damaged"
    assert list(store.list()) == [made]
