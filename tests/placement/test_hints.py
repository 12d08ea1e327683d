"""While a job's voice is speaking, the model of its next steps is loaded where it fits beside: from the job's graph,
by way of the board, to the decision."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.coordinator import _ahead
from deployments.placement import policy
from deployments.placement.decision import Start, StartCause
from deployments.placement.facts import Card, Footprint, Phase, Replica
from deployments.placement.wishes import Wishes
from pipeline.contracts import VideoRequest
from tests.pipeline.jobs.works import CountedModels, Hold, works
from tests.placement.kept_board import KeptBoard

pytestmark = pytest.mark.anyio

MODELS = ("voice-counted", "lipsync-counted")
"""Those that need a card; whoever finds the face does not."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_the_lip_sync_model_is_loaded_while_the_voice_is_speaking(tmp_path: Path) -> None:
    models, board = CountedModels(), KeptBoard()
    models.hook = hold = Hold("speak One is here.")
    wishes = Wishes(board, MODELS)
    async with works(tmp_path, models) as here:
        job = await here.jobs.submit(VideoRequest(text="One is here.", prompt="a face"))
        await hold.reached.wait()
        wishes.hint(_ahead(here.jobs))
        hints = board.wishes()["hints"]
        assert hints == [["voice-counted", "lipsync-counted"]]
        assert _started(hints, budget=10) == (Start("lipsync-counted", "card", StartCause.PREWARM),)
        assert _started(hints, budget=9) == (), "nobody goes for what nobody has asked for yet"

        hold.go.set()
        await here.jobs.wait(job.id, 20)
        wishes.hint(_ahead(here.jobs))
        assert board.wishes()["hints"] == [], "nothing is ahead of a job that has ended"


def _started(hints: list[list[str]], budget: int) -> tuple[Start, ...]:
    """On a card where the voice is at work; each of the two needs 5."""
    voice = Replica("voice#1", "voice-counted", "card", Phase.RUNNING, 0.0, ongoing=1, used=10.0)
    footprints = {name: Footprint(need=5) for name in MODELS}
    return policy.decide({}, [voice], footprints, [Card("card", budget)], 10.0, hints=hints).starts
