"""How a film that a model makes gets into the store: piece by piece, as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from pipeline import timings
from pipeline.contracts import Film
from pipeline.errors import TooLarge
from pipeline.nodes.bench import Bench, Tell
from pipeline.storage.artifacts import Stored


async def received(pieces: AsyncIterator[Film], total: int, bench: Bench, tell: Tell) -> Stored:
    """Puts a film's file into the store as it comes, tells how far it is, and books what its stages took.

    Raises `TooLarge` where the file grows past `limits.video_megabytes`.
    """
    ledger, written = timings.current.get(), 0
    most = bench.settings.limits.video_megabytes << 20
    with await asyncio.to_thread(bench.artifacts.writer) as writer:
        async for piece in pieces:
            if piece.data:
                written += len(piece.data)
                if written > most:
                    raise TooLarge(
                        "The video's file grows too large.",
                        code="video_too_large",
                        field="size",
                        accepted=f"at most {bench.settings.limits.video_megabytes} MB: a smaller or shorter video",
                    )
                await asyncio.to_thread(writer.write, piece.data)
            tell(piece.frames, total)
            for stage, seconds in (piece.timings or {}).items():
                if ledger is not None:
                    ledger.add(stage, seconds)
        return await asyncio.to_thread(writer.commit)
