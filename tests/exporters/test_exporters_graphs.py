"""The drawn formats: what is a node, what is an edge, and how names are escaped."""

import json

import networkx as nx
from spec_samples import HOSTILE, make_spec

from taskgroup.core.text import printable
from taskgroup.exporters.dot import Dot
from taskgroup.exporters.drawing import Drawing, Edge
from taskgroup.exporters.graphml import GraphML
from taskgroup.exporters.mermaid import Mermaid


def test_drawing_of_a_small_topology() -> None:
    drawing = Drawing.of(make_spec().architecture)
    assert [n.id for n in drawing.nodes] == ["input", "s0_0", "s1_0", "s1_1", "t0", "t1", "t2"]
    assert [n.tasks for n in drawing.nodes[:4]] == [("a", "b", "c"), ("a", "b", "c"), ("a",), ("b", "c")]
    assert [(e.source, e.target) for e in drawing.edges if e.kind == "flow"] == [
        ("input", "s0_0"), ("s0_0", "s1_0"), ("s0_0", "s1_1"), ("s1_0", "t0"), ("s1_1", "t1"), ("s1_1", "t2"),
    ]  # fmt: skip
    assert drawing.edges[-1] == Edge("s1_0", "t2", "helper")


def test_only_shared_copies_with_a_size_have_adapters() -> None:
    adapted = {n.id: n.lines for n in Drawing.of(make_spec().architecture).nodes if n.adapters}
    assert adapted == {"s0_0": ("stem", "3 tasks", "+bottleneck 8 per branch")}
    assert not any(n.adapters for n in Drawing.of(make_spec(("only",)).architecture).nodes)


def test_names_that_look_like_ids_stay_apart() -> None:
    drawing = Drawing.of(make_spec(("input", "s0_0", "t0"), stages=("input", "task:x")).architecture)
    ids = [n.id for n in drawing.nodes]
    assert len(set(ids)) == len(ids) == 1 + 3 + 3


def test_printable_keeps_letters_and_escapes_controls() -> None:
    assert printable("ünï 日本") == "ünï 日本"
    assert printable("a\nb\x00\x1b[31m") == "a\\nb\\x00\\x1b[31m"


def test_dot_escapes_quotes_and_backslashes() -> None:
    text = Dot().export(make_spec(('say "hi"', "back\\N", "c")))
    assert 't0 [label="say \\"hi\\"", shape=plaintext];' in text
    assert 't1 [label="back\\\\N", shape=plaintext];' in text
    assert 's0_0 [label="stem\\n3 tasks\\n+bottleneck 8 per branch", style="rounded,filled"' in text
    assert 's1_0 -> t2 [style=dashed, label="helper"];' in text
    assert "rankdir=TB;" in Dot(direction="TB").export(make_spec())


def test_mermaid_writes_doubtful_signs_as_entities() -> None:
    text = Mermaid().export(make_spec(('<b>&"x', "a`b#", "end")))
    assert '  t0(["#60;b#62;#38;#34;x"])' in text
    assert '  t1(["a#96;b#35;"])' in text
    assert '  t2(["end"])' in text
    assert '  s0_0["stem<br/>3 tasks<br/>+bottleneck 8 per branch"]:::shared' in text
    assert "  s1_0 -. helper .-> t2" in text
    assert text.startswith("flowchart LR\n")


def test_graphml_reads_back_with_hostile_names() -> None:
    graph = nx.parse_graphml(GraphML().export(make_spec(HOSTILE)))
    named = [printable(name) for name in HOSTILE]
    assert [graph.nodes[f"t{k}"]["name"] for k in range(len(HOSTILE))] == named
    assert json.loads(graph.nodes["s0_0"]["tasks"]) == named
    (adapter,) = json.loads(graph.nodes["s0_0"]["adapters"])
    assert (adapter["kind"], adapter["size"], adapter["per"]) == ("bottleneck", 8, "branch")
    assert graph.nodes["s1_0"]["n_tasks"] == 1
    assert "adapters" not in graph.nodes["s1_1"]


def test_graphml_keeps_a_helper_beside_a_tasks_own_edge() -> None:
    """A helper along a task with the same last copy gives a second edge between the same two nodes."""
    data = make_spec().to_dict() | {"fingerprint": ""}
    data["architecture"]["helpers"] = [{"task": "c", "along": "b"}]
    graph = nx.parse_graphml(GraphML().export(type(make_spec()).from_dict(data)), force_multigraph=True)
    kinds = [d["kind"] for a, b, d in graph.edges(data=True) if (a, b) == ("s1_1", "t2")]
    assert sorted(kinds) == ["flow", "helper"]
