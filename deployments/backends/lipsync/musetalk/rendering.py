"""Frames of an avatar that speaks: batches queued on the device, each brought to the host in one transfer."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from itertools import groupby
from typing import Final

import numpy as np
import torch
from torch import Tensor

from deployments.backends.lipsync.musetalk.avatar import Avatar
from deployments.backends.lipsync.musetalk.generator import Generator
from deployments.backends.lipsync.musetalk.hearing import Ear, Hearing
from pipeline.contracts import Frames, Speech

AHEAD: Final = 2
"""Batches under way on a card while the one before is encoded: bounds memory, and keeps both busy."""


def frame_count(speech: Speech, fps: Fraction) -> int:
    """Frames that cover the sound, at least 1: as `AnimationRequest` has it."""
    return max(1, -(-len(speech.samples) * fps.numerator // (speech.sample_rate * fps.denominator)))


class Renderer:
    """Draws `batch` frames at once with these networks."""

    def __init__(self, generator: Generator, ear: Ear, batch: int) -> None:
        self.generator = generator
        self._ear, self._batch = ear, batch

    def frames(self, avatar: Avatar, speech: Speech, fps: Fraction) -> Iterator[Frames]:
        """`frame_count` frames in batches; planes are (n, h * 3 / 2, w). Frames without a face are as they were.

        A film goes forwards and backwards, again and again.
        """
        count = frame_count(speech, fps)
        hearing = Hearing(self._ear, speech, fps, self.generator.dtype)
        ahead = AHEAD if self.generator.device.startswith("cuda") else 0
        under_way: deque[Transfer] = deque()
        for first in range(0, count, self._batch):
            length = min(self._batch, count - first)
            planes = self.drawn(avatar, avatar.places(first, length), hearing.tokens(first, length))
            under_way.append(Transfer(first, planes))
            if len(under_way) > ahead:
                yield under_way.popleft().frames()
        while under_way:
            yield under_way.popleft().frames()

    @torch.inference_mode()
    def drawn(self, avatar: Avatar, places: list[int], tokens: Tensor) -> Tensor:
        """(n, h * 3 / 2, w) uint8 on the device: the avatar's pictures at these places, saying tokens (n, ...).

        At most a batch. On a card the work is queued, and this returns before it is done.
        """
        there = self.generator.device
        chosen = torch.tensor(places)
        planes = avatar.planes.index_select(0, chosen.to(avatar.planes.device, non_blocking=True))
        if planes.device != tokens.device:
            planes = planes.pin_memory().to(there, non_blocking=True)
        if all(avatar.patches[place] is None for place in places):
            return planes
        # The last batch is as large as the others: what is compiled or tuned for a size is so once.
        padding = self._batch - len(places)
        wanted = torch.tensor(places + places[-1:] * padding).to(there, non_blocking=True)
        if padding:
            tokens = torch.cat([tokens, tokens[-1:].expand(padding, -1, -1)])
        faces = self.generator.faces(avatar.latents.index_select(0, wanted), tokens)
        # A portrait is one run; in a film every frame has a patch of its own.
        for place, run in groupby(range(len(places)), key=places.__getitem__):
            patch, numbers = avatar.patches[place], list(run)
            if patch is not None:
                part = slice(numbers[0], numbers[-1] + 1)
                patch.put(planes[part], faces[part])
        return planes


class Transfer:
    """Frames on their way to the host: one copy, begun at once and waited for when they are wanted."""

    def __init__(self, first: int, planes: Tensor) -> None:
        self._first = first
        self._arrived: torch.cuda.Event | None = None
        self._planes = planes
        if planes.is_cuda:
            self._planes = torch.empty(planes.shape, dtype=torch.uint8, pin_memory=True)
            self._planes.copy_(planes, non_blocking=True)
            self._arrived = torch.cuda.Event()
            self._arrived.record()

    def frames(self) -> Frames:
        if self._arrived is not None:
            self._arrived.synchronize()
        return Frames(self._first, np.asarray(self._planes.numpy()))
