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


class Renderer:
    """Draws `batch` frames at once with these networks."""

    def __init__(self, generator: Generator, ear: Ear, batch: int) -> None:
        self.generator = generator
        self._ear, self.batch = ear, batch

    def frames(self, avatar: Avatar, speech: Speech, fps: Fraction) -> Iterator[Frames]:
        """`Speech.frame_count` frames in batches; planes are (n, h * 3 / 2, w). Frames without a face are as they were.

        A film goes forwards and backwards, again and again.
        """
        count = speech.frame_count(fps)
        parts = ((avatar, avatar.places(at, min(self.batch, count - at))) for at in range(0, count, self.batch))
        yield from self._queued(parts, speech, fps)

    def film(self, avatars: Iterator[Avatar], speech: Speech, fps: Fraction) -> Iterator[Frames]:
        """The same of a film as it comes, a batch of its frames at once: each frame is shown once, in order."""
        yield from self._queued(((avatar, list(range(len(avatar.patches)))) for avatar in avatars), speech, fps)

    def _queued(self, parts: Iterator[tuple[Avatar, list[int]]], speech: Speech, fps: Fraction) -> Iterator[Frames]:
        hearing = Hearing(self._ear, speech, fps, self.generator.dtype)
        ahead = AHEAD if self.generator.device.startswith("cuda") else 0
        under_way: deque[Transfer] = deque()
        first = 0
        for avatar, places in parts:
            under_way.append(Transfer(first, self.drawn(avatar, places, hearing.tokens(first, len(places)))))
            first += len(places)
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
        padding = self.batch - len(places)
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
