"""The Wav2Lip generator: half a face and a sound in, the whole face saying it out.

Prajwal et al., "A Lip Sync Expert Is All You Need for Speech to Lip Generation In the Wild" (2020). Layers have the
names, shapes and order of the published files, so that these load strictly: 352 tensors, 36 298 035 parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class Block(nn.Module):
    """Convolution, batch norm, the input added where `residual`, ReLU."""

    def __init__(
        self,
        channels: int,
        made: int,
        kernel: int = 3,
        stride: int | tuple[int, int] = 1,
        padding: int = 1,
        *,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(nn.Conv2d(channels, made, kernel, stride, padding), nn.BatchNorm2d(made))
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv_block(x)
        return torch.relu_(y + x if self.residual else y)


class Widening(nn.Module):
    """Transposed convolution, batch norm, ReLU."""

    def __init__(self, channels: int, made: int, stride: int = 2, padding: int = 1) -> None:
        super().__init__()
        widen = nn.ConvTranspose2d(channels, made, 3, stride, padding, output_padding=stride - 1)
        self.conv_block = nn.Sequential(widen, nn.BatchNorm2d(made))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu_(self.conv_block(x))


def _stage(first: nn.Module, channels: int, residuals: int) -> nn.Sequential:
    return nn.Sequential(first, *(Block(channels, channels, residual=True) for _ in range(residuals)))


class Generator(nn.Module):
    """`forward` is the published network's. Call `eval()` before it: the batch norms have learned what they are."""

    def __init__(self) -> None:
        super().__init__()
        self.face_encoder_blocks = nn.ModuleList(
            [
                _stage(Block(6, 16, 7, padding=3), 16, 0),  # 96
                _stage(Block(16, 32, stride=2), 32, 2),  # 48
                _stage(Block(32, 64, stride=2), 64, 3),  # 24
                _stage(Block(64, 128, stride=2), 128, 2),  # 12
                _stage(Block(128, 256, stride=2), 256, 2),  # 6
                _stage(Block(256, 512, stride=2), 512, 1),  # 3
                nn.Sequential(Block(512, 512, padding=0), Block(512, 512, 1, padding=0)),  # 1
            ]
        )
        self.audio_encoder = nn.Sequential(
            *_stage(Block(1, 32), 32, 2),
            *_stage(Block(32, 64, stride=(3, 1)), 64, 2),
            *_stage(Block(64, 128, stride=3), 128, 2),
            *_stage(Block(128, 256, stride=(3, 2)), 256, 1),
            Block(256, 512, padding=0),
            Block(512, 512, 1, padding=0),
        )
        self.face_decoder_blocks = nn.ModuleList(
            [
                _stage(Block(512, 512, 1, padding=0), 512, 0),
                _stage(Widening(1024, 512, 1, 0), 512, 1),
                _stage(Widening(1024, 512), 512, 2),
                _stage(Widening(768, 384), 384, 2),
                _stage(Widening(512, 256), 256, 2),
                _stage(Widening(320, 128), 128, 2),
                _stage(Widening(160, 64), 64, 2),
            ]
        )
        self.output_block = nn.Sequential(Block(80, 32), nn.Conv2d(32, 3, 1), nn.Sigmoid())

    def forward(self, audio: Tensor, faces: Tensor) -> Tensor:
        """(n, 3, 96, 96) in 0..1, BGR.

        `audio` is (n, 1, 80, 16), mel from -4 to 4; `faces` (n, 6, 96, 96) in 0..1, BGR: the face with its lower half
        black, then a face to take its looks from. Both may carry a time after the batch, (n, t, 1, 80, 16) and
        (n, 6, t, 96, 96); the answer is then (n, 3, t, 96, 96).
        """
        if audio.dim() == 5:
            count, time = audio.shape[:2]
            flat = self(audio.transpose(0, 1).flatten(0, 1), faces.permute(2, 0, 1, 3, 4).flatten(0, 1))
            return flat.unflatten(0, (time, count)).permute(1, 2, 0, 3, 4)
        return self.say(audio, self.look(faces))

    def look(self, faces: Tensor) -> list[Tensor]:
        """What is to be known of (n, 6, 96, 96) faces, from coarse to fine: the same whatever is said."""
        features: list[Tensor] = []
        for encode in self.face_encoder_blocks:
            faces = encode(faces)
            features.append(faces)
        return features[::-1]

    def say(self, audio: Tensor, features: list[Tensor]) -> Tensor:
        """(n, 3, 96, 96) in 0..1 from (n, 1, 80, 16) and what `look` gave, of n faces or of one for all."""
        x = self.audio_encoder(audio)
        for decode, known in zip(self.face_decoder_blocks, features, strict=True):
            x = torch.cat([decode(x), known.expand(x.shape[0], -1, -1, -1)], dim=1)
        return self.output_block(x)

    def fold(self) -> Generator:
        """The same network, in place, with every batch norm worked into the convolution before it.

        For inference only: names are no longer those of the file.
        """
        self.eval()
        for block in self.modules():
            if isinstance(block, Block | Widening) and len(block.conv_block) == 2:
                convolution, norm = block.conv_block[0], block.conv_block[1]
                transposed = isinstance(block, Widening)
                block.conv_block = nn.Sequential(fuse_conv_bn_eval(convolution, norm, transpose=transposed))  # ty: ignore[invalid-argument-type]
        return self
