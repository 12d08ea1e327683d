"""The store of artifacts that the settings ask for."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import SettingsError
from pipeline.settings import Settings
from pipeline.storage.artifact_folder import ArtifactFolder
from pipeline.storage.artifacts import Artifacts


def open_store(settings: Settings, folder: Path) -> Artifacts:
    """In `folder`, or in the bucket that `storage.bucket` names, to which things go by way of `folder`.

    Raises `SettingsError` where it can't be used as it is set, `Unavailable` where an S3 server does not answer,
    `StorageFull`.
    """
    storage = settings.storage
    quota = None if storage.quota_gigabytes is None else int(storage.quota_gigabytes * 2**30)
    reserve = storage.reserve_megabytes * 2**20
    try:
        if storage.bucket is None:
            return ArtifactFolder(folder / "artifacts", quota_bytes=quota, reserve_bytes=reserve)
        from pipeline.storage.artifact_bucket import ArtifactBucket

        bucket, _, prefix = storage.bucket.removeprefix("s3://").partition("/")
        return ArtifactBucket(
            bucket,
            prefix,
            endpoint=storage.endpoint,
            region=storage.region,
            scratch=folder / "scratch",
            quota_bytes=quota,
            reserve_bytes=reserve,
        )
    except OSError as error:
        raise SettingsError(
            f"Artifacts can't be kept in {folder}: {error.strerror or error}.",
            field="storage.folder",
            accepted="a folder that can be written",
        ) from error
