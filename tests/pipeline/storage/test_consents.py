from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import NotFound
from pipeline.media.audio import decode_audio
from pipeline.storage.consents import ConsentStore

SAMPLES = (0.3 * np.sin(np.arange(8_000) / 7)).astype(np.float32)


def test_kept_across_processes(tmp_path: Path) -> None:
    made = ConsentStore(tmp_path).create("Ada", "en-GB", SAMPLES, 16_000)
    again = ConsentStore(tmp_path)
    assert again.get(made.id) == made
    assert again.list() == (made,)
    assert (made.name, made.language, made.seconds) == ("Ada", "en-GB", 0.5)
    samples, rate = decode_audio((tmp_path / made.id / "recording.flac").read_bytes())
    assert rate == 16_000
    np.testing.assert_allclose(samples, SAMPLES, atol=1e-4)


def test_newest_first_renamed_deleted(tmp_path: Path) -> None:
    store = ConsentStore(tmp_path)
    made = [store.create("the same name", "en", SAMPLES, 16_000) for _ in range(3)]
    assert store.list() == tuple(reversed(made))
    renamed = store.rename(made[1].id, "another")
    assert renamed == made[1].model_copy(update={"name": "another"}) == store.get(made[1].id)
    store.delete(made[0].id)
    assert store.list() == (made[2], renamed)
    assert not (tmp_path / made[0].id).exists()


@pytest.mark.parametrize("name", ["", "..", "../../etc", "cons_", "cons_00000000000000000000000000", "voi_" + "0" * 26])
def test_unknown(tmp_path: Path, name: str) -> None:
    store = ConsentStore(tmp_path / "consents")
    for act in (store.get, store.delete, lambda consent: store.rename(consent, "x")):
        with pytest.raises(NotFound) as refused:
            act(name)
        assert refused.value.field == "consent"


def test_damaged_folders_are_passed_over(tmp_path: Path) -> None:
    store = ConsentStore(tmp_path)
    made = store.create("Ada", "en", SAMPLES, 16_000)
    (tmp_path / "cons_unfinished").mkdir()
    (tmp_path / "stray").write_text("")
    damaged = store.create("Eve", "en", SAMPLES, 16_000)
    (tmp_path / damaged.id / "consent.json").write_text("{")
    assert store.list() == (made,)
