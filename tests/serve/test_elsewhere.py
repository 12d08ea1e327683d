"""The whole application with its jobs in Postgres, its artifacts in a bucket, and a webhook that is called."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import Server, serving
from tests.pipeline.jobs.receiver import Receiver
from tests.postgres import Postgres
from tests.swift import S3Server

pytestmark = pytest.mark.cluster

WAIT = 180


@pytest.fixture(scope="module")
def elsewhere(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, s3_server: S3Server
) -> Iterator[tuple[Server, str]]:
    """A server, and the name of its bucket."""
    bucket = s3_server.bucket()
    settings = (
        f"storage.bucket=s3://{bucket}/studio",
        f"storage.endpoint={s3_server.endpoint}",
        "webhooks.private_networks=true",
    )
    environment = s3_server.environment() | {"MOUTHPIECE_STORAGE__DATABASE": postgres.database()}
    with serving(tmp_path_factory, *settings, environment=environment) as server:
        yield server, bucket


def test_a_video_is_kept_there_and_its_webhook_called(elsewhere: tuple[Server, str], s3_server: S3Server) -> None:
    server, bucket = elsewhere
    with Receiver(500, 200) as receiver:
        body = {"text": "I am kept elsewhere.", "prompt": "", "size": 128, "webhook": receiver.url()}
        video = httpx.post(f"{server.url}/api/v1/videos?wait={WAIT}", json=body, timeout=WAIT + 10).json()
        assert video["status"] == "completed", video
        told = receiver.wait(2)
    assert {call.id for call in told} == {told[0].id}, "the same message, once more after it failed"
    message = told[-1].message()
    assert (message["type"], message["data"]["task_id"]) == ("task.completed", video["id"])
    digest = video["result"]["sha256"]
    address = f"{server.url}/api/v1/videos/{video['id']}/content"
    whole = httpx.get(address, timeout=60).content
    assert hashlib.sha256(whole).hexdigest() == digest
    assert httpx.get(address, headers={"Range": "bytes=10-19"}, timeout=60).content == whole[10:20]
    there = httpx.get(address, params={"redirect": "true"}, timeout=60)
    assert there.status_code == 307
    assert there.headers["location"].startswith(s3_server.endpoint)
    served = httpx.get(there.headers["location"], timeout=60)
    assert (served.content, served.headers["content-type"]) == (whole, "video/mp4")
    listed = s3_server.client().list_objects_v2(Bucket=bucket, Prefix="studio/artifacts/")
    assert f"studio/artifacts/{digest}" in {item["Key"] for item in listed["Contents"]}


def test_nothing_of_the_jobs_is_in_the_folder(elsewhere: tuple[Server, str]) -> None:
    server, _ = elsewhere
    data = server.folder / "data"
    assert not list(data.rglob("*.sqlite"))
    assert not (data / "artifacts").exists()


def test_no_secret_is_shown(elsewhere: tuple[Server, str], s3_server: S3Server) -> None:
    server, _ = elsewhere
    status = httpx.get(f"{server.url}/api/v1/status", timeout=60).text
    assert "postgresql://" not in status
    assert s3_server.secret_key not in status + Path(server.folder / "server.log").read_text()
