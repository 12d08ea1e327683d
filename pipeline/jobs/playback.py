"""Videos in segments, for players: of one that is being made those that are there, of a finished one all."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from typing import Final

from pipeline.contracts import Job
from pipeline.contracts.playback import Playlist, Segment
from pipeline.contracts.states import ENDED
from pipeline.errors import NotFound, Unavailable
from pipeline.jobs.jobs import Jobs
from pipeline.jobs.journal import Journal
from pipeline.jobs.passages import KeptPassages
from pipeline.media import segments
from pipeline.media.segments import Cuts
from pipeline.recent import Recent
from pipeline.storage import jobs as stored_jobs
from pipeline.storage import nodes
from pipeline.storage.artifacts import Artifacts

LOOK_SECONDS: Final = 0.2
"""How often somebody looks who waits for the next segment."""

REMEMBERED: Final = 64
"""Films whose cuts are kept, a few numbers each."""


class Playback:
    """The segments of videos. One event loop.

    Those of a long film are its passages, which are there before the film is. When that is finished, they are cut out
    of it, byte for byte the same.
    """

    def __init__(self, jobs: Jobs, journal: Journal, artifacts: Artifacts) -> None:
        self._jobs = jobs
        self._journal = journal
        self._artifacts = artifacts
        self._cuts: Recent[Cuts] = Recent(REMEMBERED)

    async def playlist(self, job_id: str) -> Playlist:
        """What there is now. Raises `Unavailable`, code not_begun, before the first segment, and `Conflict` for a job
        that ended without a video and for a video that is not cut into segments."""
        for _ in range(2):  # the passages may go between the two looks, because the film has come
            job = await self._jobs.get(job_id)
            film = await self._film(job)
            if film is not None:
                cuts = await self._cuts_of(film)
                return Playlist(cuts.fps, cuts.frames, complete=True)
            passages = self._passages(job)
            if passages is not None and (frames := await passages.frames()):
                plan = await self._journal.read(lambda connection: stored_jobs.plan(connection, job_id))
                return Playlist(Fraction(plan["nodes"][-1]["parameters"]["fps"]), tuple(frames), complete=False)
        raise Unavailable(f"Nothing of the video {job_id} is there yet.", code="not_begun", retry_after=2)

    async def segment(self, job_id: str, number: int) -> Segment:
        """Segment `number`, from 1 on, or 0 for what a player needs before the first. Raises `NotFound` for one that is
        not there (yet), and `Conflict` as `playlist` does."""
        for _ in range(2):  # as above
            job = await self._jobs.get(job_id)
            film = await self._film(job)
            if film is not None:
                return Segment(await self._cut_out(film, number), final=True)
            passages = self._passages(job)
            found = None if passages is None else await passages.find(number)
            if found is not None:
                return Segment(found, final=False)
        raise NotFound(f"There is no segment {number} of {job_id} yet.")

    async def awaited(self, job_id: str, number: int) -> bytes:
        """The same as soon as it is there; empty past the last."""
        job = await self._jobs.get(job_id)
        while True:
            try:
                return (await self.segment(job_id, number)).data
            except NotFound:
                if job.state in ENDED:
                    return b""
            job = await self._jobs.wait(job_id, LOOK_SECONDS)

    async def _film(self, job: Job) -> str | None:
        """Digest of the film where it is finished; that may be a little before the job is."""
        if job.state in ENDED:
            return await self._jobs.artifact(job.id)
        key = job.steps[-1].key
        made = None if key is None else await self._journal.read(lambda connection: nodes.find(connection, key))
        return None if made is None else made.artifact

    def _passages(self, job: Job) -> KeptPassages | None:
        step = job.steps[-1]
        if step.kind != "film" or step.key is None:
            return None
        return KeptPassages(step.key, self._journal, self._artifacts, set())

    async def _cuts_of(self, film: str) -> Cuts:
        known = self._cuts.get(film)
        if known is None:
            known = await asyncio.to_thread(self._find_cuts, film)
            self._cuts.put(film, known)
        return known

    async def _cut_out(self, film: str, number: int) -> bytes:
        cuts = await self._cuts_of(film)
        if number > len(cuts.frames):
            raise NotFound(f"There is no segment {number}: the video has {len(cuts.frames)}.")
        return await asyncio.to_thread(self._read, film, cuts, number)

    def _find_cuts(self, film: str) -> Cuts:
        with self._artifacts.local(film) as path:
            return segments.cuts(path)

    def _read(self, film: str, cuts: Cuts, number: int) -> bytes:
        with self._artifacts.local(film) as path:
            return segments.segment(path, cuts, number) if number else segments.initial(path)
