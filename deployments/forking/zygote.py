"""The process that has imported what Ray's own Python processes import, and forks one whenever Ray starts one.

Run as a script, by `deployments/forking/forked_workers.py`, with the number of a listening socket as its argument, and
names of modules, with commas between them, that it imports too once it has nothing else to do. It imports and it forks:
it starts no thread and connects to nothing, since a fork takes neither along. What it could not fork truthfully it
refuses, and that process starts as Ray starts it.

Standard input is its lifeline. One line comes in, the process id of the raylet; at its end the zygote ends, and what
it has forked does not.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import os
import select
import shutil
import signal
import socket
import struct
import sys
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Final

BEFORE_RAY: Final = (
    "numpy",
    "fastapi",
    "uvicorn",
    "grpc",
    "aiohttp",
    "aiohttp_cors",
    "requests",
    "jsonschema",
    "prometheus_client",
    "opentelemetry.exporter.prometheus",
    "google.protobuf.internal.builder",
)
"""What Ray and Serve import of others: it is loaded while the raylet is on its way."""

AGENTS: Final = (
    "ray.dashboard.agent",
    "ray.dashboard.modules.aggregator.aggregator_agent",
    "ray.dashboard.modules.event.event_agent",
    "ray.dashboard.modules.job.job_agent",
    "ray.dashboard.modules.log.log_agent",
    "ray.dashboard.modules.reporter.healthz_agent",
    "ray.dashboard.modules.reporter.reporter_agent",
    "ray._private.runtime_env.agent.runtime_env_agent",
)
"""The raylet starts two agents before anything else, and waits for them."""

WORKERS: Final = (
    "ray._private.workers.default_worker",
    "ray.serve._private.controller",
    "ray.serve._private.proxy",
    "ray.serve._private.replica",
    "ray.serve._private.default_impl",
    "uvloop",
)
"""Nothing of Mouthpiece: a program that connects to the cluster may have a `pipeline` of its own."""

RAYS_OWN: Final = frozenset({"RAY_JOB_ID", "RAY_NODE_ID", "RAY_RAYLET_PID", "RAY_LD_PRELOAD_ON_WORKERS", "SPT_NOENV"})
"""Variables that Ray sets for what it starts, so that the environment of this process does not have them."""

BY_PIPE: Final = "RAY_enable_pipe_based_agent_to_parent_health_check"
"""With this, which its modules read while they are imported, an agent ends when its standard input does. Without, when
it is no child of the raylet: a fork would never be."""

OF_A_TERMINAL: Final = frozenset({"COLUMNS", "LINES"})
"""Variables that may differ too, since libraries set them; they are read when something is shown."""

FOR_IMPORTS: Final = {"OMP_NUM_THREADS": "1", "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
"""What libraries of models are imported with, where the environment says nothing else. Ray lets a worker that reserves
less than one processor have one thread, by a variable that is read as the library is loaded. Some ask torch for cards
while they are imported: with the other one it looks without opening CUDA, which no fork could use any more (PyTorch,
`torch.cuda.is_available`)."""

CUDA: Final = ("/dev/nvidia-uvm", "/dev/dxg")
"""Devices that a process has open once it has used CUDA, on Linux and on Windows' Linux."""

HERE: Final = sys.path[0]
WORKER: Final = "default_worker.py"

NO_JOB: Final = "ffffffff"
"""JobID.nil(). Ray's library keeps the variable as it was when the library was loaded; a worker of no job, such as
Ray starts ahead of need, learns its job from its first task."""

QUIET_SECONDS: Final = 1.0
"""So long nobody has wanted a fork before it imports more than Ray needs: a fork that is wanted meanwhile has to wait
for that, and one before it does without."""

PATIENCE_SECONDS: Final = 5.0
"""How long a stand-in may take to say what it wants. It does so in one breath."""


@dataclass(frozen=True, slots=True)
class Order:
    """A process to fork: what it would have inherited from the one that asks for it."""

    program: Path
    """Python source."""
    arguments: list[str]
    folder: str
    environment: dict[str, str]
    files: list[int]
    """Standard input, output and error."""
    process: int
    """Who asks: the stand-in."""


class Zygote:
    """Loads at once, then forks until standard input ends."""

    def __init__(self, listener: socket.socket, more: Iterable[str]) -> None:
        self._listener = listener
        self._more = list(more)
        self._environment = _common(os.environ)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
        _load(BEFORE_RAY)
        self._raylet = _line()
        os.environ |= {"RAY_JOB_ID": NO_JOB, "RAY_RAYLET_PID": self._raylet, "SPT_NOENV": "1", BY_PIPE: "1"}
        self._later = [AGENTS, WORKERS]
        self._load_later()

    def serve(self) -> tuple[Order, socket.socket] | None:
        """Returns in each fork, with its order and the connection to its stand-in, and here at the end: None."""
        while True:
            quiet = QUIET_SECONDS if self._more else None
            ready, _, _ = select.select([self._listener, 0], [], [], 0 if self._later else quiet)
            if 0 in ready:
                return None
            if not ready and self._later:
                self._load_later()
                continue
            if not ready:
                self._load_more()
                continue
            connection, _ = self._listener.accept()
            with connection:
                order = _order(connection)
                if order is None:
                    continue
                if order.program.name == WORKER:
                    while self._later:
                        self._load_later()
                refusal = self._refusal(order)
                if refusal is not None:
                    sys.stderr.write(f"{order.program.name}: {refusal}\n")
                elif os.fork() == 0:
                    self._listener.close()
                    return order, connection.dup()
                for file in order.files:
                    os.close(file)

    def _load_more(self) -> None:
        """A library that models work with."""
        added = FOR_IMPORTS.keys() - os.environ.keys()
        os.environ |= {name: FOR_IMPORTS[name] for name in added}
        # One that can't be imported is nobody's loss here: a worker that needs it imports it itself, and says why.
        with _unheard(), contextlib.suppress(Exception):
            _load([self._more.pop(0)])
        for name in added:
            del os.environ[name]
        _id_of_a_fork()  # see below: threads of another OpenBLAS, as scipy has one

    def _load_later(self) -> None:
        import ray.actor

        # Ray's library seeds its random ids with the first of them. Let that be a fork's own: but for this, it would be
        # that of the first class of actors that a module of Serve declares.
        names, ids = vars(ray.actor), ray.actor.ActorClassID
        names["ActorClassID"] = SimpleNamespace(from_random=lambda: ids(os.urandom(ids.size())))
        try:
            _load(self._later.pop(0))
        finally:
            names["ActorClassID"] = ids
        # With the first fork the threads of OpenBLAS end, by its own doing; they start again where they are needed.
        if _id_of_a_fork() == _id_of_a_fork():
            raise RuntimeError("all forks would draw the same ids")

    def _refusal(self, order: Order) -> str | None:
        """Modules read the environment while they are imported; a thread may hold a lock while another forks; and CUDA
        is no use to a fork of a process that has it."""
        tasks = len(list(Path("/proc/self/task").iterdir()))
        if tasks != 1:
            return f"{tasks} threads"
        if holds(CUDA):
            return "CUDA is open"
        if order.environment.get("RAY_RAYLET_PID") != self._raylet:
            return "another raylet"
        if order.program.name != WORKER and order.environment.get(BY_PIPE) != os.environ[BY_PIPE]:
            return "no agent that its standard input ends"
        theirs, ours = _common(order.environment).items(), self._environment.items()
        differing = (theirs - ours - os.environ.items()) | (ours - theirs)  # some modules set variables
        if differing:
            return f"another environment: {', '.join(sorted({name for name, _ in differing}))}"
        return None


def _common(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in RAYS_OWN | OF_A_TERMINAL}


def holds(devices: tuple[str, ...]) -> bool:
    """Whether this process has any file open whose path begins with one of these."""
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # that of the listing itself
            if str(entry.readlink()).startswith(devices):
                return True
    return False


@contextlib.contextmanager
def _unheard() -> Generator[None]:
    """Drops what libraries remark on while they are imported: the log is for what goes wrong with forking. The streams
    themselves stay, since handlers of logs hold on to them."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        sys.stderr.flush()
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _load(modules: Iterable[str]) -> None:
    gc.disable()
    for module in modules:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise  # not the module, which another version may not have, but something that it needs
    gc.enable()
    gc.collect()
    gc.freeze()


def _id_of_a_fork() -> bytes:
    """A random id, as another process draws it."""
    from ray import WorkerID

    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, WorkerID.from_random().binary())
        os._exit(0)
    os.close(writer)
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
        program, count, folder, *words = os.fsdecode(bytes(body)).split("\0")[:-1]
        process, _, _ = struct.unpack("=3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    except (struct.error, ValueError, EOFError, OSError):
        for file in files:
            os.close(file)
        return None
    variables = (word.partition("=") for word in words[int(count) :])
    environment = {name: value for name, _, value in variables}
    return Order(Path(program), words[: int(count)], folder, environment, list(files), process)


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
    for name in {*RAYS_OWN, BY_PIPE} - order.environment.keys():
        os.environ.pop(name, None)
    sys.argv = [str(order.program), *order.arguments]
    sys.path[sys.path.index(HERE)] = str(order.program.parent)  # the folder of the script, which was this one's
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()  # Python's own generator does this by itself
    # Who kills the stand-in, which is the process that Ray knows until this one has registered, means this one.
    fcntl.fcntl(connection, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(connection, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(connection, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    connection.send(b"\n")
    connection.detach()  # it closes with the process


def main() -> None:
    listener = socket.socket(fileno=int(sys.argv[1]))
    folder = Path(listener.getsockname()).parent
    forked = Zygote(listener, filter(None, sys.argv[2].split(","))).serve()
    if forked is None:
        shutil.rmtree(folder)  # whoever made it may have been killed
        return
    order, connection = forked
    become(order, connection)
    module = ModuleType("__main__")
    module.__file__ = str(order.program)
    sys.modules["__main__"] = module
    exec(compile(order.program.read_bytes(), order.program, "exec"), module.__dict__)  # noqa: S102


if __name__ == "__main__":
    main()
