"""What a finished run prints last."""

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

from taskgroup.core.gain import Interval
from taskgroup.core.spec import Evidence, Spec
from taskgroup.core.text import printable
from taskgroup.report.tables import dressed, optimism_words, spent_words
from taskgroup.report.text import amount, plural, shorten, times
from taskgroup.report.tree import tree_text

WIDTH = 96

HEADLINES = {
    "share_everything": "Share everything",
    "separate_everything": "Separate everything",
    "better_than_both": "Branch: better than sharing all and than separating all",
    "as_good_as_separate": "Branch: better than sharing all, and separating all is not clearly better",
    "as_good_as_shared": "Sharing everything is as good",
    "best_within_limits": "Branch: the best within the limits",
    "not_enough": "Not enough evidence",
}

NO_EVIDENCE = "This plan has no evidence: nobody has compared it with the baselines yet."

_FILES = (
    ("report.html", "the report, opens in any browser"),
    ("spec.yaml", "the plan; taskgroup.load_spec reads it"),
    ("spec.json", "the plan; taskgroup.load_spec reads it"),
    ("weights.safetensors", "trained weights of the plan"),
    ("affinity.csv", "measured affinities"),
    ("trials.csv", "every trial of the search"),
    ("figures", "the pictures as SVG and PNG"),
    ("exports", "the spec, and where asked for the network, in other formats"),
)


EDITED = "  This spec was changed after that: verdict, gains and cost are those of another architecture."


def summary(name: str, spec: Spec, folder: str | Path | None = None) -> str:
    """The outcome of a job in plain text of at most 100 columns.

    Args:
        name: Of the job, or of the spec's file.
        spec: Its plan; one without evidence or cost shows what it has.
        folder: Where the job's files are, if they are to be listed.
    """
    edited = [EDITED] if spec.is_edited else []
    blocks = [
        [*_verdict(name, spec.evidence), *edited],
        ["Topology", *indented(tree_text(spec.architecture).splitlines())],
    ]
    if words := dressed(spec.architecture.head_size, spec.recipe):
        blocks.append([f"Trained with  {words}"])
    if spec.evidence:
        blocks.append(_gains(spec.evidence))
    if spec.cost:
        blocks.append(_cost(spec))
    if spec.provenance and (spent := spent_words(spec.provenance)):
        blocks.append([f"Spent  {spent} (compute, in trainings of all-shared)"])
    if folder is not None:
        blocks.append(_files(Path(folder)))
    return "\n\n".join("\n".join(block) for block in blocks)


def headline(evidence: Evidence | None) -> str:
    """The verdict in a few words."""
    return HEADLINES[evidence.verdict.code] if evidence else "Not confirmed"


def loss_words(evidence: Evidence) -> str:
    """Names the tasks that the mean hides: ``Clearly worse than alone: a -33.5 % [-60.1, -6.9]``; empty where none."""
    named = [f"{shorten(t.task, 40)} {t.gain_vs_separate.percent()}" for t in evidence.losses]
    return f"Clearly worse than with a network of its own: {', '.join(named)}." if named else ""


def settings(evidence: Evidence) -> str:
    """How sure the intervals are and where from: ``test split, 5 seeds, 95 % intervals``."""
    seeds = plural(len(evidence.seeds), "seed")
    return f"{printable(evidence.split)} split, {seeds}, {100 * evidence.level:g} % intervals"


def _verdict(name: str, evidence: Evidence | None) -> list[str]:
    text = evidence.verdict.text if evidence else NO_EVIDENCE
    paragraphs = [printable(text), loss_words(evidence) if evidence else ""]
    lines = [line for words in paragraphs for line in textwrap.wrap(words, WIDTH - 2, break_on_hyphens=False)]
    return [f"{shorten(name, 36)}: {headline(evidence)}", *indented(lines)]


def _gains(evidence: Evidence) -> list[str]:
    worst, label = evidence.worst, "worst clear loss" if evidence.losses else "worst task"
    rows = [
        ("against all-separate", evidence.gain_vs_separate, ""),
        ("against all-shared", evidence.gain_vs_shared, ""),
        ("all-shared itself", evidence.shared_vs_separate, "(against all-separate)"),
        (label, worst.gain_vs_separate, f"{shorten(worst.task, 24)} (against all-separate)"),
    ]
    cells = [(label, *_interval_cells(gain), note) for label, gain, note in rows]
    title = f"Gain: mean share of the error that is gone ({settings(evidence)})"
    taken = textwrap.wrap(optimism_words(evidence), WIDTH - 2, break_on_hyphens=False)
    return [title, *indented(aligned(cells, "<><<")), *indented(taken)]


def _interval_cells(gain: Interval) -> tuple[str, str]:
    mean, _, bounds = gain.percent().partition(" [")
    return mean, f"[{bounds}"


def _cost(spec: Spec) -> list[str]:
    assert spec.cost is not None
    cells = [
        ("parameters", amount(spec.cost.params), f"{times(spec.cost.params_ratio)} all-shared"),
        ("MACs per example", amount(spec.cost.macs), f"{times(spec.cost.macs_ratio)} all-shared"),
    ]
    return ["Cost", *indented(aligned(cells, "<>>"))]


def _files(folder: Path) -> list[str]:
    there = [(name, what) for name, what in _FILES if (folder / name).exists()]
    return [f"Files in {folder}", *indented(aligned(there, "<<"))]


def indented(lines: Iterable[str]) -> list[str]:
    """Lines two spaces to the right."""
    return [f"  {line}" for line in lines]


def aligned(rows: Sequence[Sequence[str]], sides: str) -> list[str]:
    """Columns of equal width, two spaces apart; ``sides`` gives each column's alignment."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)).rstrip()
        for row in rows
    ]
