"""What only a bucket has to stand: its server, its keys, the network, and other machines."""

import contextlib
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import httpx
import pytest

from pipeline.errors import Damaged, NotFound, Unavailable
from pipeline.storage import artifact_bucket, condemned
from pipeline.storage.artifacts import PIECE
from pipeline.storage.retention import sweep
from tests.swift import REGION

ROOT = Path(__file__).parents[3]
HOUR = 3600.0


def test_a_signed_url_serves_it_without_us(opened):
    store = opened()
    data = secrets.token_bytes(2 * PIECE)
    digest = store.put(data).digest
    url = store.url(digest, 60, "video/mp4", 'Grüße "1".mp4')
    answer = httpx.get(url, headers={"Range": f"bytes={PIECE - 2}-{PIECE + 1}"})
    assert (answer.status_code, answer.content) == (206, data[PIECE - 2 : PIECE + 2])
    assert answer.headers["content-type"] == "video/mp4"
    shown = "inline; filename=\"Gr__e _1_.mp4\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%221%22.mp4"
    assert answer.headers["content-disposition"] == shown
    assert answer.headers["etag"]
    again = httpx.get(url, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert httpx.get(url).content == data
    assert httpx.get(url.replace(f"artifacts/{digest}", "opened")).status_code == 403
    assert httpx.get(url.replace("video%2Fmp4", "text%2Fhtml")).status_code == 403
    for seconds in (0, 8 * 86_400):
        with pytest.raises(ValueError, match="signed"):
            store.url(digest, seconds, "video/mp4", "a.mp4")


def test_a_url_is_given_for_what_is_whole_only(opened, s3_server, bucket, prefix):
    store = opened()
    digest = store.put(b"whole").digest
    s3_server.client().put_object(Bucket=bucket, Key=f"{prefix}/artifacts/{digest}", Body=b"wrong")
    with pytest.raises(Damaged):
        store.url(digest, 60, "video/mp4", "a.mp4")
    with pytest.raises(NotFound):
        store.url("0" * 64, 60, "video/mp4", "a.mp4")


def test_large_ones_go_in_parts_and_come_back(opened, s3_server, bucket, prefix):
    store = opened()
    piece = secrets.token_bytes(PIECE)
    with store.writer() as writer:
        for index in range(35):
            writer.write(index.to_bytes(4, "big") + piece[4:])
        stored = writer.commit()
    look = s3_server.client().head_object(Bucket=bucket, Key=f"{prefix}/artifacts/{stored.digest}")
    assert look["ETag"].strip('"').endswith("-3")
    store.renew(stored.digest)
    other = opened()
    other.verify(stored.digest)
    assert b"".join(other.stream(stored.digest, 34 * PIECE)) == (34).to_bytes(4, "big") + piece[4:]
    assert other.used() == 35 * PIECE


def test_uploads_that_were_cut_off_are_cleared_away_once_they_are_old(opened, s3_server, bucket, prefix, monkeypatch):
    client = s3_server.client()
    key = f"{prefix}/artifacts/{'0' * 64}"
    upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"x")

    def uploads():
        return client.list_multipart_uploads(Bucket=bucket, Prefix=prefix).get("Uploads", [])

    opened()
    assert len(uploads()) == 1
    monkeypatch.setattr(artifact_bucket, "_ABANDONED_SECONDS", -HOUR)
    opened()
    assert uploads() == []


def test_a_connection_that_breaks_is_taken_up_where_it_was(opened, s3_server, bucket):
    data = secrets.token_bytes(8 * PIECE)
    digest = opened().put(data).digest
    with Breaking(s3_server.endpoint, after=3 * PIECE) as proxy:
        import boto3

        client = boto3.client(
            "s3",
            endpoint_url=proxy.endpoint,
            region_name=REGION,
            aws_access_key_id=s3_server.access_key,
            aws_secret_access_key=s3_server.secret_key,
        )
        store = opened(client=client)
        assert b"".join(store.stream(digest)) == data
        assert proxy.broken >= 2
        proxy.after = 1000
        with pytest.raises(Unavailable):
            list(store.stream(digest))
        client.close()


class Breaking:
    """A way to a server on which connections are cut when they have brought so many bytes."""

    def __init__(self, endpoint, after):
        self.after = after
        self.broken = 0
        self._to = endpoint.removeprefix("http://").split(":")
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._threads = []

    def __enter__(self):
        self._spawn(self._accept)
        return self

    def __exit__(self, *error):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join()

    def _spawn(self, target, *arguments):
        self._threads.append(threading.Thread(target=target, args=arguments))
        self._threads[-1].start()

    def _accept(self):
        while True:
            try:
                near = self._socket.accept()[0]
            except OSError:
                return
            self._spawn(self._carry, near)

    def _carry(self, near):
        with near, socket.create_connection((self._to[0], int(self._to[1]))) as far:
            asking = threading.Thread(target=self._copy, args=(near, far, None))
            asking.start()
            self._copy(far, near, self.after)
            asking.join()

    def _copy(self, source, sink, most):
        carried = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if most is not None and carried + len(data) > most:
                    self.broken += 1
                    break
                sink.sendall(data)
                carried += len(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def test_a_killed_process_leaves_whole_artifacts_only(s3_server, bucket, prefix, opened, tmp_path):
    code = """
        import random, sys
        from pathlib import Path
        from pipeline.storage.artifact_bucket import ArtifactBucket
        bucket, prefix, endpoint, scratch, seed = sys.argv[1:]
        store = ArtifactBucket(bucket, prefix, endpoint=endpoint, region="us-east-1", scratch=Path(scratch))
        chance = random.Random(int(seed))
        print("open", flush=True)
        while True:
            data = chance.randbytes(chance.randrange(1, 3_000_000))
            print(store.put(data).digest, flush=True)
    """
    committed = set()
    for turn in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), bucket, prefix, s3_server.endpoint, tmp_path, str(turn)],
            cwd=ROOT,
            env=os.environ | s3_server.environment(),
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        committed.add(process.stdout.readline().decode().strip())
        time.sleep(0.05 * turn)
        process.send_signal(signal.SIGKILL)
        committed |= {line for line in process.communicate()[0].decode().split("\n")[:-1] if len(line) == 64}
    store = opened()
    found = {kept.digest for kept in store.list()}
    assert committed <= found
    for digest in found:
        store.verify(digest)
    assert list(tmp_path.iterdir()) == []


class Meddling:
    """A client that does something else just before one of its calls."""

    def __init__(self, client, call, key, meddle):
        self._client, self._call, self._key, self._meddle = client, call, key, meddle

    def __getattr__(self, name):
        called = getattr(self._client, name)
        if name != self._call:
            return called

        def first(**given):
            if given.get("Key", "").endswith(self._key) and (meddle := self._meddle):
                self._meddle = None
                meddle()
            return called(**given)

        return first


def test_what_is_put_while_it_is_removed_is_there(opened, s3_server, keys):
    """The put comes between the remover's look and its deletion: the hardest moment of all."""
    putting = opened()
    digest = putting.put(b"wanted again").digest
    later = time.time() + HOUR
    result = []
    threads = []

    def put():
        threads.append(threading.Thread(target=lambda: result.append(putting.put(b"wanted again"))))
        threads[0].start()
        while not waiting.wait(0.01):  # it has renewed it, and has seen the mark
            assert threads[0].is_alive()

    waiting = threading.Event()
    age = putting._objects.age

    def seen(key):
        waiting.set()
        return age(key)

    putting._objects.age = seen
    removing = opened(client=Meddling(s3_server.client(), "delete_object", f"artifacts/{digest}", put))
    assert removing.discard(digest, later)
    threads[0].join()
    assert result[0].digest == digest
    assert putting.read(digest) == b"wanted again"
    assert keys() - {f"renewed/{digest}"} == {"opened", f"artifacts/{digest}"}


def test_what_is_renewed_before_the_look_stays(opened, s3_server, keys):
    store = opened()
    digest = store.put(b"found").digest
    (kept,) = store.list()
    time.sleep(max(0.0, kept.modified + 1.1 - time.time()))  # servers keep whole seconds
    removing = opened(client=Meddling(s3_server.client(), "put_object", digest, lambda: store.renew(digest)))
    assert not removing.discard(digest, kept.modified)
    assert keys() == {"opened", f"artifacts/{digest}", f"renewed/{digest}"}
    (renewed,) = store.list()
    assert renewed.modified > kept.modified
    assert store.discard(digest, renewed.modified)
    assert keys() == {"opened"}


def test_two_do_not_remove_at_once_and_the_mark_of_the_dead_is_taken_away(
    opened, s3_server, bucket, prefix, keys, monkeypatch
):
    store = opened()
    digest = store.put(b"old").digest
    s3_server.client().put_object(Bucket=bucket, Key=f"{prefix}/condemned/{digest}", Body=b"")
    assert not store.discard(digest, time.time() + HOUR)
    monkeypatch.setattr(condemned, "_DEAD_SECONDS", -2)
    assert not store.discard(digest, time.time() + HOUR)  # but the mark is gone now
    assert store.discard(digest, time.time() + HOUR)
    s3_server.client().put_object(Bucket=bucket, Key=f"{prefix}/condemned/{digest}", Body=b"")
    store.put(b"old")
    assert keys() == {"opened", f"artifacts/{digest}"}


def test_a_sweep_of_a_bucket(opened, keys):
    store = opened()
    wanted, unwanted = store.put(b"wanted").digest, store.put(bytes(PIECE + 1)).digest
    assert sweep(store, lambda: {wanted}, grace_seconds=HOUR, now=time.time()).removed == 0
    swept = sweep(store, lambda: {wanted}, grace_seconds=HOUR, now=time.time() + 2 * HOUR)
    assert (swept.removed, swept.bytes) == (1, PIECE + 1)
    assert unwanted not in "".join(keys())
    assert store.used() == len(b"wanted")


def test_keys_show_nowhere(opened, s3_server, caplog):
    caplog.set_level(logging.DEBUG, "mouthpiece")
    store = opened()
    store.put(b"x")
    assert s3_server.secret_key not in repr(store) + str(vars(store)) + repr(s3_server) + caplog.text
