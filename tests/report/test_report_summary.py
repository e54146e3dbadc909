from pathlib import Path

import pytest
from record_fixture import HOSTILE, make_record

from taskgroup.core.gain import Interval
from taskgroup.core.spec import Spec
from taskgroup.core.topology import Topology
from taskgroup.report import summary
from taskgroup.report.summary import HEADLINES, headline
from taskgroup.report.text import TIMES


def test_it_says_what_a_user_must_know(tmp_path: Path) -> None:
    record = make_record()
    (tmp_path / "report.html").touch()
    text = summary(record.name, record.spec, tmp_path)
    evidence, cost = record.spec.evidence, record.spec.cost
    assert evidence is not None
    assert cost is not None
    assert text.startswith("digits: Branch: better than sharing all and than separating all\n  The chosen topology")
    assert "test split, 5 seeds, 95 % intervals" in text
    line = next(line for line in text.splitlines() if "against all-shared" in line)
    assert line.split() == ["against", "all-shared", *evidence.gain_vs_shared.percent().split()]
    assert evidence.worst.task in next(line for line in text.splitlines() if "worst " in line)
    assert f"{cost.macs_ratio:.2f} {TIMES} all-shared" in text
    assert text.splitlines()[-2:] == [f"Files in {tmp_path}", "  report.html  the report, opens in any browser"]


def test_columns_are_aligned() -> None:
    lines = summary("digits", make_record().spec, "results").splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("Gain"))
    rows = lines[start + 1 : start + 4]
    assert len({row.index("%") for row in rows}) == 1
    assert len({row.index("[") for row in rows}) == 1


@pytest.mark.parametrize("names", [("only",), ("a", HOSTILE), ("n" * 200, "m" * 200), ("x\x1b[2J\n", "y")])
@pytest.mark.parametrize("evidence", [True, False])
def test_it_fits_a_terminal(names: tuple[str, ...], evidence: bool) -> None:
    lines = summary("n" * 90, make_record(names, evidence=evidence).spec, "results/digits").splitlines()
    assert max(map(len, lines)) <= 100
    assert all(line.isprintable() for line in lines)


def test_a_plan_without_evidence_and_cost_shows_what_it_has() -> None:
    record = make_record(evidence=False, n_trials=0)
    data = record.spec.to_dict() | {"cost": None, "fingerprint": ""}
    text = summary(record.name, Spec.from_dict(data), "results/digits")
    assert "digits: Not confirmed" in text
    assert "stem → block1 → block2 → block3" in text
    assert "Gain" not in text
    assert "Cost" not in text


def test_every_verdict_has_words() -> None:
    record = make_record()
    evidence = record.spec.evidence
    assert evidence is not None
    for code, words in HEADLINES.items():
        verdict = evidence.verdict.model_copy(update={"code": code})
        assert headline(evidence.model_copy(update={"verdict": verdict})) == words


def with_gains(*gains: tuple[float, float, float]) -> Spec:
    """A spec whose tasks gain as much against all-separate: mean, low, high."""
    record = make_record(tuple(f"task_{k}" for k in range(len(gains))))
    evidence = record.spec.evidence
    assert evidence is not None
    tasks = tuple(
        task.model_copy(update={"gain_vs_separate": Interval(mean=mean, low=low, high=high)})
        for task, (mean, low, high) in zip(evidence.tasks, gains, strict=True)
    )
    return record.spec.model_copy(update={"evidence": evidence.model_copy(update={"tasks": tasks})})


def test_clear_losses_are_named_under_the_verdict_and_a_wide_interval_is_not_the_worst() -> None:
    spec = with_gains((-0.4, -0.9, 0.1), (-0.1, -0.2, -0.05), (0.5, 0.4, 0.6), (-0.3, -0.5, -0.1))
    text = summary("j", spec, "r")
    named = "Clearly worse than with a network of its own: task_3 -30.0 % [-50.0, -10.0], task_1 -10.0 % [-20.0, -5.0]."
    assert named in " ".join(text.split("\n\n")[0].split())
    line = next(line for line in text.splitlines() if "worst clear loss" in line)
    assert "task_3" in line
    assert "-30.0 %" in line


def test_without_a_clear_loss_none_is_named() -> None:
    spec = with_gains((-0.4, -0.9, 0.1), (0.5, 0.4, 0.6))
    text = summary("j", spec, "r")
    assert "Clearly worse" not in text
    assert "task_0" in next(line for line in text.splitlines() if "worst task" in line)


def test_the_worst_task_is_the_one_with_the_least_gain_against_separate() -> None:
    record = make_record(("good", "bad"))
    evidence = record.spec.evidence
    assert evidence is not None
    bad = evidence.tasks[1].model_copy(update={"gain_vs_separate": Interval(mean=-0.4, low=-0.5, high=-0.3)})
    spec = record.spec.model_copy(update={"evidence": evidence.model_copy(update={"tasks": (evidence.tasks[0], bad)})})
    text = summary("j", spec, "r")
    assert any("worst clear loss" in line and "-40.0 %" in line and "bad" in line for line in text.splitlines())


def test_a_spec_changed_after_its_evidence_says_so() -> None:
    spec = make_record().spec
    words = "verdict, gains and cost are those of another architecture"
    assert words not in summary("plan", spec)
    separate = Topology.separate(spec.tasks.names, spec.trunk.stages)
    changed = spec.model_copy(update={"architecture": spec.architecture.model_copy(update={"topology": separate})})
    assert words in summary("plan", changed)
