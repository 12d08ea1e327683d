"""Ray's workers as forks of one process that has already imported Ray and Serve: seconds less, and shared memory.

Seven workers that each import the same 1,200 modules take 2 CPU seconds and 90 MB apiece, and the raylet waits for two
agents that do much the same. Linux only; everywhere else, and whenever something is not as it is expected to be, they
start as Ray starts them.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

HERE: Final = Path(__file__).parent

SOCKET: Final = "socket"
LOG: Final = "log"

TITLE: Final = "-" * 512
"""Ray writes what a worker does over the arguments of its process, and forks have the zygote's."""


class ForkedWorkers:
    """The zygote of one cluster of this process. Start it early, with the environment that the cluster will have."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], lifeline: int, worker: Path) -> None:
        self.folder = folder
        """Its socket and what it had to say."""
        self._process = process
        self._lifeline = lifeline
        self.path = str(HERE / "stand_in.py")
        """For Ray to start in place of its own `default_worker.py`."""
        self.environment = {"ZYGOTE_SOCKET": str(folder / SOCKET), "ZYGOTE_WORKER": str(worker)}
        """What `path` has to have in its environment."""

    @classmethod
    def start(cls, imports: Iterable[str] = ()) -> ForkedWorkers | None:
        """None where workers can't be forked, which the log explains where it is not a matter of course.

        `imports` are modules that workers will want, besides what Ray and Serve need. They are imported when nobody has
        wanted a worker for a second; those that are not installed are passed over. They must start no thread and use
        no card: nothing is forked any more from a process that has done so.
        """
        ray = importlib.util.find_spec("ray")
        if sys.platform != "linux" or ray is None or ray.origin is None:
            return None
        worker = Path(ray.origin).parent / "_private" / "workers" / "default_worker.py"
        folder = Path(tempfile.mkdtemp(prefix="mouthpiece-workers-"))  # its mode is 0700
        with socket.socket(socket.AF_UNIX) as listener, (folder / LOG).open("wb") as errors:
            try:
                listener.bind(str(folder / SOCKET))
            except OSError as error:
                log.warning("workers are not forked, the start takes longer: %s: %s", folder, error)
                shutil.rmtree(folder)
                return None
            listener.listen()
            its_end, lifeline = os.pipe()
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-u",
                    *_options(),
                    str(HERE / "zygote.py"),
                    str(listener.fileno()),
                    ",".join(imports),
                    TITLE,
                ],
                stdin=its_end,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                pass_fds=(listener.fileno(),),
                process_group=0,  # Ctrl-C is for the server
            )
            os.close(its_end)
        return cls(folder, process, lifeline, worker)

    @property
    def process(self) -> int:
        """Id of the zygote."""
        return self._process.pid

    def of_raylet(self, process: int) -> None:
        """Its id is loaded with Ray's library: the zygote waits for this before it imports Ray."""
        with contextlib.suppress(BrokenPipeError):  # `check` says so
            os.write(self._lifeline, b"%d\n" % process)

    def check(self) -> None:
        """Warns if something did not go as it should: these workers have started as Ray starts them."""
        reasons = (self.folder / LOG).read_text("utf-8", errors="replace").strip().splitlines()[-1:]
        if self._process.poll() is not None:
            reasons.append(f"the zygote ended with {self._process.returncode}")
        if reasons:
            log.warning("workers are not forked: %s", "; ".join(reasons))

    def stop(self) -> None:
        """Ends the zygote. Workers live until their raylet ends."""
        os.close(self._lifeline)
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _options() -> list[str]:
    """Those of this interpreter that Ray too hands on to its workers."""
    return ["-S"] * sys.flags.no_site + ["-s"] * sys.flags.no_user_site
