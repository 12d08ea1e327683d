"""A bucket of the real S3 server, and a prefix in it for one test."""

import secrets
from pathlib import Path

import pytest

from pipeline.storage.artifact_bucket import ArtifactBucket
from tests.swift import REGION

ROOT = Path(__file__).parents[3]
HOUR = 3600.0


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
