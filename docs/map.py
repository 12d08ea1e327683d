"""Writes the list of files in MAP.md from the first sentence of each file's own docstring.

python docs/map.py
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
FOLDERS: Final = ("pipeline", "deployments", "clients", "benchmarks", "cluster", "docs")
KINDS: Final = frozenset({".py", ".pyi", ".c", ".h", ".npz", ".html", ".js", ".css", ".yaml", ".yml", ".json"})
START, END = "<!-- files: written by docs/map.py -->", "<!-- end of files -->"


def files() -> list[Path]:
    """Every file that a reader may look for; `__init__.py` only where something stands in it."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in KINDS]
    return sorted(
        path
        for path in found
        if "__pycache__" not in path.parts and not (path.name == "__init__.py" and not path.read_text().strip())
    )


def summary(path: Path) -> str:
    """What the file says of itself in its first paragraph, as one line."""
    if path.suffix in {".py", ".pyi"}:
        text = ast.get_docstring(ast.parse(path.read_text())) or ""
    elif path.suffix in {".c", ".h", ".js", ".css"}:
        comment = re.match(r"\s*/\*+(.*?)\*/", path.read_text(), re.DOTALL)
        text = re.sub(r"^\s*\* ?", "", comment.group(1), flags=re.MULTILINE).strip() if comment else ""
    else:
        text = DATA.get(path.name, "")
    line = " ".join(text.split("\n\n")[0].split())
    if not line:
        raise SystemExit(f"{path.relative_to(ROOT)} does not say what it is")
    return line.replace("|", "\\|")


DATA: Final = {
    "live.html": "The page of live sessions: a face, what it says, and a place to write.",
    "network.npz": "The weights of `network.py`, float16, as `benchmarks/train_visemes.py` made them.",
    "mouthpiece.json": "The Grafana dashboard: every query names a metric of `pipeline/metrics.py` or of Ray.",
    "prometheus.yml": "What Prometheus scrapes: every node of the cluster, without Ray's own prefix.",
}
"""Files that can't say it themselves."""


def table() -> str:
    """One row a file, a heading a folder."""
    lines: list[str] = []
    folder = None
    for path in files():
        if path.parent != folder:
            folder = path.parent
            lines += ["", f"### {folder.relative_to(ROOT).as_posix()}/", "", "| file | what it is |", "|---|---|"]
        lines.append(f"| `{path.relative_to(ROOT).as_posix()}` | {summary(path)} |")
    return "\n".join(lines).strip() + "\n"


def page(text: str) -> str:
    """`text` with the list between its two marks replaced."""
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n\n{table()}\n{END}{after}"


if __name__ == "__main__":
    target = ROOT / "MAP.md"
    target.write_text(page(target.read_text()))
