"""Weight norm in the networks of coqui-tts: a weight kept as direction and length, which only training has a use for.

torch renamed the two (Salimans and Kingma's g and v, 2016) in version 2.0; checkpoints have either names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from torch import Tensor, nn
from torch.nn.utils import parametrize

_NAMES: Final = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the names that torch gives them now."""
    found = {}
    for name, tensor in tensors.items():
        owner, dot, last = name.rpartition(".")
        found[owner + dot + _NAMES.get(last, last)] = tensor
    return found


def folded(network: nn.Module) -> None:
    """Works the norms into the weights, once instead of in every call."""
    for module in network.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight")
