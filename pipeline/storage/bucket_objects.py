"""Objects of one bucket: boto3's calls, with errors as ours and within limits of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pipeline.errors import Unavailable
from pipeline.storage.artifacts import PIECE
from pipeline.storage.bucket_failures import told

_CONNECT_SECONDS, _READ_SECONDS = 5, 60
_ATTEMPTS = 4
_PART = 16 * PIECE
LONGEST_URL_SECONDS = 7 * 86_400
"""What signature version 4 allows."""


@dataclass(frozen=True, slots=True)
class Look:
    """An object, without its bytes."""

    size: int
    modified: float
    """Seconds since the epoch; servers keep whole seconds."""
    etag: str


class BucketObjects:
    """Raises `SettingsError` for what the settings or the keys have to change for, `Unavailable` after four attempts
    at a server that does not answer, `StorageFull`; and `Absent` and `Exists` (`pipeline/storage/bucket_failures.py`).

    `client` is a boto3 client of S3; without one, keys are found as boto3 finds them.
    """

    def __init__(self, bucket: str, *, endpoint: str | None, region: str, client: Any | None = None) -> None:
        self.place = f"s3://{bucket}" + (f" at {endpoint}" if endpoint else "")
        self._bucket = bucket
        with told(self.place):
            self._client = client or _client(endpoint, region)

    def look(self, key: str) -> Look:
        """Raises `Absent`."""
        with told(self.place):
            answer = self._client.head_object(Bucket=self._bucket, Key=key)
        return Look(answer["ContentLength"], answer["LastModified"].timestamp(), answer["ETag"])

    def age(self, key: str) -> float:
        """Seconds since it was written, by the server's clock. Raises `Absent`."""
        with told(self.place):
            answer = self._client.head_object(Bucket=self._bucket, Key=key)
        now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        return (now - answer["LastModified"]).total_seconds()

    def get(self, key: str) -> bytes:
        """All of a small one. Raises `Absent`."""
        return b"".join(self.chunks(key, 0, None))

    def chunks(self, key: str, start: int, end: int | None) -> Iterator[bytes]:
        """Bytes `start` up to but without `end`, 1 MiB at a time, the last of them perhaps shorter. Raises `Absent`.

        A connection that breaks is taken up again where it was, so long as something comes.
        """
        at, failures = start, 0
        while end is None or at < end:
            try:
                for chunk in self._chunks_once(key, at, end):
                    at, failures = at + len(chunk), 0
                    yield chunk
                return
            except Unavailable:
                failures += 1
                if failures == _ATTEMPTS:
                    raise

    def _chunks_once(self, key: str, start: int, end: int | None) -> Iterator[bytes]:
        wanted = {"Range": f"bytes={start}-{'' if end is None else end - 1}"} if start or end is not None else {}
        with told(self.place):
            body = self._client.get_object(Bucket=self._bucket, Key=key, **wanted)["Body"]
        try:
            while chunk := self._chunk(body):
                yield chunk
        finally:
            body.close()

    def _chunk(self, body: Any) -> bytes:
        parts = bytearray()
        with told(self.place):
            while len(parts) < PIECE and (part := body.read(PIECE - len(parts))):
                parts += part
        return bytes(parts)

    def put(self, key: str, data: bytes, *, new: bool = False) -> None:
        """Where `new`, only if there is none yet: `Exists`, on servers that know `If-None-Match`."""
        with told(self.place):
            only = {"IfNoneMatch": "*"} if new else {}
            self._client.put_object(Bucket=self._bucket, Key=key, Body=data, **only)

    def upload(self, key: str, path: Path) -> None:
        """A file of any size, in parts where it is large."""
        from boto3.s3.transfer import TransferConfig

        parts = TransferConfig(multipart_threshold=_PART, multipart_chunksize=_PART, max_concurrency=4)
        with told(self.place):
            self._client.upload_file(str(path), self._bucket, key, Config=parts)

    def delete(self, key: str) -> None:
        with told(self.place):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def list(self, prefix: str, *, most: int | None = None) -> Iterator[tuple[str, Look]]:
        """Keys under a prefix, in their order; `most` of them."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=prefix, PaginationConfig={"MaxItems": most}
        )
        pages = iter(pages)
        while True:
            with told(self.place):
                page = next(pages, None)
            if page is None:
                return
            for entry in page.get("Contents", ()):
                yield entry["Key"], Look(entry["Size"], entry["LastModified"].timestamp(), entry["ETag"])

    def abandon(self, prefix: str, before: float) -> None:
        """Ends uploads in parts that were begun before then, and that nobody will go on with."""
        with told(self.place):
            for page in self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix=prefix
            ):
                for upload in page.get("Uploads", ()):
                    if upload["Initiated"].timestamp() < before:
                        self._client.abort_multipart_upload(
                            Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                        )

    def url(self, key: str, seconds: int, media_type: str, filename: str) -> str:
        """Signed for GET. Raises `ValueError` for more than seven days."""
        if not 0 < seconds <= LONGEST_URL_SECONDS:
            raise ValueError(f"a URL can be signed for 1 to {LONGEST_URL_SECONDS} seconds, not {seconds}")
        plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in filename)
        shown = f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"  # RFC 6266
        asked = {"ResponseContentType": media_type, "ResponseContentDisposition": shown}
        with told(self.place):
            return self._client.generate_presigned_url(
                "get_object", Params={"Bucket": self._bucket, "Key": key, **asked}, ExpiresIn=seconds
            )


def _client(endpoint: str | None, region: str) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        signature_version="s3v4",
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        max_pool_connections=32,
        # The signature covers the bytes, so that every server checks them as they arrive; checksums in trailers are
        # known to few others than Amazon's.
        s3={"addressing_style": "path" if endpoint else "auto", "payload_signing_enabled": True},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    # A session of its own: the one that boto3 shares is not for several threads.
    session = boto3.session.Session()
    return session.client("s3", endpoint_url=endpoint, region_name=region, config=config)
