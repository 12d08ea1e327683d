"""Databases of both kinds, empty and of the newest schema; a bucket of the real S3 server, and a prefix in it."""

import secrets

import pytest

from pipeline.storage.artifact_bucket import ArtifactBucket
from pipeline.storage.database import Database
from tests.swift import REGION


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    """URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/jobs.sqlite"
    else:
        server = request.getfixturevalue("postgres")
        url = server.database()
        yield url
        server.start()  # whatever the test did to it
        server.drop(url)


@pytest.fixture
def database(url):
    database = Database(url)
    database.create()
    yield database
    database.close()


@pytest.fixture(scope="module")
def bucket(s3_server):
    return s3_server.bucket()


@pytest.fixture
def prefix():
    return secrets.token_hex(8)


@pytest.fixture
def opened(s3_server, bucket, prefix, tmp_path):
    def opened(**options):
        options = {"client": s3_server.client()} | options
        return ArtifactBucket(bucket, prefix, endpoint=s3_server.endpoint, region=REGION, scratch=tmp_path, **options)

    return opened


@pytest.fixture
def keys(s3_server, bucket, prefix):
    def keys():
        entries = s3_server.client().list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())
        return {entry["Key"].removeprefix(f"{prefix}/") for entry in entries}

    return keys
