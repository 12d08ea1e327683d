"""Writes docs/configuration.md from the settings, the profiles and the backends themselves.

python docs/configuration.py           writes the page
python docs/configuration.py --print   prints it (a test compares the two)
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import pipeline.settings  # noqa: E402
from deployments.backends import registry  # noqa: E402
from pipeline.profiles import HIGH_GIGABYTES, PROFILES, STANDARD_GIGABYTES  # noqa: E402
from pipeline.settings import KEYS, SECRETS, Key, Settings  # noqa: E402
from pipeline.settings_environment import RESERVED, variable  # noqa: E402

INTRODUCTION = """\
# Configuration

This page is written by `python docs/configuration.py` from the code; a test holds the two together.

Every setting has a default, so no file is needed. A value may come from, the later winning key by key:

1. the defaults below, and the hardware profile's;
2. a YAML file: `serve_config.yaml`, where the settings are the `args` of the first application, or a bare
   settings file, except secrets;
3. the environment: the key in capitals with `__` for each dot, its value read as YAML, such as
   `MOUTHPIECE_VIDEO__SIZE=256`, `MOUTHPIECE_VOICE__BACKENDS="[flite, espeak]"` or `..._BACKENDS=flite,espeak`;
4. flags of the command line, except secrets.

A part of a section leaves the rest of it alone; a list replaces the list before it. An unknown key, a wrong
type, a key set twice or a file that is not YAML is an error that names file, line and key, and what is accepted.
A missing or empty file is warned about, and the defaults are used. `mouthpiece status --verbose` shows every value
that holds.

```yaml
# What stands under `args` in serve_config.yaml, or alone in a file of your own
profile: standard
storage:
  folder: ~/talking-heads
voice:
  backends: [flite, espeak]
video: {size: 640, crf: 18}
```

## Secrets

Secrets are {SECRETS}, and options of backends whose name says so:
`api_key`, `hub_token`, `password` and the like. A secret comes from the environment, as it is and not as YAML, or from
a file that the variable of the same name with `_FILE` at its end names:
`MOUTHPIECE_WEBHOOKS__SECRET_FILE=/run/secrets/webhooks`. Line breaks at the end of the file are not part of it.
In a YAML file, in the `args` of an application and in flags it is refused, since these are copied, kept in
repositories, and shown: by Ray's dashboard and by the list of processes. For the same reason don't put it in a
`runtime_env`; with `serve deploy` it has to be in the environment that the cluster's processes were started with.
Wherever settings are shown, a secret that is set is `**********`.
"""


def page() -> str:
    """The whole page, as Markdown."""
    secrets = " and ".join(f"`{'.'.join(key)}`" for key in KEYS if key in SECRETS)
    parts = [INTRODUCTION.replace("{SECRETS}", secrets), *_sections(), _profiles(), _backends(), _environment()]
    return "\n".join(parts)


def _sections() -> Iterator[str]:
    meanings = _meanings()
    yield "## Settings\n"
    yield "Megabytes are 2^20 bytes, gigabytes 2^30.\n"
    rows: dict[str, list[str]] = {}
    for key in KEYS:
        section = key[0] if len(key) > 1 else ""
        meaning = meanings[key]
        rows.setdefault(section, []).append(f"| `{'.'.join(key)}` | {_written(_default(key))} | {meaning} |")
    for section, lines in rows.items():
        yield f"### {section or 'At the top'}\n"
        yield "| key | default | meaning |\n|---|---|---|"
        yield "\n".join(lines) + "\n"


def _meanings() -> dict[Key, str]:
    """What is written under each field in the source of the settings."""
    tree = ast.parse(Path(str(pipeline.settings.__file__)).read_text())
    under: dict[str, dict[str, str]] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            fields = under.setdefault(node.name, {})
            for line, after in zip(node.body, node.body[1:], strict=False):
                if (
                    isinstance(line, ast.AnnAssign)
                    and isinstance(line.target, ast.Name)
                    and isinstance(after, ast.Expr)
                ):
                    fields[line.target.id] = " ".join(str(ast.literal_eval(after.value)).split())
    return {key: under[_model(key).__name__][key[-1]] for key in KEYS}


def _model(key: Key) -> type[BaseModel]:
    model: type[BaseModel] = Settings
    for name in key[:-1]:
        annotation = model.model_fields[name].annotation
        assert inspect.isclass(annotation)  # noqa: S101
        assert issubclass(annotation, BaseModel)  # noqa: S101
        model = annotation
    return model


def _default(key: Key) -> Any:
    value: Any = Settings().args()
    for name in key:
        value = value[name]
    return value


def _written(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()
    return f"`{text}`"


def _profiles() -> str:
    lines = [
        "## Hardware profiles\n",
        f"`auto` takes `high` on a card of {HIGH_GIGABYTES} GB and more, `standard` from {STANDARD_GIGABYTES} GB,\n"
        "`small` below that and `cpu` without a card. With several cards the smallest counts, since a model may\n"
        "land on any; CUDA_VISIBLE_DEVICES hides cards. A card's size is rounded up to whole gigabytes first, since\n"
        "it reports a little less than it is sold as. Where looking for a card fails, there is a warning and the\n"
        "profile is `cpu`. A profile changes these defaults and nothing else:\n",
        f"| key | {' | '.join(PROFILES)} |",
        f"|---|{'---|' * len(PROFILES)}",
    ]
    changed = {(section, name) for values in PROFILES.values() for section in values for name in values[section]}
    for key in [key for key in KEYS if key in changed]:
        values = [PROFILES[profile].get(key[0], {}).get(key[1], _default(key)) for profile in PROFILES]
        lines.append(f"| `{'.'.join(key)}` | {' | '.join(_written(value) for value in values)} |")
    lines.append("\nThe budget of `standard` is the whole card where that has less.\n")
    return "\n".join(lines)


def _backends() -> str:
    lines = [
        "## Backends and their options\n",
        "| capability | name | what it is | licence | install |",
        "|---|---|---|---|---|",
    ]
    for backend in registry.BACKENDS:
        install = f"`{backend.install}`" if backend.install else "built in"
        lines.append(
            f"| {backend.capability} | `{backend.name}` | {backend.description} | {backend.licence} | {install} |"
        )
    lines.append("\nOptions go under `options.<name>`; they are the arguments of the backend's constructor:\n")
    lines.append("| option | type | default |\n|---|---|---|")
    for backend in registry.BACKENDS:
        lines += [
            f"| `options.{backend.name}.{option.name}` | `{_cell(option.type)}` | {_optional(option.default)} |"
            for option in registry.options(backend)
        ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """A bar ends the cell of a table, in code as well, unless it is escaped."""
    return text.replace("|", "\\|")


def _optional(default: Any) -> str:
    return "required" if default is inspect.Parameter.empty else f"`{default!r}`"


def _environment() -> str:
    lines = ["## Environment variables that are not settings\n", "| variable | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in RESERVED.items()]
    example = variable(("options", "<backend>", "<option>"))
    lines.append(
        f"\nAny other variable that begins with `MOUTHPIECE_` is a setting, `{example}` included, or an error. "
        "`XDG_DATA_HOME` moves the default storage folder.\n"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        sys.stdout.write(page())
    elif sys.argv[1:]:
        sys.exit(textwrap.dedent(__doc__ or ""))
    else:
        (HERE / "configuration.md").write_text(page())
