"""Frames of an avatar that speaks: batches queued on the device, each brought to the host in one transfer."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import Final

import numpy as np
import torch
from torch import Tensor

from deployments.backends.lipsync.musetalk.avatar import Avatar
from deployments.backends.lipsync.musetalk.ear import Ear
from deployments.backends.lipsync.musetalk.generator import Generator
from deployments.backends.lipsync.musetalk.hearing import Hearing
from pipeline.contracts import Frames, Speech

AHEAD: Final = 2
"""Batches under way on a card while the one before is encoded: bounds memory, and keeps both busy."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures of an avatar that are drawn together, always as many: `rows` of them, which are frames `first` on of the
    video, are wanted, and the others come from nowhere and go nowhere."""

    avatar: Avatar
    places: list[int]
    first: int
    rows: range


class Renderer:
    """Draws `batch` frames at once with these networks."""

    def __init__(self, generator: Generator, ear: Ear, batch: int) -> None:
        self.generator = generator
        self._ear, self.batch = ear, batch

    def frames(
        self, avatar: Avatar, speech: Speech, fps: Fraction, first: int = 0, count: int | None = None, begin: int = 0
    ) -> Iterator[Frames]:
        """`count` frames of a video from `first` on, or as many as `speech` is long, in batches; planes are
        (n, h * 3 / 2, w). Frames without a face are as they were. `speech` begins with sample `begin` of the video's.

        A film goes forwards and backwards, again and again. Batches are those of the whole video, so that frames don't
        depend on what is asked for at once: at both ends of a stretch they are drawn in full, and the rest is left out.
        """
        size, end = self.batch, first + (speech.frame_count(fps) if count is None else count)

        def batches() -> Iterator[Batch]:
            for start in range(first // size * size, end, size):
                rows = range(max(start, first) - start, min(start + size, end) - start)
                yield Batch(avatar, avatar.places(start, size), start + rows.start, rows)

        yield from self._queued(batches(), Hearing(self._ear, speech, fps, self.generator.dtype, begin))

    def film(self, avatars: Iterator[Avatar], speech: Speech, fps: Fraction) -> Iterator[Frames]:
        """The same of a film as it comes, a batch of its frames at once: each frame is shown once, in order."""

        def batches() -> Iterator[Batch]:
            first = 0
            for avatar in avatars:
                count = len(avatar.patches)
                places = [*range(count), *[count - 1] * (self.batch - count)]
                yield Batch(avatar, places, first, range(count))
                first += count

        yield from self._queued(batches(), Hearing(self._ear, speech, fps, self.generator.dtype))

    def _queued(self, batches: Iterator[Batch], hearing: Hearing) -> Iterator[Frames]:
        ahead = AHEAD if self.generator.device.startswith("cuda") else 0
        under_way: deque[Transfer] = deque()
        for batch in batches:
            tokens = hearing.tokens(batch.first, len(batch.rows))
            under_way.append(Transfer(batch.first, self.drawn(batch, tokens)))
            if len(under_way) > ahead:
                yield under_way.popleft().frames()
        while under_way:
            yield under_way.popleft().frames()

    @torch.inference_mode()
    def drawn(self, batch: Batch, tokens: Tensor) -> Tensor:
        """(n, h * 3 / 2, w) uint8 on the device: the rows of the batch, saying tokens (n, ...).

        On a card the work is queued, and this returns before it is done.
        """
        there, avatar, places = self.generator.device, batch.avatar, batch.places
        wanted = slice(batch.rows.start, batch.rows.stop)
        chosen = torch.tensor(places)
        planes = avatar.planes.index_select(0, chosen.to(avatar.planes.device, non_blocking=True))
        if planes.device != tokens.device:
            planes = planes.pin_memory().to(there, non_blocking=True)
        if all(avatar.patches[place] is None for place in places):
            return planes[wanted]
        # Every batch is as large as the others: sums go the same way, and what is compiled or tuned for a size is so
        # once. Rows that nobody wants say what is said beside them, since nobody may know yet what they will say.
        before, after = wanted.start, len(places) - wanted.stop
        tokens = torch.cat([tokens[:1].expand(before, -1, -1), tokens, tokens[-1:].expand(after, -1, -1)])
        faces = self.generator.faces(avatar.latents.index_select(0, chosen.to(there, non_blocking=True)), tokens)
        # A portrait is one run; in a film every frame has a patch of its own.
        for place, run in groupby(range(len(places)), key=places.__getitem__):
            patch, numbers = avatar.patches[place], list(run)
            if patch is not None:
                part = slice(numbers[0], numbers[-1] + 1)
                patch.put(planes[part], faces[part])
        return planes[wanted]


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
