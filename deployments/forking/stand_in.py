"""What Ray starts where it wants a Python worker: asks the zygote for one, and stands in for it until it ends.

Run as a script by the raylet, with the arguments of Ray's `default_worker.py`. Ray knows this process until the worker
has registered, and ends it with the cluster: the socket between the two makes each end with the other. Where there is
no zygote, or it refuses, this process becomes the worker, as Ray would have had it.
"""

from __future__ import annotations

import os
import socket
import struct
import sys

PATIENCE_SECONDS = 30
"""How long the zygote may take, which may still be importing. Ray itself waits a minute for a worker."""


def ask(address: str) -> socket.socket | None:
    """The connection to a worker that has what this process was started with."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE_SECONDS)
    folder = os.getcwd()  # noqa: PTH109 - without the import
    words = [str(len(sys.argv)), folder, *sys.argv, *(f"{name}={value}" for name, value in os.environ.items())]
    body = b"".join(os.fsencode(word) + b"\0" for word in words)
    try:
        connection.connect(address)
        socket.send_fds(connection, [struct.pack("=Q", len(body))], [0, 1, 2])
        connection.sendall(body)
        if not connection.recv(1):
            return None
    except OSError as error:
        sys.stderr.write(f"no forked worker: {error}\n")
        return None
    connection.settimeout(None)
    return connection


def main() -> None:
    # The worker's own environment has neither.
    address, worker = os.environ.pop("ZYGOTE_SOCKET"), os.environ.pop("ZYGOTE_WORKER")
    connection = ask(address)
    if connection is None:
        options = sys.orig_argv[1 : -len(sys.argv)]
        os.execv(sys.executable, [sys.executable, *options, worker, *sys.argv[1:]])  # noqa: S606
    # The worker never writes here; at its end the socket does. A tenth of the memory of a Python that waits.
    os.dup2(connection.fileno(), 0)
    os.execvp("cat", ["cat"])  # noqa: S606


main()
