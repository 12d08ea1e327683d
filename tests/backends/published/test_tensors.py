"""Reading weights: what every published format holds is found, and nothing in a file is ever executed."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from deployments.backends.published import tensors, torchscript  # noqa: E402
from deployments.backends.published.tensors import fill, read_tensors  # noqa: E402
from pipeline.errors import Damaged  # noqa: E402


class Network(torch.nn.Module):
    """Parameters, buffers, nested modules, half precision, a shared tensor, and attributes that are no tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)
        self.norm = torch.nn.BatchNorm2d(4)
        self.tail = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2).half())
        self.steps: int = 3
        self.sizes = [1, 2, 3]
        self.scale: float = 2.5
        self.label = "x"

    def forward(self, pixels):
        return self.norm(self.conv(pixels))


@pytest.fixture
def network() -> Network:
    torch.manual_seed(5)
    return Network().eval()


def same(found: dict[str, Any], network: Network) -> None:
    wanted = network.state_dict()
    assert list(found) == list(wanted)
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def scripted(network: Network, path: Path, how: str) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*torch\.jit.* is deprecated", DeprecationWarning)
        made = torch.jit.script(network) if how == "script" else torch.jit.trace(network, torch.zeros(1, 3, 8, 8))
        made.save(str(path))
        assert list(torch.jit.load(str(path)).state_dict()) == list(network.state_dict())


@pytest.mark.parametrize("wrapped", ["plain", "state_dict", "params_ema", "model", "module."])
@pytest.mark.parametrize("zipped", [True, False])
def test_what_torch_saves_is_read(network: Network, tmp_path: Path, wrapped: str, zipped: bool) -> None:
    path = tmp_path / "network.pth"
    state: Any = network.state_dict()
    if wrapped == "module.":
        state = {"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}, "global_epoch": 7}
    elif wrapped != "plain":
        state = {wrapped: state, "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}}, "epoch": 7}
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    same(read_tensors(path), network)


def test_safetensors_are_read(network: Network, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "network.safetensors"
    save_file(network.state_dict(), path)
    found = read_tensors(path)
    same({name: found[name] for name in network.state_dict()}, network)


@pytest.mark.parametrize("how", ["script", "trace"])
def test_torchscript_archives_are_read_without_loading_them(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    path = tmp_path / "network.pt"
    scripted(network, path, how)
    assert torchscript.is_archive(path)
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("the archive was run"))
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("the archive was unpickled"))
    same(read_tensors(path), network)


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.mark),)


def pickled(path: Path, evil: Evil) -> None:
    path.write_bytes(pickle.dumps({"w": evil}))


def zipped(path: Path, evil: Evil) -> None:
    torch.save({"w": torch.zeros(2), "e": evil}, path)


def legacy(path: Path, evil: Evil) -> None:
    torch.save({"w": torch.zeros(2), "e": evil}, path, _use_new_zipfile_serialization=False)


def archive(path: Path, evil: Evil) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("evil/data.pkl", pickle.dumps(evil, protocol=2))
        file.writestr("evil/constants.pkl", b"\x80\x02).")


@pytest.mark.parametrize("write", [pickled, zipped, legacy, archive])
def test_a_malicious_pickle_is_refused_and_executes_nothing(
    tmp_path: Path, write: Callable[[Path, Evil], None]
) -> None:
    mark, path = tmp_path / "executed", tmp_path / "evil.pth"
    write(path, Evil(mark))
    with pytest.raises(Damaged) as caught:
        read_tensors(path)
    assert caught.value.code == ("damaged_weights" if write is archive else "unsafe_weights")
    assert not mark.exists()
    pickle.loads(pickle.dumps(Evil(mark)))  # noqa: S301 - it would have
    assert mark.exists()


def old_tar(path: Path) -> None:
    """A file that torch's safe reader refuses whatever is in it: the tar archives of torch before 0.4."""
    with tarfile.open(path, "w") as file:
        for name, data in (("storages", b""), ("tensors", b""), ("pickle", b"")):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))


def test_the_one_exception_is_by_hash_over_the_bytes_that_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, mark = tmp_path / "known.pth", tmp_path / "executed"
    torch.save({"w": torch.ones(2), "e": Evil(mark)}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(Damaged, match="it was not run"):
        read_tensors(path)
    known = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(tensors, "EXCEPTIONS", {known: "for this test"})
    assert torch.equal(read_tensors(path)["w"], torch.ones(2))
    assert mark.exists()  # it was run whole, which is why there is a list
    mark.rmdir()
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(Damaged, match="it was not run"):
        read_tensors(path)
    assert not mark.exists()
    old_tar(tmp_path / "old.tar")
    with pytest.raises(Damaged) as caught:
        read_tensors(tmp_path / "old.tar")
    assert caught.value.code == "unsafe_weights"


def test_every_exception_is_a_file_of_the_catalogue() -> None:
    from deployments.backends.published.catalogue import MODELS

    published = {file.sha256: file.path for model in MODELS.values() for file in model.files}
    for digest, why in tensors.EXCEPTIONS.items():
        assert published[digest] in why


@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy", "script"])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.95])
def test_a_file_that_is_cut_off_is_damaged(network: Network, tmp_path: Path, kind: str, part: float) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "file"
    if kind == "safetensors":
        save_file(network.state_dict(), path)
    elif kind == "script":
        scripted(network, path, "script")
    else:
        torch.save(network.state_dict(), path, _use_new_zipfile_serialization=kind == "zip")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(Damaged):
        read_tensors(path)


def test_a_flipped_byte_in_an_archive_is_found(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "network.pt"
    scripted(network, path, "script")
    with zipfile.ZipFile(path) as file:
        entry = next(entry for entry in file.infolist() if "/data/" in entry.filename)
        start = entry.header_offset
    data = bytearray(path.read_bytes())
    name, extra = int.from_bytes(data[start + 26 : start + 28], "little"), data[start + 28 : start + 30]
    data[start + 30 + name + int.from_bytes(extra, "little")] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(Damaged, match="CRC"):
        read_tensors(path)


def test_the_error_names_the_command_for_a_file_of_the_cache(tmp_path: Path) -> None:
    path = tmp_path / "models--TMElyralab--MuseTalk" / "snapshots" / "abc" / "musetalkV15" / "unet.pth"
    path.parent.mkdir(parents=True)
    path.write_text("<html>no such file</html> what a proxy said instead")
    with pytest.raises(Damaged) as caught:
        read_tensors(path)
    assert caught.value.accepted == "mouthpiece models pull musetalk-v15"
    with pytest.raises(Damaged, match="holds no tensors"):
        torch.save({"a": 1}, tmp_path / "none.pth")
        read_tensors(tmp_path / "none.pth")
    with pytest.raises(Damaged, match="can't be read"):
        read_tensors(tmp_path / "nothing.pth")


def test_a_network_is_filled_with_just_its_tensors(network: Network, tmp_path: Path) -> None:
    state = {name: tensor + 1 for name, tensor in network.state_dict().items()}
    fill(network, state, tmp_path / "file")
    same(state, network)
    wrong = {**state, "extra": torch.zeros(1), "conv.bias": torch.zeros(9)}
    del wrong["norm.weight"]
    with pytest.raises(Damaged) as caught:
        fill(network, wrong, tmp_path / "file")
    for told in ("no norm.weight", "extra that the network has not", "conv.bias of (9,) for (4,)"):
        assert told in caught.value.message
