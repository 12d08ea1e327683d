"""The application in this process, and what is left of it when it is closed."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path

import pytest

from deployments.local import LocalApplication
from pipeline import cascade
from pipeline.contracts import VideoRequest
from pipeline.jobs import upkeep


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
