"""The picture: well-formed, complete in words, and nothing in it overlaps or falls outside."""

from itertools import pairwise
from xml.etree import ElementTree

import pytest
from spec_samples import HOSTILE, make_spec

from taskgroup.core.grouping import canonical_labels
from taskgroup.core.spec import AdapterSpec, Architecture, Helper, Spec, TrunkSpec
from taskgroup.core.task import Task, TaskSet
from taskgroup.core.text import printable
from taskgroup.core.topology import Topology
from taskgroup.exporters.svg import Svg

SVG = "{http://www.w3.org/2000/svg}"


def spec_with(n_tasks: int, n_stages: int) -> Spec:
    """Groups halve from stage to stage, and tasks of one group stand far apart in the order of the tasks."""
    names = tuple(f"a task with a long name, number {k}" for k in range(n_tasks))
    matrix = tuple(canonical_labels(k % 2**s for k in range(n_tasks)) for s in range(n_stages))
    stages = tuple(f"stage{s}" for s in range(n_stages))
    architecture = Architecture(
        topology=Topology(tasks=names, stages=stages, matrix=matrix),
        adapters=(AdapterSpec(stage="stage0", size=8),),
        helpers=(Helper(task=names[0], along=names[-1]),),
    )
    tasks = TaskSet(tasks=tuple(Task(name=name, kind="binary") for name in names))
    return Spec(tasks=tasks, trunk=TrunkSpec(name="mlp", stages=stages), architecture=architecture)


def picture(spec: Spec) -> ElementTree.Element:
    return ElementTree.fromstring(Svg().export(spec))


def boxes(root: ElementTree.Element) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of every copy of a stage."""
    found = []
    for group in root.iter(f"{SVG}g"):
        for rect in group.iter(f"{SVG}rect"):
            x, y, width, height = (float(rect.attrib[key]) for key in ("x", "y", "width", "height"))
            found.append((x, y, x + width, y + height))
    return found


def test_a_small_picture() -> None:
    root = picture(make_spec())
    assert [rect.attrib["class"] for rect in root.iter(f"{SVG}rect") if "class" in rect.attrib] == [
        "shared", "own", "shared",
    ]  # fmt: skip
    written = [text.text for text in root.iter(f"{SVG}text")]
    assert written[:8] == ["stem", "body", "input", "3 tasks", "+bottleneck 8 per branch", "1 task", "2 tasks", "a"]
    assert [path.attrib["class"] for path in root.iter(f"{SVG}path")] == ["flow"] * 6 + ["helper"]
    assert "dashed" in str(written[-1])


def test_the_description_says_all_that_is_drawn() -> None:
    root = picture(make_spec())
    named = root.attrib["aria-labelledby"].split()
    assert [element.attrib["id"] for element in root if "id" in element.attrib] == named
    words = root.findtext(f"{SVG}desc")
    assert words == (
        "3 tasks on 2 stages. stem: 1 copy: a, b, c. body: 2 copies: a; b, c. "
        "Adapters of stem: bottleneck 8 per branch. Helper: c trains along a."
    )


def test_hostile_names_stay_text() -> None:
    root = picture(make_spec(HOSTILE))
    shown = [text.text for text in root.iter(f"{SVG}text")]
    assert [name for name in map(printable, HOSTILE) if name not in shown] == []
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {
        "svg", "title", "desc", "style", "rect", "text", "path", "g",
    }  # fmt: skip


@pytest.mark.parametrize(("n_tasks", "n_stages"), [(2, 1), (8, 4), (32, 5)])
def test_nothing_overlaps_or_falls_outside(n_tasks: int, n_stages: int) -> None:
    root = picture(spec_with(n_tasks, n_stages))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    columns: dict[float, list[tuple[float, float, float, float]]] = {}
    for box in boxes(root):
        assert 0 <= box[0] < box[2] <= width
        assert 0 <= box[1] < box[3] <= height
        columns.setdefault(box[0], []).append(box)
    assert len(columns) == n_stages
    for column in columns.values():
        for upper, lower in pairwise(sorted(column, key=lambda box: box[1])):
            assert upper[3] < lower[1]
    for left, right in pairwise(sorted(columns)):
        assert max(box[2] for box in columns[left]) < right


def test_branches_do_not_cross() -> None:
    """Copies stand in the order of the copies that they come from."""
    root = picture(spec_with(16, 4))
    for group in ("flow",):
        ways = [path.attrib["d"] for path in root.iter(f"{SVG}path") if path.attrib["class"] == group]
        ends = [
            [float(number) for pair in (way[1:].split("C")[0], " ".join(way.split()[-2:])) for number in pair.split()]
            for way in ways
        ]
        for x in {end[0] for end in ends}:
            column = sorted((start_y, end_y) for start_x, start_y, _, end_y in ends if start_x == x)
            assert [end for _, end in column] == sorted(end for _, end in column)


def test_long_names_are_cut_and_told_in_full() -> None:
    root = picture(spec_with(2, 1))
    assert "a task with a long name, nu…" in [text.text for text in root.iter(f"{SVG}text")]
    assert "a task with a long name, number 0" in [title.text for title in root.iter(f"{SVG}title")]
