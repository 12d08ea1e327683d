"""Every error Mouthpiece raises on purpose.

    MouthpieceError
    ├── UserError                      4xx: the request has to change
    │   ├── InvalidRequest       422   a field is missing, unknown, out of range or contradicts another
    │   │   ├── InvalidText      422   nothing to say, too much to say, or characters nobody can say
    │   │   └── UnknownName      422   a backend, voice, language or option that does not exist here
    │   ├── InvalidMedia         422   bytes that are not the media they should be
    │   │   ├── InvalidAudio     422   not audio, empty, silent, too short, clipped, NaN, several speakers
    │   │   ├── InvalidImage     422   not an image, truncated, too many pixels, too small
    │   │   └── UnusableFace     422   no face, several faces, too small, turned away
    │   ├── Forbidden            403   sent by another site's page, or to a name that is not ours
    │   ├── NotFound             404
    │   ├── Conflict             409
    │   └── TooLarge             413   an upload past the limit
    ├── Busy                     429   the queue is full; come back after `retry_after` seconds
    ├── Unavailable              503   a part that should answer does not (yet)
    ├── BackendFailed            500   a model raised; names the step
    ├── StorageFull              507   no room for what was made: the disk, the bucket or the quota is full
    ├── Damaged                  500   stored bytes are not what was stored; found on reading
    ├── MissingWeights           503   a published model's files are not on this machine; names the command that fetches
    ├── Cancelled                499   the caller went away or asked to stop
    └── SettingsError            500   the configuration can't be used; raised before anything starts

Callers look at classes and codes, never at the text of a message.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, ClassVar, Final


class MouthpieceError(Exception):
    """Root of the tree.

    `message` says what was wrong and where, `code` is stable and meant for programs, `field` is the dotted
    name of the request field at fault, `accepted` says what would have been right, `retry_after` is in
    seconds.
    """

    status: ClassVar[int] = 500
    default_code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        field: str | None = None,
        accepted: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.field = field
        self.accepted = accepted
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments do not survive the default pickling of exceptions, and errors cross processes.
        return _rebuild, (type(self), self.message, self.code, self.field, self.accepted, self.retry_after)

    def body(self) -> dict[str, Any]:
        """The JSON body of the HTTP answer: `{"error": {"code", "message", ...}}`."""
        error: dict[str, Any] = {"code": self.code, "message": self.message, "retryable": self.retryable}
        if self.code != self.default_code:
            error["kind"] = self.default_code
        for name in ("field", "accepted", "retry_after"):
            value = getattr(self, name)
            if value is not None:
                error[name] = value
        return {"error": error}


def _rebuild(
    kind: type[MouthpieceError],
    message: str,
    code: str,
    field: str | None,
    accepted: str | None,
    retry_after: float | None,
) -> MouthpieceError:
    return kind(message, code=code, field=field, accepted=accepted, retry_after=retry_after)


LISTED: Final = 12
"""Names in an error, at most."""


def listed(name: str, valid: Iterable[str], *, most: int = LISTED, whole: str = "") -> str:
    """The names that would have been right, in alphabetical order; of more than `most` those closest to `name`, the
    closest first, and how many more there are, with where to find them (`whole`)."""
    names = sorted(set(valid))
    if len(names) <= most:
        return ", ".join(names) or "none"
    from difflib import SequenceMatcher

    matcher = SequenceMatcher(b=name.casefold()[:100], autojunk=False)

    def likeness(candidate: str) -> float:
        matcher.set_seq1(candidate.casefold()[:100])
        return matcher.ratio()

    closest = sorted(names, key=likeness, reverse=True)[:most]
    more = f"and {len(names) - most} more"
    return ", ".join([*closest, f"{more} ({whole})" if whole else more])


class UserError(MouthpieceError):
    status = 400
    default_code = "bad_request"


class InvalidRequest(UserError):
    status = 422
    default_code = "invalid_request"


class InvalidText(InvalidRequest):
    default_code = "invalid_text"


class UnknownName(InvalidRequest):
    """A name that is not in a table. What is accepted lists the names that are: of many the closest."""

    default_code = "unknown_name"

    @classmethod
    def of(
        cls, kind: str, name: str, valid: Iterable[str], *, field: str | None = None, whole: str = ""
    ) -> UnknownName:
        """`whole` says where all of the names are to be had, if there are more than are listed."""
        accepted = listed(name, valid, whole=whole)
        return cls(f"There is no {kind} {name!r} here.", field=field or kind, accepted=accepted)


class InvalidMedia(UserError):
    status = 422
    default_code = "invalid_media"


class InvalidAudio(InvalidMedia):
    default_code = "invalid_audio"


class InvalidImage(InvalidMedia):
    default_code = "invalid_image"


class UnusableFace(InvalidMedia):
    default_code = "unusable_face"


class Forbidden(UserError):
    status = 403
    default_code = "forbidden"


class NotFound(UserError):
    status = 404
    default_code = "not_found"


class Conflict(UserError):
    status = 409
    default_code = "conflict"


class TooLarge(UserError):
    status = 413
    default_code = "too_large"


class Busy(MouthpieceError):
    status = 429
    default_code = "busy"
    retryable = True


class Unavailable(MouthpieceError):
    status = 503
    default_code = "unavailable"
    retryable = True


REPLICA_DIED = "replica_died"
"""Code of an `Unavailable` that is worth one more try at once: another replica does the same work."""


class BackendFailed(MouthpieceError):
    default_code = "backend_failed"
    retryable = True


class StorageFull(MouthpieceError):
    status = 507
    default_code = "storage_full"
    retryable = True


class Damaged(MouthpieceError):
    default_code = "damaged"
    retryable = True


class MissingWeights(MouthpieceError):
    """Files of a published model are not here. Asking again helps only after they were fetched."""

    status = 503
    default_code = "missing_weights"


class Cancelled(MouthpieceError):
    status = 499
    default_code = "cancelled"


class SettingsError(MouthpieceError):
    default_code = "invalid_settings"


@contextmanager
def renamed(**fields: str) -> Generator[None]:
    """Within it, errors speak of the fields of another request: theirs on the left, its own on the right."""
    try:
        yield
    except MouthpieceError as error:
        error.field = fields.get(error.field or "", error.field)
        raise
