"""A local Ray cluster with the application on it, for as long as one process wants it: `mouthpiece serve`."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

import yaml

from deployments import private_ray
from deployments.backends import registry
from deployments.backends.descriptor import Backend
from deployments.forking.forked_workers import ForkedWorkers
from deployments.placement import arrangement, gpus
from pipeline import cascade, settings_file
from pipeline.errors import MouthpieceError, SettingsError, Unavailable
from pipeline.layers import Layer
from pipeline.settings import SECRETS, Key, Settings

log = logging.getLogger(__name__)

LOOPBACK: Final = "127.0.0.1"

CONTROL_LOOP_SECONDS: Final = "0.05"
"""Serve's controller looks at its deployments this often where models take turns: eviction waits for it. Elsewhere its
default of 0.1 will do, at half the work."""

ONE_LOOP: Final = ("RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD", "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP")
"""Serve runs a replica's code, and the choice of where a call goes, on event loops in threads of their own, so that
what blocks does not block Serve. Ours does not block, and each change of threads waits for the interpreter's lock:
switched off, a call takes a sixth less."""

BY_GRPC: Final = "RAY_SERVE_PROXY_USE_GRPC"
"""Switched on, Serve's proxy calls replicas by gRPC and not as actors. An answer that comes in many pieces costs both
of them half as much, and a reader who takes his time is felt by whoever makes the pieces. The port asks for the
user's token as Ray's others do."""

PROXY_CHECKS: Final = ("RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S", "1")
"""Serve starts its proxy anew after three checks without an answer. By its default, one every ten seconds, a proxy that
is killed leaves nobody at the port for half a minute."""

IMPORT_PATH: Final = "deployments.app:build"

WORKERS: Final = 2
"""Ray's count of CPUs where the machine has fewer: each deployment takes a tenth of one."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running server is reached."""

    http: str
    dashboard: str | None
    ray: str
    """For `ray.init(address=...)` in another process of this user."""
    token: str | None
    """File with the token that the dashboard asks for."""


class Serving:
    """Starts the cluster and the application of a config file, and stops both. Use as a context manager, or call
    `start`, then `follow`, and `stop` in the end.

    Raises `SettingsError` before anything is started, `Unavailable` where a port is taken or a part fails to start.
    """

    def __init__(
        self, config: Path | None, overrides: Mapping[str, Any] | None = None, *, dashboard: bool = True
    ) -> None:
        document = {} if config is None else _document(config)
        layer = {} if config is None else settings_file.load_file(config)
        application = (document.get("applications") or [{}])[0]
        _ours_alone(config, document, application)
        self.settings = _settled(layer, document.get("http_options") or {}, overrides or {})
        self._on_cards = _on_cards(self.settings)
        self._route = application.get("route_prefix", "/")
        self._dashboard = dashboard
        self._later = private_ray.Start()
        self._forked: ForkedWorkers | None = None

    def __enter__(self) -> Addresses:
        addresses = self.start()
        self.follow()
        return addresses

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Addresses:
        """Returns when the application answers."""
        server = self.settings.server
        _free(server.host, server.port, "server.port")
        if self._dashboard:
            _free(LOOPBACK, self.settings.ray.dashboard_port, "ray.dashboard_port")
        # Read by the processes that Ray starts; ours to set, since this cluster is ours alone.
        if self._on_cards:
            os.environ.setdefault("RAY_SERVE_CONTROL_LOOP_INTERVAL_S", CONTROL_LOOP_SECONDS)
        for variable in ONE_LOOP:
            os.environ.setdefault(variable, "0")
        os.environ.setdefault(BY_GRPC, "1")
        os.environ.setdefault(*PROXY_CHECKS)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # Ray makes all its workers nice, proxy and ingress too. Here threads that compute are (deployments/model.py).
        os.environ.setdefault("RAY_worker_niceness", "0")
        # Ray's own ports listen on every interface whatever it is told, so they ask for the user's token.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        if self.settings.ray.forked_workers:
            self._forked = ForkedWorkers.start(_imports(self.settings))
        import ray

        # Ray's processes take a while to come up; meanwhile this one imports what it needs next.
        imports = threading.Thread(target=_import_application, name="imports", daemon=True)
        imports.start()
        try:
            context = self._cluster()
            imports.join()
            from ray import serve

            from deployments.app import NAME, build
            from deployments.placement import private_serve

            logging.getLogger("ray.serve").setLevel(logging.WARNING)
            serve.start(
                http_options={"host": server.host, "port": server.port, "request_timeout_s": server.request_seconds}
            )
            application = build(self.settings.args())  # also where nothing is on a card: it refuses what does not fit
            if self._on_cards:
                private_serve.deploy(IMPORT_PATH, _plain(self.settings), name=NAME, route_prefix=self._route)
            else:
                serve.run(application, name=NAME, route_prefix=self._route)
        except BaseException as error:
            ray.shutdown()
            self._stop_forking()
            if isinstance(error, Exception) and not isinstance(error, MouthpieceError):
                raise Unavailable(f"The application did not start: {error}", code="start_failed") from error
            raise
        if self._forked is not None:
            self._forked.check()
        dashboard = f"http://{LOOPBACK}:{self.settings.ray.dashboard_port}" if self._dashboard else None
        token = Path("~/.ray/auth_token").expanduser()
        if token.exists():
            token.chmod(0o600)  # Ray leaves it readable for everyone
        shown = f"[{server.host}]" if ":" in server.host else server.host
        return Addresses(
            http=f"http://{shown}:{server.port}",
            dashboard=dashboard,
            ray=context.address_info["address"],
            token=str(token) if token.exists() else None,
        )

    def _cluster(self) -> Any:
        import ray

        with private_ray.lean(self._forked) as self._later:
            return ray.init(
                address="local",
                num_cpus=max(WORKERS, os.cpu_count() or 1),
                include_dashboard=self._dashboard,
                dashboard_host=LOOPBACK,
                dashboard_port=self.settings.ray.dashboard_port if self._dashboard else None,
                object_store_memory=self.settings.ray.object_store_megabytes << 20,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )

    def follow(self) -> None:
        """Starts what Ray's users look at but no request needs, so that it did not hold up `start`: the dashboard.

        Takes seconds. Call it from the thread that lives as long as the cluster. Raises `Unavailable`.
        """
        try:
            self._later.dashboard()
        except Exception as error:
            raise Unavailable(f"Ray's dashboard did not start: {error}", code="start_failed") from error

    def stop(self) -> None:
        """Ends the application, then every process of the cluster."""
        import ray
        from ray import serve

        if ray.is_initialized():
            serve.shutdown()
            ray.shutdown()
        self._stop_forking()

    def _stop_forking(self) -> None:
        if self._forked is not None:
            self._forked.stop()
            self._forked = None


def serve_forever(
    config: Path | None,
    overrides: Mapping[str, Any] | None = None,
    *,
    dashboard: bool = True,
    ready: Callable[[Addresses], None],
) -> None:
    """Serves until SIGINT or SIGTERM, then stops the cluster. Call from the main thread."""
    serving = Serving(config, overrides, dashboard=dashboard)
    ended = threading.Event()

    def end(number: int, _: FrameType | None) -> None:
        if ended.is_set():
            return
        ended.set()
        # Also out of a start that is still under way.
        raise KeyboardInterrupt(number)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        ready(serving.start())
        serving.follow()
        ended.wait()
    except KeyboardInterrupt:
        log.info("stopping")
    finally:
        ended.set()
        serving.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


def _ours_alone(config: Path | None, document: Mapping[str, Any], application: Mapping[str, Any]) -> None:
    """Refuses what a deploy file can say and only `serve deploy` can do, rather than passing over it."""
    field = None
    if len(document.get("applications") or []) > 1:
        field = "applications[1]"
    elif application.get("deployments"):
        field = "applications[0].deployments"
    elif application.get("import_path", IMPORT_PATH) != IMPORT_PATH:
        field = "applications[0].import_path"
    if field is not None:
        raise SettingsError(
            f"{config}: {field} needs `serve deploy {config}` on a running Ray cluster.",
            field=field,
            accepted=f"one application, {IMPORT_PATH}, without overrides of its deployments",
        )


def _on_cards(settings: Settings) -> tuple[Backend, ...]:
    """The enabled backends that take turns on cards: none where there is no card."""
    enabled = registry.enabled(settings).values()
    if arrangement.room(settings) is None:
        return ()
    return tuple(row for rows in enabled for row in rows if row.vram_gigabytes > 0)


def _imports(settings: Settings) -> tuple[str, ...]:
    """Modules of the enabled backends' libraries: replicas begin, and come back, without importing them again."""
    enabled = registry.enabled(settings).values()
    every = (module for rows in enabled for row in rows if not row.packages for module in row.imports)
    return tuple(dict.fromkeys(every))


def _plain(settings: Settings) -> dict[str, Any]:
    """The settings for an application that a worker of the cluster builds: without secrets, which it reads where this
    process did, from the environment that it has of it."""
    secret = [key for key in SECRETS if _at(settings.args(), key) is not None]
    if not secret:
        return settings.args()
    args = settings.args() | {"resolved": False}
    for key in secret:
        _at(args, key[:-1]).pop(key[-1])
    return args


def _at(args: Any, key: Key) -> Any:
    for part in key:
        args = args[part]
    return args


def _import_application() -> None:
    import deployments.ingress.ingress  # noqa: F401


def _settled(layer: Layer | Mapping[str, Any], http: Mapping[str, Any], overrides: Mapping[str, Any]) -> Settings:
    """The cascade; Serve's own `http_options` say host and port where nothing else does."""
    vram = gpus.vram_gigabytes()
    origins = cascade.explain(layer, os.environ, overrides, vram)
    for key in ("host", "port"):
        if key in http and origins[f"server.{key}"].origin == "default":
            overrides = {f"server.{key}": http[key], **overrides}
    return cascade.resolve(layer, os.environ, overrides, vram)


def _document(config: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(config.read_text("utf-8"))
    except FileNotFoundError:
        return {}  # settings_file warns about it
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{config}: {error}") from None
    return document if isinstance(document, dict) else {}


def _free(host: str, port: int, field: str) -> None:
    """Says now what Ray would say after half a minute, in a log."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Unavailable(
                f"Port {port} of {host} can't be had: {error.strerror}.",
                code="port_taken",
                field=field,
                accepted=f"a free port, e.g. --set {field}={port + 1}",
            ) from None
