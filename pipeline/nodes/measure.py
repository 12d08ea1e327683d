"""measure: from a reference clip to what a voice backend takes from it: the voice's colour, or the voice itself."""

from __future__ import annotations

from pipeline.contracts import VoiceTint
from pipeline.graph import Node
from pipeline.nodes.bench import Bench, Inputs, Output, Tell
from pipeline.steps.speak import heard
from pipeline.storage.parcels import pack_conditioning, pack_tint


async def measure(node: Node, inputs: Inputs, bench: Bench, _: Tell) -> Output:
    """`clip`: an audio file. Raises `InvalidAudio` (field `voice_clip`) with the reason where it can't be used."""
    found = await heard(bench.models, node.backend, await inputs.one("clip"), bench.settings.limits)
    if isinstance(found, VoiceTint):
        return Output(await bench.keep(pack_tint(found)), {"pitch_hz": round(found.pitch_hz, 2)})
    return Output(await bench.keep(pack_conditioning(found)), {})
