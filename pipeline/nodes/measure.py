"""measure: from a reference clip to the colour of its voice."""

from __future__ import annotations

from pipeline.graph import Node
from pipeline.nodes.bench import Bench, Inputs, Output, Tell
from pipeline.steps.speak import measure as measured
from pipeline.storage.parcels import pack_tint


async def measure(node: Node, inputs: Inputs, bench: Bench, _: Tell) -> Output:
    """`clip`: an audio file. Raises `InvalidAudio` (field `voice_clip`) with the reason where it can't be used."""
    tint = await measured(bench.models, node.backend, await inputs.one("clip"), bench.settings.limits)
    return Output(await bench.keep(pack_tint(tint)), {"pitch_hz": round(tint.pitch_hz, 2)})
