"""What the Hugging Face hub says of a file, asked by its own client, which also lays out the cache.

Honours what that client honours: HF_HOME, HF_HUB_CACHE, HF_ENDPOINT (a mirror), HF_TOKEN and HF_HUB_OFFLINE.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from deployments.backends.published.description import PublishedFile, PublishedModel
from deployments.backends.published.download import Source
from deployments.backends.published.location import hub_cache
from pipeline.errors import Forbidden, NotFound, SettingsError, Unavailable

ENDPOINT: Final = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as the hub has it."""

    etag: str
    """The name of its blob in the cache: SHA-256 of a large file, git's SHA-1 of a small one."""
    size: int | None
    commit: str
    source: Source


def offline() -> bool:
    """Whether nothing may be asked of the network: HF_HUB_OFFLINE, as the hub's client reads it."""
    return any(
        os.environ.get(variable, "").upper() in {"1", "ON", "YES", "TRUE"}
        for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )


def endpoint() -> str:
    """The hub, or the mirror of it that HF_ENDPOINT names."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or ENDPOINT


def look(model: PublishedModel, file: PublishedFile) -> Entry:
    """Raises `Unavailable`, `NotFound`, `Forbidden` (a licence has to be accepted), `SettingsError` for no client."""
    with _asking(model):
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.utils import build_hf_headers

        headers = build_hf_headers(library_name="mouthpiece")
        url = hf_hub_url(model.repository, file.path, revision=model.revision, endpoint=endpoint())
        found = get_hf_file_metadata(url, headers=headers, endpoint=endpoint(), retry_on_errors=True)
    if found.etag is None or found.commit_hash is None:
        raise Unavailable(
            f"{endpoint()} does not answer as a hub does: no entity tag or no commit.",
            code="no_hub",
            accepted="the address of a hub or a mirror in HF_ENDPOINT",
        )
    # Bytes lie with a third party more often than not, which has no business with anybody's token.
    own = _host(found.location) == _host(url)
    sent = {name: text for name, text in headers.items() if own or name.lower() != "authorization"}
    return Entry(found.etag, found.size, found.commit_hash, Source(found.location, sent))


def name_in_snapshot(model: PublishedModel, file: PublishedFile) -> None:
    """Has the hub's client give a blob that is in the cache its name in the repository."""
    with _asking(model):
        from huggingface_hub import hf_hub_download

        hf_hub_download(
            model.repository,
            file.path,
            revision=model.revision,
            cache_dir=hub_cache(),
            endpoint=endpoint(),
            library_name="mouthpiece",
        )


def _host(url: str) -> str | None:
    from urllib.parse import urlsplit

    return urlsplit(url).netloc


@contextmanager
def _asking(model: PublishedModel) -> Generator[None]:
    """Within it, what the hub's client raises is ours."""
    try:
        from huggingface_hub import errors
    except ImportError as error:
        raise SettingsError(
            f"Fetching {model.name} needs the hub's client: {error}.",
            code="missing_dependency",
            field="NAME",
            accepted="make models, or pip install huggingface_hub",
        ) from error
    import httpx2

    page = f"{endpoint()}/{model.repository}"
    try:
        yield
    except errors.GatedRepoError as error:
        raise Forbidden(
            f"{model.repository} is given only to those who have accepted its licence.",
            code="licence_not_accepted",
            accepted=f"accepting it at {page}, and a token of that account in HF_TOKEN",
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise NotFound(
            f"{endpoint()} has no {model.repository}, or not for this token.",
            code="not_published",
            accepted="another mirror in HF_ENDPOINT, or a token in HF_TOKEN",
        ) from error
    except (errors.RevisionNotFoundError, errors.RemoteEntryNotFoundError) as error:
        raise NotFound(
            f"{page} has not all files of {model.name} at {model.revision}: {_first(error)}", code="not_published"
        ) from error
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, httpx2.TransportError) as error:
        raise Unavailable(f"{endpoint()} can't be asked: {_first(error)}", code="hub_unavailable") from error


def _first(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
