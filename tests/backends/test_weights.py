from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import save_file

from deployments.backends.device import Logical, OutOfMemory
from deployments.backends.weights import Weights, read_ahead
from pipeline.errors import Damaged

DTYPES = st.sampled_from([np.float32, np.float16, np.float64, np.uint8, np.int8, np.int64, np.bool_])
TENSORS = st.dictionaries(
    st.text("abc.0", min_size=1, max_size=8),
    DTYPES.flatmap(lambda kind: arrays.arrays(kind, arrays.array_shapes(max_dims=3))),
)


@settings(deadline=None, max_examples=50)
@given(TENSORS)
def test_what_safetensors_writes_is_read(tmp_path_factory: pytest.TempPathFactory, tensors: dict) -> None:
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_file(tensors, path, metadata={"format": "pt"})
    found = Weights(path)
    assert set(found) == set(tensors)
    for name, array in tensors.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
        assert not found[name].flags.writeable


def test_every_byte_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": np.zeros(20_000_000, np.uint8)}, path)
    assert Weights(path).read() == path.stat().st_size


@pytest.mark.parametrize("size", [0, 1, 4096, (32 << 20) + 1, 80_000_001])
def test_a_file_of_any_kind_is_read_ahead(tmp_path: Path, size: int) -> None:
    path = tmp_path / "model.pth"
    with path.open("wb") as file:
        file.truncate(size)
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    assert read_ahead(path) == size


def test_a_file_that_is_not_there_can_not_be_read_ahead(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_ahead(tmp_path / "model.pth")


def test_all_of_it_is_placed_on_a_card(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    tensors = {f"layer.{i}": np.full(1000, i, np.uint8) for i in range(10)}
    save_file(tensors, path)
    card = Logical(10_000)
    placed = Weights(path).place(card)
    for name, array in tensors.items():
        np.testing.assert_array_equal(placed[name], array)
    assert card.peak == 10_000
    with pytest.raises(OutOfMemory):
        Weights(path).place(Logical(9_999))


def test_arrays_outlive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": np.arange(1000)}, path)
    array = Weights(path)["a"]
    path.unlink()
    assert array[999] == 999


def written(path: Path, header: object, body: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    return path


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (b"not json", b""),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, b"1234"),
        ({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}, b"12345678"),
        ({"a": {"dtype": "F33", "shape": [2], "data_offsets": [0, 8]}}, b"12345678"),
        ({"a": {"dtype": "U8", "shape": [1], "data_offsets": [-1, 0]}}, b"12345678"),
        ({"a": 5}, b""),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, header: object, body: bytes) -> None:
    with pytest.raises(Damaged) as raised:
        Weights(written(tmp_path / "model.safetensors", header, body))
    assert raised.value.code == "damaged_weights"


@pytest.mark.parametrize("content", [b"", b"1234", (10**12).to_bytes(8, "little") + b"{}"])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(Damaged):
        Weights(path)
