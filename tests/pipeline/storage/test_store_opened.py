"""The store that the settings ask for: opened, or refused at the door."""

import logging
import socket
from dataclasses import replace

import pytest

from pipeline.errors import SettingsError, StorageFull, Unavailable
from pipeline.settings import Settings
from pipeline.storage.artifact_folder import ArtifactFolder
from pipeline.storage.bucket_failures import told
from pipeline.storage.store import open_store


@pytest.fixture
def environment(s3_server, monkeypatch, tmp_path):
    """A process that finds its keys where boto3 looks for them."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def settings_of(server, bucket, **more):
    storage = {"bucket": f"s3://{bucket}", "endpoint": server.endpoint, **more}
    return Settings.model_validate({"storage": storage})


def test_the_store_is_opened_as_the_settings_say(s3_server, bucket, prefix, environment, tmp_path, keys):
    assert isinstance(open_store(Settings(), tmp_path / "data"), ArtifactFolder)
    assert (tmp_path / "data" / "artifacts").is_dir()
    settings = settings_of(s3_server, f"{bucket}/{prefix}/", quota_gigabytes=0.001)
    store = open_store(settings, tmp_path / "data")
    digest = store.put(b"kept").digest
    assert keys() == {"opened", f"artifacts/{digest}"}
    with pytest.raises(StorageFull, match=rf"s3://{bucket} at {s3_server.endpoint}"):
        store.put(bytes(2**21))
    full = open_store(Settings.model_validate({"storage": {"reserve_megabytes": 1_048_576}}), tmp_path / "data")
    with pytest.raises(StorageFull, match=r"1048576\.0 MiB are never used"):
        full.put(b"x")


def test_settings_that_can_not_be_used_are_refused_at_the_door(s3_server, bucket, environment, tmp_path, caplog):
    caplog.set_level(logging.DEBUG, "mouthpiece")

    def refusal(server=s3_server, name=bucket):
        for key, value in server.environment().items():
            environment.setenv(key, value)
        with pytest.raises(SettingsError) as caught:
            open_store(settings_of(s3_server, name), tmp_path)
        assert caught.value.field == "storage.bucket"
        assert s3_server.secret_key not in str(caught.value) + repr(caught.value) + caplog.text
        assert s3_server.secret_key not in str(caught.value.__cause__)
        return caught.value

    assert "no such bucket (NoSuchBucket)" in refusal(name="no-such-bucket").message
    assert "access was denied" in refusal(s3_server.stranger()).message
    wrong = refusal(replace(s3_server, secret_key="wrong"))
    assert "the secret key is wrong" in wrong.message
    assert "AWS_SECRET_ACCESS_KEY" in wrong.accepted
    assert "can't be used" in refusal(replace(s3_server, access_key="nobody:here")).message
    for name in s3_server.environment():
        environment.delenv(name)
    with pytest.raises(SettingsError, match="NoCredentialsError") as caught:
        open_store(settings_of(s3_server, bucket), tmp_path)
    assert "AWS_ACCESS_KEY_ID" in str(caught.value.accepted)


def test_a_folder_that_can_not_be_written_is_refused_at_the_door(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError) as caught:
        open_store(Settings(), tmp_path / "file")
    assert caught.value.field == "storage.folder"


def test_a_server_that_does_not_answer_is_unavailable(environment, s3_server, bucket, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        away = replace(s3_server, endpoint=f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(Unavailable, match="EndpointConnectionError"):
            open_store(settings_of(away, bucket), tmp_path)


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("SlowDown", 503, Unavailable),
        ("InternalError", 500, Unavailable),
        ("RequestTimeout", 400, Unavailable),
        ("TooManyRequests", 429, Unavailable),
        ("ExpiredToken", 400, SettingsError),
        ("AuthorizationHeaderMalformed", 400, SettingsError),
        ("QuotaExceeded", 403, StorageFull),
        ("InsufficientStorage", 507, StorageFull),
        ("SomethingNew", 418, SettingsError),
    ],
)
def test_what_servers_say(code, status, error):
    from botocore.exceptions import ClientError

    answer = {"Error": {"Code": code, "Message": "AKIASECRET"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    with pytest.raises(error, match=code) as caught, told("s3://there"):
        raise ClientError(answer, "PutObject")
    assert "AKIASECRET" not in caught.value.message
