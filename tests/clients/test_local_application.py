"""The application in this process, and what is left of it when it is closed."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import aclosing
from pathlib import Path

import pytest

from deployments.local import LocalApplication
from pipeline import cascade
from pipeline.contracts import VideoRequest
from pipeline.jobs import upkeep
from tests.pipeline.media.boxes import boxes


def test_nothing_goes_on_after_it_is_closed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "GAUGES_SECONDS", 0.05)
    application = LocalApplication(cascade.resolve({"profile": "cpu"}, {}, {"storage.folder": str(tmp_path)}))
    folder = application._folder
    job = asyncio.run(application.operations.create_video(VideoRequest(text="It is not made to its end.")))
    assert job.id
    application.close()
    assert not folder.exists()
    told = len(caplog.records)
    threading.Event().wait(0.5)
    assert [record for record in caplog.records[told:] if record.levelno >= logging.WARNING] == []
    assert not folder.exists()


def test_a_stream_that_is_watched_for_a_moment(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    application = LocalApplication(cascade.resolve({"profile": "cpu"}, {}, {"storage.folder": str(tmp_path)}))
    request = VideoRequest(text="This is said again and again. " * 30, size=128)

    async def watched() -> bytes:
        async with aclosing(application.operations.stream_video(request)) as pieces:
            return await anext(pieces) + await anext(pieces)

    try:
        assert boxes(asyncio.run(watched())) == ["ftyp", "moov", "moof", "mdat", "moof", "mdat"]
    finally:
        application.close()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
