"""Where artifacts are kept, as the settings say."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pipeline.settings import Settings
from pipeline.storage.artifact_folder import ArtifactFolder
from pipeline.storage.artifacts import Artifacts


def open_store(settings: Settings, folder: Path) -> Artifacts:
    """The bucket of `storage.bucket`, or else `folder/artifacts`. Raises `SettingsError` for what can't be used."""
    storage = settings.storage
    quota = None if storage.quota_gigabytes is None else round(storage.quota_gigabytes * 2**30)
    reserve = storage.reserve_megabytes << 20
    if storage.bucket is None:
        return ArtifactFolder(folder / "artifacts", quota_bytes=quota, reserve_bytes=reserve)
    from pipeline.storage.artifact_bucket import ArtifactBucket

    place = urlsplit(storage.bucket)
    return ArtifactBucket(
        place.netloc,
        place.path,
        endpoint=storage.endpoint,
        region=storage.region,
        scratch=folder / "scratch",
        quota_bytes=quota,
        reserve_bytes=reserve,
    )
