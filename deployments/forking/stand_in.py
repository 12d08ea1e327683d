"""What the raylet starts where it wants a Python process: has it forked, and stands in for it until it ends.

Run as a script, with the path and the arguments of a script of Ray's, or the arguments of a worker alone. The raylet
knows this process, watches it and ends it: the socket between the two makes each end with the other. Where there is no
zygote, or it refuses, this process becomes what the raylet wanted.
"""

from __future__ import annotations

import os
import socket
import struct
import sys

PATIENCE_SECONDS = 30
"""How long the zygote may take, which may still be importing. Ray itself waits a minute for a worker."""


def ask(address: str, program: str, arguments: list[str]) -> socket.socket | None:
    """The connection to a fork that has what this process was started with."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE_SECONDS)
    folder = os.getcwd()  # noqa: PTH109 - without the import
    variables = (f"{name}={value}" for name, value in os.environ.items())
    words = (program, str(len(arguments)), folder, *arguments, *variables)
    body = b"".join(os.fsencode(word) + b"\0" for word in words)
    try:
        connection.connect(address)
        socket.send_fds(connection, [struct.pack("=Q", len(body))], [0, 1, 2])
        connection.sendall(body)
        if not connection.recv(1):
            return None
    except OSError as error:
        sys.stderr.write(f"not forked: {error}\n")
        return None
    connection.settimeout(None)
    return connection


def main() -> None:
    # What the raylet wanted has neither in its environment.
    address, worker = os.environ.pop("ZYGOTE_SOCKET"), os.environ.pop("ZYGOTE_WORKER")
    arguments = sys.argv[1:]
    program = arguments.pop(0) if arguments[0].endswith(".py") else worker
    connection = ask(address, program, arguments)
    if connection is None:
        options = sys.orig_argv[1 : -len(sys.argv)]
        os.execv(sys.executable, [sys.executable, *options, program, *arguments])  # noqa: S606
    # The fork never writes here; at its end the socket does. A tenth of the memory of a Python that waits.
    os.dup2(connection.fileno(), 0)
    os.execvp("cat", ["cat"])  # noqa: S606


main()
