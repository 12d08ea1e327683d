"""The states of a job, from its events and looks at the job itself: few looks, none of its ends missed."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from typing import Final

from pipeline.contracts import Event, Job
from pipeline.contracts.states import ENDED

LOOK_SECONDS: Final = 0.5
"""Between two looks while there is nothing but progress; a step that changes says more than its events do."""


def job_states(look: Callable[[], Job], news: Iterable[Event | None]) -> Generator[Job, None, None]:
    """The job now, then whenever it changes; the last one has ended.

    `look` gives the job as it is, with its steps. `news` are its events, and None whenever events may have been
    missed: when the stream was opened. Progress is taken from the events, everything else by a look.
    """
    shown: Job | None = None
    looked = 0.0
    for event in news:
        soon = time.monotonic() < looked + LOOK_SECONDS
        if soon and shown is not None and event is not None and _only_progress(event, shown):
            job = _progressed(shown, event)
        else:
            job, looked = _forwards(look(), shown), time.monotonic()
        if job != shown:
            yield job
        shown = job
        if job.state in ENDED:
            return


def _only_progress(event: Event, shown: Job) -> bool:
    return event.type == "task.progress" and event.data.get("message", shown.message) == shown.message


def _progressed(shown: Job, event: Event) -> Job:
    """With the event's progress, unless it is an older one than what was seen."""
    percent = float(event.data.get("percent", 0.0))
    if percent <= shown.progress:
        return shown
    known = {"progress": percent, "frames_made": event.data.get("frames_made", shown.frames_made)}
    return shown.model_copy(update=known | {"frames_total": event.data.get("frames_total", shown.frames_total)})


def _forwards(job: Job, shown: Job | None) -> Job:
    """Events may be ahead of what is stored: progress that was seen is not taken back, but by a retry."""
    if shown is None or job.attempt != shown.attempt or job.progress >= shown.progress:
        return job
    seen = {"progress": shown.progress, "frames_made": shown.frames_made, "frames_total": shown.frames_total}
    return job.model_copy(update=seen)
