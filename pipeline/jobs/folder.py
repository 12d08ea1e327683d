"""Video jobs on disk: one folder each, so that what was accepted survives the process."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from pipeline.contracts import VideoJob, VideoRequest
from pipeline.errors import NotFound
from pipeline.ids import check_id

log = logging.getLogger("mouthpiece.videos")

PARTS = ("audio", "voice_clip", "portrait")
"""Fields of a request that hold bytes: files of their own beside request.json."""


class JobFolder:
    """`<root>/vid_.../` with job.json, request.json, uploaded parts and, when done, the video."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def add(self, job: VideoJob, request: VideoRequest) -> None:
        folder = self._folder(job.id)
        folder.mkdir()
        fields = request.model_dump(mode="json", exclude=set(PARTS))
        for part in PARTS:
            data = getattr(request, part)
            if data is not None:
                _write(folder / f"{part}.bin", data)
        _write(folder / "request.json", json.dumps(fields).encode())
        # The job's own file comes last: a folder without it was never accepted.
        self.save(job)

    def save(self, job: VideoJob) -> None:
        _write(self._folder(job.id) / "job.json", job.model_dump_json().encode())

    def request(self, job_id: str) -> VideoRequest:
        folder = self._folder(job_id)
        fields = json.loads((folder / "request.json").read_bytes())
        for part in PARTS:
            path = folder / f"{part}.bin"
            if path.exists():
                fields[part] = path.read_bytes()
        return VideoRequest(**fields)

    def file(self, job: VideoJob, extension: str) -> Path:
        return self._folder(job.id) / f"video.{extension}"

    def remove(self, job_id: str) -> None:
        shutil.rmtree(self._folder(job_id))

    def load(self) -> Iterator[VideoJob]:
        """Every job, oldest first. A folder whose job.json is missing or damaged is passed over, not deleted."""
        for folder in sorted(self._root.iterdir()):
            try:
                job = VideoJob.model_validate_json((folder / "job.json").read_bytes())
            except (FileNotFoundError, NotADirectoryError):
                continue
            except ValidationError as error:
                log.warning("%s is damaged and passed over: %s", folder / "job.json", error)
                continue
            yield job

    def _folder(self, job_id: str) -> Path:
        try:
            check_id("vid", job_id)
        except NotFound:
            raise NotFound(f"There is no video {job_id!r}.", field="id") from None
        return self._root / job_id


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
