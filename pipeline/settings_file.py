"""A YAML file of settings, each key with the line it stands on.

Reads a bare settings file and `serve_config.yaml`, where the settings are the `args` of the first application.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import SettingsError
from pipeline.layers import Layer
from pipeline.settings import Key

MAX_BYTES = 1_000_000
MAX_NODES = 20_000
"""Settings are small; a file of nested aliases that unfolds beyond this is a mistake or an attack."""

log = logging.getLogger("mouthpiece.settings")


def load_file(path: Path | str) -> Layer:
    """The settings of a YAML file. A missing or an empty file is warned about and changes nothing.

    Raises `SettingsError` naming file and line where it can't be read, isn't YAML or names a key twice.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        log.warning("There is no settings file %s; the defaults are used.", path)
        return Layer({}, source=str(path))
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {error.strerror or error}.", code="unreadable_settings") from None
    if len(content) > MAX_BYTES:
        raise SettingsError(f"{path} is larger than {MAX_BYTES} bytes.", code="unreadable_settings")
    return parse(content, str(path))


def parse(content: bytes | str, name: str) -> Layer:
    """The settings of YAML text; `name` is what errors and places call it."""
    loader: yaml.SafeLoader | None = None
    try:
        loader = yaml.SafeLoader(content)
        root = loader.get_single_node()
        if root is None or _is_null(root):
            log.warning("The settings file %s is empty; the defaults are used.", name)
            return Layer({}, source=name)
        _Check(name).node(root, (), frozenset())
        values = loader.construct_document(root)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _invalid(name, error) from None
    finally:
        if loader is not None:
            loader.dispose()
    places: dict[Key, str] = {}
    prefix: Key = ()
    if isinstance(values, Mapping) and "applications" in values:
        values, node, prefix = _application_args(values, root, name)
    else:
        node = root
    if values is None:
        values = {}
    if not isinstance(values, Mapping):
        raise SettingsError(
            f"{_place(name, node)}: {'.'.join(prefix) or 'the file'} must be a mapping of settings, "
            f"got {type(values).__name__}.",
            field=".".join(prefix) or None,
            accepted="key: value lines",
        )
    if node is not None:
        _note(node, (), places, name)
    return Layer(values, places, name)


def _application_args(values: Mapping[str, Any], root: yaml.Node, name: str) -> tuple[Any, yaml.Node | None, Key]:
    """`applications[0].args` of a Ray Serve config, and its node. The rest of the file is Ray's business."""
    at = _child(root, "applications")
    applications = values["applications"]
    if not isinstance(applications, list) or not applications or not isinstance(applications[0], Mapping):
        raise SettingsError(
            f"{_place(name, at)}: applications must be a list with at least one application.",
            field="applications",
            accepted="a Ray Serve config file",
        )
    first = at.value[0] if isinstance(at, yaml.SequenceNode) else None
    return applications[0].get("args"), _child(first, "args"), ("applications", "0", "args")


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            if key_node.value == key:
                return value_node
    return None


class _Check:
    """Walks the YAML nodes before they become values: keys must be text and unique, aliases must end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen = 0

    def node(self, node: yaml.Node, key: Key, above: frozenset[int]) -> None:
        self.seen += 1
        if id(node) in above or self.seen > MAX_NODES:
            raise SettingsError(
                f"{_place(self.name, node)}: {'.'.join(key)} is an alias of itself, or unfolds into too much.",
                field=".".join(key),
            )
        above |= {id(node)}
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.node(item, (*key, str(index)), above)
        elif isinstance(node, yaml.MappingNode):
            lines: dict[str, str] = {}
            for key_node, value_node in node.value:
                self.key(key_node, key, lines)
                self.node(value_node, (*key, str(key_node.value)), above)

    def key(self, node: yaml.Node, above: Key, lines: dict[str, str]) -> None:
        if node.tag == "tag:yaml.org,2002:merge":
            return
        if node.tag != "tag:yaml.org,2002:str" or not isinstance(node, yaml.ScalarNode):
            got = node.value if isinstance(node, yaml.ScalarNode) else "a collection"
            raise SettingsError(
                f"{_place(self.name, node)}: keys must be text, got {got!r} under {'.'.join(above) or 'the top'}.",
                field=".".join(above) or None,
                accepted="a name; put it in quotes if YAML reads it as something else",
            )
        if node.value in lines:
            name = ".".join((*above, node.value))
            raise SettingsError(
                f"{_place(self.name, node)}: {name} is set twice, first at {lines[node.value]}.",
                code="duplicate_setting",
                field=name,
                accepted="each key once",
            )
        lines[node.value] = _place(self.name, node)


def _note(node: yaml.Node, key: Key, places: dict[Key, str], name: str) -> None:
    """Writes down the line of every key below a node. Merged mappings come first, so the nearer key wins."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            places[(*key, str(index))] = _place(name, item)
            _note(item, (*key, str(index)), places, name)
    elif isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            places[(*key, key_node.value)] = _place(name, key_node)
            _note(value_node, (*key, key_node.value), places, name)


def _is_null(node: yaml.Node) -> bool:
    return node.tag == "tag:yaml.org,2002:null"


def _place(name: str, node: yaml.Node | None) -> str:
    return name if node is None or node.start_mark is None else f"{name}:{node.start_mark.line + 1}"


def _invalid(name: str, error: Exception) -> SettingsError:
    """A parser's complaint, in one line with its place."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = name if mark is None else f"{name}:{mark.line + 1}:{mark.column + 1}"
    if isinstance(error, RecursionError):
        what = "it is nested too deeply"
    elif isinstance(error, yaml.MarkedYAMLError):
        what = " ".join(part for part in (error.context, error.problem) if part)
    else:
        what = " ".join(str(error).split())
    return SettingsError(f"{place}: this is not valid YAML: {what}.", code="invalid_yaml", accepted="YAML")
