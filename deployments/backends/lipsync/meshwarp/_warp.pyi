"""Inner loops of the mesh warp; see _warp.c. Every array is C-contiguous; a wrong shape raises ValueError."""

from numpy import float32, int32, uint8, uint32
from numpy.typing import NDArray

def mouth(
    planes: tuple[NDArray[uint8], NDArray[uint8], NDArray[uint8]],
    pad: int,
    origin: tuple[int, int],
    shape: tuple[int, int],
    step: int,
    fields: NDArray[float32],
    coefficients: NDArray[float32],
    rows: NDArray[int32],
    need: NDArray[uint8],
    layers: NDArray[uint32],
    scale: int,
    kind: NDArray[uint8],
    inside: NDArray[uint32],
    place: NDArray[float32],
    frame: NDArray[float32],
    edges: NDArray[float32],
    light: NDArray[float32],
    plain: bool = False,
    /,
) -> None: ...
def head(
    y: NDArray[uint8],
    u: NDArray[uint8],
    v: NDArray[uint8],
    field: NDArray[int32] | None,
    out: NDArray[uint8],
    size: int,
    pad: int,
    plain: bool = False,
    /,
) -> None: ...
