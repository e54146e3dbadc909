"""A newcomer's tables: a config that `taskgroup init` wrote, a plan, and what can be done with it."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from real_jobs import command

import taskgroup
from taskgroup.core.spec import Spec

QUICK = ("train.steps=60", "search.trials=5", "measure.seeds=1", "confirm.seeds=2", "confirm.finalists=1")


def quick() -> list[str]:
    return [word for change in QUICK for word in ("--set", change)]


def rows(n_rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(n_rows, 5)), columns=[f"x{k}" for k in range(5)])
    frame["site"] = rng.choice(["north", "south"], n_rows)
    return frame


def test_a_table_with_missing_labels(tmp_path: Path) -> None:
    frame = rows(240, 0)
    rng = np.random.default_rng(1)
    frame["sick"] = (frame["x0"] + frame["x1"] > 0).map({True: "yes", False: "no"})
    frame["stage"] = np.digitize(frame["x0"], [-0.5, 0.5])
    frame["dose"] = frame["x2"] * 3 + 10
    for task in ("sick", "stage", "dose"):
        frame.loc[rng.random(240) < 0.3, task] = None
    frame.to_csv(tmp_path / "clinic.csv", index=False)

    assert "taskgroup run clinic.yaml" in command("init", "clinic.csv", "--tasks", "sick,stage,dose", cwd=tmp_path)
    refused = command("init", "clinic.csv", "--tasks", "sick,dose", cwd=tmp_path, code=2)
    assert "clinic.yaml: exists already" in refused
    printed = command("run", "clinic.yaml", "--workers", "2", *quick(), cwd=tmp_path)

    for line in ("measure:", "search:", "confirm:", "against all-separate", "worst task", "report.html"):
        assert line in printed
    spec = taskgroup.load_spec(tmp_path / "results" / "clinic" / "spec.yaml")
    assert [t.kind for t in spec.tasks] == ["binary", "multiclass", "regression"]
    assert spec.evidence is not None
    assert len(spec.evidence.tasks) == 3
    again = command("run", "clinic.yaml", "--workers", "2", *quick(), cwd=tmp_path)
    assert again.strip() in printed  # a finished job is shown at once, without a word of progress
    changed = command("run", "clinic.yaml", "--set", "search.trials=6", *quick()[:2], cwd=tmp_path, code=2)
    assert "holds a job with another config" in changed
    assert "search.trials: was 5, now 6" in changed
    frame.head(200).to_csv(tmp_path / "clinic.csv", index=False)
    told = command("run", "clinic.yaml", *quick(), cwd=tmp_path, code=2)
    assert "holds what was found on other data: clinic.csv changed since" in told
    (tmp_path / "clinic.csv").unlink()
    assert command("run", "clinic.yaml", *quick(), cwd=tmp_path) == again  # a plan needs its table no more


def test_tasks_with_rows_of_their_own(tmp_path: Path) -> None:
    frame = pd.concat([rows(90, k).assign(field=f"mine {k}") for k in range(3)])
    frame["mined"] = (frame["x0"] * np.where(frame["field"] == "mine 2", -1, 1) > 0).astype(int)
    frame.sample(frac=1, random_state=0).to_csv(tmp_path / "mines.csv", index=False)
    command("init", "mines.csv", "--task-column", "field", "--label-column", "mined", cwd=tmp_path)
    printed = command("run", "mines.yaml", "--workers", "2", *quick(), cwd=tmp_path)
    spec = taskgroup.load_spec(tmp_path / "results" / "mines" / "spec.yaml")
    assert sorted(spec.tasks.names) == ["mine 0", "mine 1", "mine 2"]
    assert "mines:" in printed


def test_what_a_plan_leaves_can_be_used(tmp_path: Path) -> None:
    frame = rows(150, 3)
    frame["a"], frame["b"] = frame["x0"] + frame["x1"], (frame["x0"] > 0).astype(int)
    frame.to_parquet(tmp_path / "ab.parquet")
    command("init", "ab.parquet", "--tasks", "a,b", cwd=tmp_path)
    command("run", "ab.yaml", *quick(), cwd=tmp_path)
    job = tmp_path / "results" / "ab"
    for name in (
        "affinity.npz",
        "proposals.json",
        "trials.csv",
        "config.yaml",
        "exports/spec.json",
        "exports/spec.mmd",
    ):
        assert (job / name).exists(), name
    figures = {p.name for p in (job / "figures").iterdir()}
    names = ("topology", "affinity", "dendrogram", "gains", "pareto", "history")
    assert {f"{n}.{s}" for n in names for s in ("svg", "png")} == figures
    assert "against all-shared" in command("show", job, cwd=tmp_path)
    assert "Topology" in command("show", job / "spec.yaml", cwd=tmp_path)
    for form, word in (("mermaid", "flowchart"), ("dot", "digraph"), ("graphml", "<graphml"), ("yaml", "schema:")):
        assert word in command("export", job, "--to", form, cwd=tmp_path)
    command("export", job, "--to", "json", "--out", "there.json", cwd=tmp_path)
    spec = taskgroup.load_spec(tmp_path / "there.json")
    assert isinstance(spec, Spec)
    assert spec == taskgroup.load_spec(job / "spec.yaml")
    network = taskgroup.load_weights(taskgroup.build(spec), job / "weights.safetensors").eval()
    other = taskgroup.load_weights(taskgroup.build(spec, seed=7), job / "weights.safetensors").eval()
    inputs = torch.randn(4, *spec.trunk.input_shape)
    first, second = network(inputs), other(inputs)
    assert all(torch.equal(first[task], second[task]) for task in ("a", "b"))


def test_every_fault_of_a_config_at_once(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{k},{k % 2}\n" for k in range(30)), encoding="utf-8")
    text = """
name: bad
problem: {source: table, path: t.csv, tasks: {y: {kind: binary}, zz: {kind: regression}}}
trunk: {name: mpl, width: 8}
serch: {trials: 3}
confirm: {seeds: 1}
limits: {macs_ratio: 0.5}
measure: {affinity: {method: lookahed}}
"""
    (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
    printed = command("run", "bad.yaml", cwd=tmp_path, code=2)
    for words in (
        "`serch` is not a known key, did you mean `search`?",
        "`confirm.seeds`",
        "`limits.macs_ratio`: should be at least 1",
        "did you mean `mlp`?",
        "did you mean `lookahead`?",
        "zz",
    ):
        assert words in printed, printed
    assert "Traceback" not in printed
    assert not (tmp_path / "results").exists()
