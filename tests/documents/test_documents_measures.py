"""docs/measures.md: every measure has its line, in its family, with what it sees."""

import re
from pathlib import Path
from typing import get_args

import pytest

from taskgroup.measures import MEASURES, Sight

DOCUMENT = Path(__file__).parents[2] / "docs" / "measures.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
FAMILIES = ("training", "representation", "transfer", "data", "capacity", "measured")
OWN = [name for name in MEASURES.names if MEASURES[name].__module__.startswith("taskgroup.measures.")]


def lines(family: str) -> dict[str, list[str]]:
    """Cells of the family's table by the measure's name."""
    section = re.split(r"^## ", TEXT, flags=re.MULTILINE)
    (found,) = [part for part in section if part.lower().startswith(f"{family}\n")]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in found.splitlines() if line[:3] == "| `"]
    return {row[0].strip("| `"): row for row in rows}


@pytest.mark.parametrize("name", OWN)
def test_every_measure_has_its_line(name: str) -> None:
    measure = MEASURES[name]
    row = lines(measure.__module__.split(".")[2])[name]
    assert row[2] == measure.sees
    assert row[3] == ("yes" if measure.symmetric else "no")


def test_no_line_is_of_a_measure_that_is_gone() -> None:
    assert {name for family in FAMILIES for name in lines(family)} == set(OWN)


def test_every_sight_has_its_line() -> None:
    assert set(get_args(Sight)) <= set(re.findall(r"^\| (\w+) \|", TEXT, re.MULTILINE))


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (DOCUMENT.parent / target).exists(), target
