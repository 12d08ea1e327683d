"""A Postgres server of the tests' own, which can be stopped, restarted and killed."""

from __future__ import annotations

import contextlib
import getpass
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.conftest import free_port

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",  # killed processes lose nothing by it, only machines do
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "log_min_messages": "fatal",
}


class Missing(Exception):
    """Postgres is not installed here."""


class Postgres:
    """A server on a free port of the loopback address, with data that outlives its restarts."""

    def __init__(self) -> None:
        """Makes a cluster, not yet started. Raises `Missing`."""
        self._programs = _programs()
        # Not pytest's folder: the server's user may not enter that.
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._as_user: list[str] = []
        user = getpass.getuser()
        if os.geteuid() == 0:  # it refuses to run as root
            user = _other_user()
            self._as_user = ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups"]
            shutil.chown(self._folder, user)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        initdb = ["initdb", "-D", str(self._data), "-U", "mouthpiece", "-A", "trust", "-E", "UTF8", "--no-sync"]
        self._call([*initdb, "--locale=C.UTF-8"])

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def url(self, name: str = "postgres") -> str:
        return f"postgresql://mouthpiece:never-shown@127.0.0.1:{self.port}/{name}"

    def database(self) -> str:
        """URL of a new, empty database."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def drop(self, url: str) -> None:
        self.execute(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """Runs one statement as the server's superuser."""
        with contextlib.closing(psycopg.connect(self.url(), autocommit=True)) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def start(self, seconds: float = 60) -> None:
        """Returns when it answers; at once where it does already."""
        end = time.monotonic() + seconds
        command = [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port), "-k", ""]
        for setting in _SETTINGS.items():
            command += ["-c", "=".join(setting)]
        while time.monotonic() < end:
            if self._process is None or self._process.poll() is not None:  # also while those of a killed one go away
                with (self._folder / "log").open("ab") as log:
                    self._process = subprocess.Popen([*self._as_user, *command], stdout=log, stderr=log)
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url(), connect_timeout=2).close()
                return
            time.sleep(0.05)
        raise RuntimeError(f"Postgres does not start: {(self._folder / 'log').read_text()[-2000:]}")

    def stop(self) -> None:
        """As an administrator does it: everyone is told, and thrown out."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60)
            self._process = None

    def kill(self) -> None:
        """As a failing machine does it: server and sessions are gone at once."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGSTOP)  # so that it starts no more
        for child in _children(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self._process.kill()
        self._process.wait(60)
        self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _call(self, command: list[str]) -> None:
        program, *arguments = command
        subprocess.run(
            [*self._as_user, str(self._programs / program), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self._folder,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )


def _programs() -> Path:
    """The folder of initdb and postgres, which Debian keeps off the search path."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    for folder in reversed(folders):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise Missing("initdb and postgres are not installed; on Debian: apt-get install postgresql")


def _other_user() -> str:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise Missing("there is no user besides root that Postgres could run as")


def _children(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
    return found


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for the session; whoever stops it starts it again."""
    try:
        server = Postgres()
    except Missing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    try:
        server.start()
        yield server
    finally:
        server.remove()
