"""What an S3 server's refusals mean here: settings to be changed, an outage to be waited for, or no room."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from pipeline.errors import MouthpieceError, SettingsError, StorageFull, Unavailable

_KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the shared credentials file"
_FULL = {"InsufficientStorage", "QuotaExceeded", "XMinioStorageFull", "EntityTooLarge", "507", "413"}
_SETTINGS = {
    "NoSuchBucket": ("there is no such bucket", "the name of one that exists, in storage.bucket"),
    "InvalidBucketName": ("that can't be the name of a bucket", "another storage.bucket"),
    "AccessDenied": ("access was denied", f"keys that may list, read, write and delete there: {_KEYS}"),
    "403": ("access was denied", f"keys that may list, read, write and delete there: {_KEYS}"),
    "AllAccessDisabled": ("access was denied", "another storage.bucket"),
    "AccountProblem": ("the account is not in order", "another account's keys"),
    "InvalidAccessKeyId": ("the access key is unknown", _KEYS),
    "SignatureDoesNotMatch": ("the secret key is wrong", _KEYS),
    "InvalidToken": ("the session token is wrong", "AWS_SESSION_TOKEN, or keys without one"),
    "ExpiredToken": ("the session token has expired", "AWS_SESSION_TOKEN, or keys without one"),
    "RequestTimeTooSkewed": ("this machine's clock is wrong", "a clock that is set"),
    "AuthorizationHeaderMalformed": ("the bucket is in another region", "storage.region"),
    "PermanentRedirect": ("the bucket is in another region", "storage.region"),
    "IllegalLocationConstraintException": ("the bucket is in another region", "storage.region"),
    "301": ("the bucket is in another region", "storage.region"),
}
_PASSING = {"RequestTimeout", "BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch", "OperationAborted"}
"""Refusals of a request that was damaged or held up on its way."""
_ABSENT = {"NoSuchKey", "404", "NotFound", "InvalidRange", "416"}


class Absent(Exception):
    """There is no such object, or it does not reach so far."""


class Exists(Exception):
    """There is one already, and only a new one was to be made."""


@contextmanager
def told(place: str) -> Generator[None]:
    """Within it, botocore's errors are ours, and speak of `place`. They quote codes only: a server's own words may
    hold keys."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        ConnectionError,
        FlexibleChecksumError,
        HTTPClientError,
        IncompleteReadError,
    )

    try:
        yield
    except ClientError as error:
        raise _answered(place, error.response) from error
    except (ConnectionError, HTTPClientError, IncompleteReadError, FlexibleChecksumError) as error:
        raise _unreached(place, error) from error
    except Boto3Error as error:
        cause = error.__context__
        if isinstance(cause, ClientError):  # as its transfers wrap them
            raise _answered(place, cause.response) from error
        raise _unreached(place, error) from error
    except BotoCoreError as error:  # keys, profiles, regions
        raise SettingsError(
            f"{place} can't be used: {type(error).__name__}.", field="storage.bucket", accepted=_KEYS
        ) from error


def _answered(place: str, response: Any) -> Exception:
    code = str(response.get("Error", {}).get("Code", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _ABSENT:
        return Absent(place)
    if code in ("PreconditionFailed", "ConditionalRequestConflict", "412"):
        return Exists(place)
    return _refused(place, code, status)


def _refused(place: str, code: str, status: int) -> MouthpieceError:
    if code in _SETTINGS:
        what, accepted = _SETTINGS[code]
        return SettingsError(f"{place} can't be used: {what} ({code}).", field="storage.bucket", accepted=accepted)
    if code in _FULL or status == 507:
        return StorageFull(f"{place} has no room for more ({code}).", accepted="a bucket with more room")
    if 400 <= status < 500 and status not in (408, 429) and code not in _PASSING:
        return SettingsError(
            f"{place} can't be used: the server refused with {code or status}.",
            field="storage.bucket",
            accepted="an S3 server at storage.endpoint that knows this request",
        )
    return Unavailable(f"{place} does not answer as it should: {code or status}.")


def _unreached(place: str, error: Exception) -> Unavailable:
    return Unavailable(
        f"{place} can't be reached: {type(error).__name__}.", accepted="an S3 server at storage.endpoint"
    )
