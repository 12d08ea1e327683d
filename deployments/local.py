"""The application in this process: Ray Serve's local mode, without a cluster, a server or a port."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path
from typing import Final

from ray import serve
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import LoggingConfig

from deployments import app
from deployments.backends import registry
from deployments.operations import Operations
from pipeline.settings import Settings
from pipeline.streams import settle

QUIET: Final = ("ray", "ray.serve", "absl", "matplotlib")
"""Loggers of libraries that speak to whoever runs a cluster, not to whoever renders a video."""

SETTLE_SECONDS: Final = 10.0
"""A model that is stopped looks up after each run of frames; slow ones need not be waited for."""


class LocalApplication:
    """The application of `settings` with a folder of videos of its own, which goes when it is closed.

    Voices and avatars are those of `storage.folder`, shared with a server on the same folder. Backends are loaded
    when they are first used. Raises `SettingsError` for settings that can't be used.
    """

    def __init__(self, settings: Settings, *, verbose: bool = False) -> None:
        registry.enabled(settings)
        self._folder = Path(tempfile.mkdtemp(prefix="mouthpiece-"))
        level = "INFO" if verbose else "CRITICAL"
        for name in QUIET:
            logging.getLogger(name).setLevel(level)
        self._handle: DeploymentHandle | None = None
        try:
            self._handle = serve.run(
                app.assemble(settings, runtime="process", folder=self._folder),
                name=app.NAME,
                logging_config=LoggingConfig(log_level=level, enable_access_log=verbose),
                _local_testing_mode=True,
            )
        except BaseException:
            self.close()
            raise
        self.operations = Operations(self._handle)

    def close(self) -> None:
        """Stops what is being made, waits until it has stopped, and removes the videos. Not on an event loop."""
        try:
            if self._handle is not None:
                self._handle.close.remote().result()
            settle(SETTLE_SECONDS)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
