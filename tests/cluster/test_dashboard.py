"""The Grafana dashboard asks for metrics that exist, by labels that they have, and shows all of ours."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.metrics import METRICS
from tests.cluster.series import RAY, exported

DASHBOARD = Path(__file__).parents[2] / "cluster/grafana/mouthpiece.json"
NAME = re.compile(r"\b(?:mouthpiece|ray)_[a-z0-9_]+")


def queries() -> Iterator[tuple[str, str]]:
    """Title of the panel and expression of each query."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


@pytest.mark.parametrize(("title", "query"), list(queries()))
def test_a_query_names_what_exists(title, query):
    names = NAME.findall(query)
    assert names
    ours = exported()
    assert set(names) <= {*ours, *RAY}
    grouped = {label.strip() for part in re.findall(r"by \(([^)]*)\)", query) for label in part.split(",")}
    for name in set(names) & set(ours):
        selected = re.findall(rf"{name}\{{([^}}]*)\}}", query)
        asked = grouped | {label for part in selected for label in re.findall(r"(\w+)\s*[=!]", part)}
        assert asked <= {*ours[name], "le"}


def test_every_metric_of_ours_is_shown():
    shown = {name for _, query in queries() for name in NAME.findall(query)}
    for metric in METRICS:
        assert {metric.name, f"{metric.name}_bucket", f"{metric.name}_count", f"{metric.name}_sum"} & shown, metric.name


def test_panels_lie_side_by_side():
    taken: dict[tuple[int, int], str] = {}
    document: dict[str, Any] = json.loads(DASHBOARD.read_text())
    for panel in document["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
    ids = [panel["id"] for panel in document["panels"]]
    assert len(set(ids)) == len(ids)
