"""The process that has imported what every Ray worker imports, and forks a worker whenever Ray starts one.

Run as a script, by `deployments/forking/forked_workers.py`, with the number of a listening socket and the path of
Ray's `default_worker.py`. It imports and it forks: it starts no thread and connects to nothing, since a fork takes
neither along. What it could not fork truthfully it refuses, and that worker starts as Ray starts it.

Standard input is its lifeline. One line comes in, the process id of the raylet; at its end the zygote ends, and the
workers do not.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import os
import select
import signal
import socket
import struct
import sys
import types
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BEFORE_RAY: Final = (
    "numpy",
    "fastapi",
    "uvicorn",
    "grpc",
    "aiohttp",
    "requests",
    "jsonschema",
    "google.protobuf.internal.builder",
)
"""What Ray and Serve import of others: it is loaded while the raylet is on its way."""

WITH_RAY: Final = (
    "ray._private.workers.default_worker",
    "ray.serve._private.controller",
    "ray.serve._private.proxy",
    "ray.serve._private.replica",
    "ray.serve._private.default_impl",
    "uvloop",
)
"""Nothing of Mouthpiece: a program that connects to the cluster may have a `pipeline` of its own."""

OF_THE_WORKER: Final = frozenset({"RAY_JOB_ID", "RAY_RAYLET_PID", "RAY_LD_PRELOAD_ON_WORKERS", "SPT_NOENV"})
"""Variables that Ray sets for its workers, so that the environment of this process does not have them."""

NO_JOB: Final = "ffffffff"
"""JobID.nil(). Ray's library keeps the variable as it was when the library was loaded; a worker of no job, such as
Ray starts ahead of need, learns its job from its first task."""

THREADS: Final = "OPENBLAS_NUM_THREADS"

PATIENCE_SECONDS: Final = 5.0
"""How long a stand-in may take to say what it wants. It does so in one breath."""


@dataclass(frozen=True, slots=True)
class Order:
    """A worker to fork: what it would have inherited from the process that asks for it."""

    arguments: list[str]
    folder: str
    environment: dict[str, str]
    files: list[int]
    """Standard input, output and error."""
    process: int
    """Who asks: the stand-in."""


class Zygote:
    """Loads at once, then forks workers of the program `main` until standard input ends."""

    def __init__(self, listener: socket.socket, main: str) -> None:
        self._listener = listener
        self._environment = _common(os.environ)
        self.code = compile(Path(main).read_bytes(), main, "exec")
        gc.disable()
        # OpenBLAS starts its threads while it is loaded. One is what Ray, too, gives a worker with a part of a CPU.
        os.environ.setdefault(THREADS, "1")
        for module in BEFORE_RAY:
            _load(module)
        if THREADS not in self._environment:
            del os.environ[THREADS]
        self._raylet = _line()
        os.environ |= {"RAY_JOB_ID": NO_JOB, "RAY_RAYLET_PID": self._raylet, "SPT_NOENV": "1"}
        with _ids_left_alone():
            for module in WITH_RAY:
                _load(module)
        gc.collect()
        gc.freeze()
        gc.enable()
        if _id_of_a_fork() == _id_of_a_fork():
            raise RuntimeError("all forks would draw the same ids")
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the workers

    def serve(self) -> tuple[Order, socket.socket] | None:
        """Returns in each worker, with its order and the connection to its stand-in, and here at the end: None."""
        while True:
            ready, _, _ = select.select([self._listener, 0], [], [])
            if 0 in ready:
                return None
            connection, _ = self._listener.accept()
            with connection:
                order = _order(connection)
                if order is None:
                    continue
                refusal = self._refusal(order)
                if refusal is not None:
                    sys.stderr.write(f"a worker of {refusal}\n")
                elif os.fork() == 0:
                    self._listener.close()
                    return order, connection.dup()
                for file in order.files:
                    os.close(file)

    def _refusal(self, order: Order) -> str | None:
        """Modules read the environment while they are imported; a thread may hold a lock while another forks."""
        tasks = len(list(Path("/proc/self/task").iterdir()))
        if tasks != 1:
            return f"{tasks} threads"
        if order.environment.get("RAY_RAYLET_PID") != self._raylet:
            return "another raylet"
        theirs, ours = _common(order.environment).items(), self._environment.items()
        differing = (theirs - ours - os.environ.items()) | (ours - theirs)  # some modules set variables
        if differing:
            return f"another environment: {', '.join(sorted({name for name, _ in differing}))}"
        return None


def _common(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in OF_THE_WORKER}


def _load(module: str) -> None:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # not the module, which another version may not have, but something that it needs


@contextlib.contextmanager
def _ids_left_alone() -> Generator[None]:
    """Ray's library seeds its random ids with the first. Let that be a worker's own: without this, it is that of the
    first class of actors that a module of Serve declares."""
    import ray.actor

    names, original = vars(ray.actor), ray.actor.ActorClassID

    class FromSystem(original):
        @classmethod
        def from_random(cls) -> ray.actor.ActorClassID:
            return original(os.urandom(original.size()))

    names["ActorClassID"] = FromSystem
    try:
        yield
    finally:
        names["ActorClassID"] = original


def _id_of_a_fork() -> bytes:
    from ray import WorkerID

    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        os.write(writer, WorkerID.from_random().binary())
        os._exit(0)
    os.close(writer)
    os.waitpid(process, 0)
    with os.fdopen(reader, "rb") as file:
        return file.read()


def _line() -> str:
    """A line of standard input, of which Python's own reader, that the workers inherit, must not read ahead."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            raise SystemExit(0)
        line += byte
    return line.decode().strip()


def _order(connection: socket.socket) -> Order | None:
    """Written by `stand_in.py`; None of who left before the end."""
    connection.settimeout(PATIENCE_SECONDS)
    head, files, _, _ = socket.recv_fds(connection, 8, 3)
    try:
        body = bytearray()
        (size,) = struct.unpack("=Q", head)
        while len(body) < size:
            piece = connection.recv(size - len(body))
            if not piece:
                raise EOFError
            body += piece
        count, folder, *words = os.fsdecode(bytes(body)).split("\0")[:-1]
        process, _, _ = struct.unpack("=3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    except (struct.error, ValueError, EOFError, OSError):
        for file in files:
            os.close(file)
        return None
    variables = (word.partition("=") for word in words[int(count) :])
    environment = {name: value for name, _, value in variables}
    return Order(words[: int(count)], folder, environment, list(files), process)


def become(order: Order, connection: socket.socket) -> None:
    """Makes this fork the process that was ordered, and tells its stand-in."""
    inherited = Path(f"/proc/{order.process}")
    status = dict(line.split(":\t", 1) for line in (inherited / "status").read_text().splitlines())
    os.setpgid(0, 0)  # Ray ends what a worker has started by the worker's process group
    os.umask(int(status["Umask"], 8))
    blocked = int(status["SigBlk"], 16)
    signal.pthread_sigmask(signal.SIG_SETMASK, {n for n in range(1, signal.NSIG) if blocked >> (n - 1) & 1})
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with contextlib.suppress(PermissionError):  # a preference of Ray's, which it goes without too
        Path("/proc/self/oom_score_adj").write_text((inherited / "oom_score_adj").read_text())
    os.chdir(order.folder)
    for number, file in enumerate(order.files):
        os.dup2(file, number)
        os.close(file)
    os.environ |= order.environment
    sys.argv = order.arguments
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()  # Python's own generator does this by itself
    # Who kills the stand-in, which is the process that Ray knows until this one has registered, means this one.
    fcntl.fcntl(connection, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(connection, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(connection, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    connection.send(b"\n")
    connection.detach()  # it closes with the process


def main() -> None:
    worker = sys.argv[2]
    sys.path[0] = str(Path(worker).parent)  # for this script's
    zygote = Zygote(socket.socket(fileno=int(sys.argv[1])), worker)
    forked = zygote.serve()
    if forked is None:
        return
    become(*forked)
    module = types.ModuleType("__main__")
    module.__file__ = sys.argv[0] = worker
    sys.modules["__main__"] = module
    exec(zygote.code, module.__dict__)  # noqa: S102


if __name__ == "__main__":
    main()
