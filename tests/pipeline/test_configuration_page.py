"""docs/configuration.md is what its script writes, so it can't fall behind the settings."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cascade import resolve
from pipeline.settings import KEYS
from pipeline.settings_file import parse

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def page():
    return (DOCS / "configuration.md").read_text()


@pytest.mark.parametrize("key", [".".join(key) for key in KEYS])
def test_every_key_is_explained_once(page, key):
    [row] = [line for line in page.split("## Hardware profiles")[0].splitlines() if line.startswith(f"| `{key}` |")]
    default, meaning = row.split("|")[2:4]
    assert default.strip()
    assert meaning.strip()


def test_its_example_is_valid(page):
    [example] = [block.split("```")[0] for block in page.split("```yaml\n")[1:]]
    settings = resolve(parse(example, "example"), {})
    assert (settings.profile, settings.video.size, settings.backends("voice")) == ("standard", 640, ("flite", "espeak"))


def test_the_page_is_what_its_script_writes(page):
    script = DOCS / "configuration.py"
    done = subprocess.run([sys.executable, script, "--print"], capture_output=True, text=True, check=True)
    assert page == done.stdout, "run `python docs/configuration.py`"
