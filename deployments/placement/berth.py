"""A replica's place on a card: what Ray has set aside for it, made a cap of its process, measured and reported."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import Final

from deployments import private_ray
from deployments.backends import device
from deployments.placement.board import Board, Report
from deployments.placement.footprints import rounded
from deployments.placement.reservation import SHARES
from deployments.placement.residents import ONGOING, PEAK, USED
from deployments.placement.terms import Terms
from pipeline.errors import BackendFailed

CONTEXT_BYTES: Final = 512 << 20
"""What a CUDA process takes of a card before its first tensor. It differs by card, driver and libraries;
`benchmarks/gpu_placement.py` measures it."""


class Berth:
    """Taken in the replica's constructor, before the backend is built. Blocks for a millisecond, or for as long as a
    CUDA context takes."""

    def __init__(self, terms: Terms) -> None:
        import ray
        from ray import serve

        context, replica = ray.get_runtime_context(), serve.get_replica_context()
        granted = context.get_assigned_resources().get("GPU", 0.0)
        names = ray.get_gpu_ids()
        self._terms = terms
        self._board = Board(replica.app_name)
        self._lock = Lock()
        self._ongoing = 0
        self._used = 0.0
        self._began = time.time()
        self.reserved = round(granted * SHARES) * terms.unit
        self._report = Report(
            replica=replica.replica_id.unique_id,
            deployment=replica.deployment,
            node=context.get_node_id(),
            card=card_number(private_ray.card(), names),
            card_name=str(names[0]) if names else "",
            reserved=self.reserved,
            pid=os.getpid(),
            began=self._began,
        )
        self._board.report(self._report)
        self.device = _opened(self.reserved)
        device.use(self.device)

    def ready(self) -> None:
        """The model is loaded."""
        now = time.time()
        self._report = replace(self._report, ready=now, load_seconds=now - self._began)
        self._board.report(self._report)

    @contextmanager
    def working(self) -> Generator[None]:
        """Within it, the replica has a request."""
        with self._lock:
            self._ongoing += 1
        try:
            yield
        finally:
            with self._lock:
                self._ongoing -= 1
                self._used = time.time()

    def stats(self) -> dict[str, float]:
        """For Serve's custom autoscaling metrics, which bring them to the policy."""
        with self._lock:
            return {ONGOING: self._ongoing, USED: self._used, PEAK: self.device.peak}

    def shortage(self, error: BaseException) -> BackendFailed | None:
        """The failure that an error stands for where the card's memory did not suffice, the need reported; None for
        any other error."""
        short = self.device.shortage(error)
        if short is None:
            return None
        need = rounded(max(short.need, self.reserved + 1))
        self._board.need(self._terms.key, need)
        room = self._terms.budget
        said = f"{self._report.deployment} ran out of the {_gigabytes(self.reserved)} GB of a card set aside for it"
        if need <= room or self.reserved < room:
            after = f"it gets {_gigabytes(min(need, room))} GB the next time"
        else:
            after = "no card has more"
        return BackendFailed(
            f"{said}: it needs {_gigabytes(need)} GB or more; {after}.",
            code="out_of_memory",
            accepted=f"{_gigabytes(need)} GB, a smaller picture or a smaller batch",
            retry_after=1 if self.reserved < room else None,
        )


def card_number(counted: int | None, names: list[int] | list[str]) -> int:
    """The card's number on its node as Ray counts its resources; where Ray does not say, as `CUDA_VISIBLE_DEVICES` has
    it (`names`), which may be another, and 0 for a name that is no number."""
    if counted is not None:
        return counted
    return int(names[0]) if names and str(names[0]).isdigit() else 0


def _opened(limit: int) -> device.Device:
    """The card itself where this machine has NVIDIA's, and one that is only counted elsewhere."""
    if shutil.which("nvidia-smi") is None:
        return device.Logical(limit)
    return device.Cuda(limit, CONTEXT_BYTES)


def _gigabytes(size: int) -> str:
    return f"{size / 2**30:.2f}".rstrip("0").rstrip(".")
