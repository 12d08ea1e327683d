import pytest

from pipeline.errors import NotFound
from pipeline.ids import check_id, is_id, new_id


def test_ids_are_unique_and_sort_by_age():
    ids = [new_id("vid") for _ in range(5000)]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
    assert all(is_id("vid", text) and len(text) == 30 for text in ids)


@pytest.mark.parametrize("prefix", ["", "V", "vid_", "../x", "a" * 9])
def test_a_prefix_has_to_be_letters(prefix):
    with pytest.raises(ValueError, match="prefix"):
        new_id(prefix)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "vid",
        "vid_",
        "voi_" + "0" * 26,
        "vid_" + "0" * 25,
        "vid_" + "0" * 27,
        "vid_" + "0" * 25 + "\n",
        "vid_" + "0" * 26 + "\n",
        "vid_" + "8" + "0" * 25,
        "vid_" + "u" * 26,
        "VID_" + "0" * 26,
        "vid_../../../../../etc/passwd",
        "vid_" + "٣" * 26,
        "x" * 10_000,
    ],
)
def test_what_is_no_id_is_not_found(text):
    assert not is_id("vid", text)
    with pytest.raises(NotFound) as caught:
        check_id("vid", text)
    assert caught.value.field == "id"
    assert len(caught.value.message) < 200


def test_an_id_passes_through():
    text = new_id("voi")
    assert check_id("voi", text) == text
