"""Real-ESRGAN, and any other network that spandrel knows, as an upscaler.

Xintao Wang et al., "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data", ICCVW 2021.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deployments.backends import device
from deployments.backends.published.catalogue import find
from deployments.backends.published.location import located
from deployments.backends.published.tensors import read_tensors
from deployments.backends.upscale.architectures import spandrel
from deployments.backends.upscale.tiles import enlarged
from pipeline.contracts import Picture, UpscaleRequest
from pipeline.errors import Damaged

if TYPE_CHECKING:
    import torch


class RealEsrgan:
    """A network of `realesrgan-x4plus`, of another published upscaler (`model`), or of a file of one's own (`file`).

    The network enlarges by its own factor, two or four, tile by tile; what else is asked for is resampled from that by
    Lanczos' filter. On a card it works in half precision where its architecture bears it, in channels-last order.
    `weights` is a folder with the published file under its own name.
    """

    def __init__(
        self,
        *,
        model: str = "realesrgan-x4plus",
        weights: str = "",
        file: str = "",
        tile: int = 256,
        overlap: int = 32,
        half: bool = True,
    ) -> None:
        if tile < 32 or overlap % 4 or not 0 <= overlap <= tile // 2:
            raise ValueError("tile must be 32 or more, overlap a multiple of 4 and at most half of tile")
        path = Path(file).expanduser() if file else located(model, weights) / find(model).files[0].path
        self._network = described(read_tensors(path), path)
        self._place = device.current().name
        self._half = half and self._place != "cpu" and self._network.supports_half
        self._tile, self._overlap = tile, overlap
        module = self._network.to(self._place).eval()
        if self._half:
            module.half()
        if self._place != "cpu":
            import torch

            module.model.to(memory_format=torch.channels_last)

    @property
    def scale(self) -> int:
        """Times that the network makes a picture wider and taller."""
        return int(self._network.scale)

    def upscale(self, request: UpscaleRequest) -> Picture:
        """As `UpscaleModel` says."""
        made = enlarged(request.picture, self._enlarge, self.scale, self._tile, self._overlap)
        if made.shape[:2] == (request.height, request.width):
            return made
        from PIL import Image

        sized = Image.fromarray(made).resize((request.width, request.height), Image.Resampling.LANCZOS)
        return np.asarray(sized)

    def _enlarge(self, tile: Picture) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            light = torch.from_numpy(tile).to(self._place).permute(2, 0, 1)[None]
            light = light.to(torch.float16 if self._half else torch.float32) / 255
            if self._place != "cpu":
                light = light.contiguous(memory_format=torch.channels_last)
            made = self._network(light)[0].float().permute(1, 2, 0) * 255
            return made.cpu().numpy()


def described(tensors: Mapping[str, torch.Tensor], path: Path) -> Any:
    """spandrel's descriptor of the network that has these tensors, loaded strictly.

    Raises `Damaged`, code damaged_weights, where it knows no such network, where tensors are missing or too many, or
    where the network is no upscaler of colour pictures.
    """
    library = spandrel()
    try:
        found = library.ModelLoader().load_from_state_dict(dict(tensors))
    except library.UnsupportedModelError as error:
        raise _damaged(path, f"no architecture has the {len(tensors)} tensors that it holds") from error
    except (RuntimeError, KeyError, ValueError) as error:
        told = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise _damaged(path, "; ".join(told[:6])[:600] or type(error).__name__) from error
    if unused := _unused(tensors, found.model.state_dict()):
        raise _damaged(path, f"{found.architecture.name} has no place for {', '.join(unused[:6])}")
    usable = isinstance(found, library.ImageModelDescriptor) and found.purpose in ("SR", "FaceSR")
    if not usable or (found.input_channels, found.output_channels) != (3, 3):
        raise _damaged(path, f"{found.architecture.name} with these tensors enlarges no colour pictures")
    return found


def _unused(tensors: Mapping[str, torch.Tensor], loaded: Mapping[str, torch.Tensor]) -> list[str]:
    """Names of tensors that were passed over. By their shapes, since spandrel renames what it loads."""
    places = Counter(tuple(tensor.shape) for tensor in loaded.values())
    unused = []
    for name, tensor in tensors.items():
        shape = tuple(tensor.shape)
        places[shape] -= 1
        if places[shape] < 0:
            unused.append(name)
    return unused


def _damaged(path: Path, why: str) -> Damaged:
    return Damaged(
        f"{path} is no network that can be used here: {why}.",
        code="damaged_weights",
        accepted="a checkpoint of an upscaler of colour, as `mouthpiece models pull realesrgan-x4plus` fetches",
    )
