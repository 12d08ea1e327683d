from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InvalidRequest, NotFound
from pipeline.storage.consents import ConsentStore

SAMPLES = (0.3 * np.sin(np.arange(8_000) / 7)).astype(np.float32)


def test_kept_across_processes(tmp_path: Path) -> None:
    made = ConsentStore(tmp_path).create(" Ada  L. ", "en-GB", SAMPLES, 16_000)
    again = ConsentStore(tmp_path)
    assert again.get(made.id) == made
    assert again.list() == [made]
    assert (made.name, made.language, made.seconds) == ("Ada L.", "en-GB", 0.5)
    samples, rate = again.recording(made.id)
    assert rate == 16_000
    np.testing.assert_allclose(samples, SAMPLES, atol=1e-6)


def test_names_are_labels(tmp_path: Path) -> None:
    store = ConsentStore(tmp_path)
    made = [store.create("the same", "en", SAMPLES, 16_000) for _ in range(3)]
    assert store.list() == made
    with pytest.raises(NotFound):
        store.get("the same")
    renamed = store.rename(made[1].id, "another")
    assert renamed == made[1].model_copy(update={"name": "another"}) == store.get(made[1].id)
    assert store.rename(made[2].id, "another").name == "another"
    store.delete(made[0].id)
    assert [consent.id for consent in store.list()] == [made[1].id, made[2].id]


@pytest.mark.parametrize("name", ["", "..", "../../etc", "cons_", "cons_00000000000000000000000000", "voi_" + "0" * 26])
def test_unknown(tmp_path: Path, name: str) -> None:
    store = ConsentStore(tmp_path / "consents")
    for act in (store.get, store.delete, store.recording, lambda consent: store.rename(consent, "x")):
        with pytest.raises(NotFound) as refused:
            act(name)
        assert refused.value.field == "consent"


def test_unspeakable_names(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest) as refused:
        ConsentStore(tmp_path).create(" ", "en", SAMPLES, 16_000)
    assert (refused.value.code, refused.value.field) == ("invalid_name", "name")
