"""How a film that a model makes gets into the store: piece by piece, as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from pipeline import timings
from pipeline.contracts import Film
from pipeline.errors import TooLarge
from pipeline.nodes.bench import Bench, Tell
from pipeline.settings import Limits
from pipeline.storage.artifacts import Stored


def check_size(size: int, limits: Limits) -> None:
    """Raises `TooLarge` where a film of so many bytes is larger than `limits.video_megabytes`."""
    if size > limits.video_megabytes << 20:
        raise TooLarge(
            "The video's file grows too large.",
            code="video_too_large",
            field="size",
            accepted=f"at most {limits.video_megabytes} MB: a smaller or shorter video",
        )


async def received(pieces: AsyncIterator[Film], total: int, bench: Bench, tell: Tell) -> Stored:
    """Puts a film's file into the store as it comes, tells how far it is, and books what its stages took.

    Raises `TooLarge` where the file grows past `limits.video_megabytes`.
    """
    ledger, written = timings.current.get(), 0
    with await asyncio.to_thread(bench.artifacts.writer) as writer:
        async for piece in pieces:
            if piece.data:
                written += len(piece.data)
                check_size(written, bench.settings.limits)
                await asyncio.to_thread(writer.write, piece.data)
            tell(piece.frames, total)
            for stage, seconds in (piece.timings or {}).items():
                if ledger is not None:
                    ledger.add(stage, seconds)
        return await asyncio.to_thread(writer.commit)
