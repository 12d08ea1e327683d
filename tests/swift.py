"""A real S3 server for tests: OpenStack Swift with s3api and tempauth, four small processes on this machine.

It checks signatures, does multipart, ranges, presigned URLs and create-only. `make test` installs it into an
environment of its own, since what it wants does not go with ours.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

PYTHON = Path(__file__).parents[1] / "build" / "swift" / "bin" / "python"
REGION = "us-east-1"
_STARTS_IN_SECONDS = 120

# Swift looks for its configuration in /etc/swift, and tells nobody where else it may be but its own tests.
_LAUNCH = """
import ctypes, importlib, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it ends with the tests, however they end
folder, module, config = sys.argv[1:]
from swift.common.utils import set_swift_dir
set_swift_dir(folder)
from swift.common import storage_policy
storage_policy.reload_storage_policies()
sys.path.append(folder)
sys.argv = [module, config, "--verbose"]
sys.exit(importlib.import_module(module).main())
"""

# Where an account and a bucket are is looked up once a minute, as with memcached, and not for every request.
_REMEMBERED = """
from time import monotonic

class Remembered:
    def __init__(self):
        self._held = {}

    def get(self, key, **_):
        value, end = self._held.get(key, (None, 0))
        return value if end > monotonic() else None

    def set(self, key, value, time=0, **_):
        self._held[key] = value, monotonic() + (time or 60)

    def delete(self, key, **_):
        self._held.pop(key, None)

def filter_factory(*_, **__):
    held = Remembered()

    def remembering(app):
        def called(env, start_response):
            env["swift.cache"] = held
            return app(env, start_response)
        return called
    return remembering
"""

_RINGS = """
import sys
from swift.common.ring import RingBuilder
folder = sys.argv[1]
for name, port in zip(("account", "container", "object"), sys.argv[2:]):
    ring = RingBuilder(part_power=2, replicas=1, min_part_hours=0)
    ring.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "disk", "weight": 1})
    ring.rebalance()
    ring.get_ring().save(f"{folder}/{name}.ring.gz")
"""

_SWIFT = """
[swift-hash]
swift_hash_path_suffix = tests
[storage-policy:0]
name = one
default = yes
"""

_STORAGE = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
swift_dir = {folder}
devices = {folder}
mount_check = false
workers = 0
user = {user}
# A listing must never lag behind: there is no updater here that would bring it up later.
container_update_timeout = 60
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""

_PROXY = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
swift_dir = {folder}
workers = 0
user = {user}
[pipeline:main]
pipeline = healthcheck remembered s3api tempauth bulk slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
node_timeout = 60
conn_timeout = 10
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:remembered]
paste.filter_factory = remembered:filter_factory
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
auth_pipeline_check = false
[filter:tempauth]
use = egg:swift#tempauth
user_test_owner = {secret} .admin
user_test_stranger = {secret}
[filter:bulk]
use = egg:swift#bulk
[filter:slo]
use = egg:swift#slo
"""


@dataclass(frozen=True)
class S3Server:
    """A running server, and who uses it."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)

    def stranger(self) -> S3Server:
        """The same server for somebody who may use none of the owner's buckets."""
        return replace(self, access_key="test:stranger")

    def environment(self) -> dict[str, str]:
        """What boto3 reads its keys from."""
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}

    def client(self) -> Any:
        return _client(self)

    def bucket(self) -> str:
        """A new one, of this name."""
        name = f"test-{secrets.token_hex(8)}"
        self.client().create_bucket(Bucket=name)
        return name


@cache
def _client(server: S3Server) -> Any:
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name=REGION,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
    )


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _start(folder: Path, processes: list[subprocess.Popen[bytes]]) -> S3Server:
    secret = secrets.token_hex(16)
    user = subprocess.check_output(["id", "-un"], text=True).strip()
    ports = dict(zip(("account", "container", "object", "proxy"), _free_ports(4), strict=True))
    (folder / "disk").mkdir()
    (folder / "swift.conf").write_text(_SWIFT)
    (folder / "remembered.py").write_text(_REMEMBERED)
    for name, port in ports.items():
        template = _PROXY if name == "proxy" else _STORAGE
        text = template.format(name=name, port=port, folder=folder, user=user, secret=secret)
        (folder / f"{name}.conf").write_text(text)
    storage = [str(ports[name]) for name in ("account", "container", "object")]
    subprocess.run([PYTHON, "-c", _RINGS, str(folder), *storage], check=True, env=_environment())
    with (folder / "log").open("wb") as log:
        for name in ports:
            module = {"object": "swift.obj.server"}.get(name, f"swift.{name}.server")
            command = [str(PYTHON), "-c", _LAUNCH, str(folder), module, str(folder / f"{name}.conf")]
            processes.append(subprocess.Popen(command, stdout=log, stderr=log, env=_environment()))
    server = S3Server(f"http://127.0.0.1:{ports['proxy']}", "test:owner", secret)
    end = time.monotonic() + _STARTS_IN_SECONDS
    waiting = set(ports)
    while waiting and time.monotonic() < end and all(process.poll() is None for process in processes):
        for name in list(waiting):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", ports[name])) == 0:
                    waiting.remove(name)
        time.sleep(0.05)
    if waiting or httpx.get(f"{server.endpoint}/healthcheck", timeout=30).text != "OK":
        pytest.fail(f"The S3 server did not start: {(folder / 'log').read_text(errors='replace')[-4000:]}")
    return server


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    if not PYTHON.exists():
        reason = f"there is no S3 server: `make {PYTHON.parents[1].relative_to(Path(__file__).parents[1])}/.installed`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        yield _start(tmp_path_factory.mktemp("swift"), processes)
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
