"""The report: one HTML file that needs no network, and the figures beside it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup
from matplotlib.figure import Figure

from taskgroup.core.grouping import Grouping
from taskgroup.core.record import Record, search_words
from taskgroup.core.spec import Evidence, Spec
from taskgroup.core.text import printable
from taskgroup.report.plots import draw_all
from taskgroup.report.plots.style import drawing
from taskgroup.report.summary import NO_EVIDENCE, headline, loss_words, settings
from taskgroup.report.svg import inline_svg, svg_text
from taskgroup.report.tables import (
    arm_table,
    asked_words,
    chain_rows,
    cost_words,
    count_table,
    dressed,
    optimism_words,
    partition,
    proposal_table,
    provenance_list,
    task_table,
    trial_table,
)
from taskgroup.report.text import TIMES, shorten
from taskgroup.report.tree import tree_text

DPI = 150

_ALT = {
    "topology": "The topology as a tree with stages from left to right and tasks at the right.",
    "affinity": "Heatmap of the centred affinity between tasks, for the whole trunk and for each stage.",
    "dendrogram": "Dendrogram of the tasks.",
    "gains": "Gain of each task with its interval against both baselines; the numbers are in the table below.",
    "pareto": "Validation gain of every trial against its cost, with the Pareto front, the plan and both baselines.",
    "history": "Validation gain of every trial in the order of the search, with the best so far.",
}


@dataclass(frozen=True)
class Tile:
    """A key number under the verdict."""

    label: str
    value: str
    note: str


def write_page(record: Record, folder: Path) -> Path:
    """Write the figures and ``report.html`` into ``folder``."""
    pictures = {
        name: write_figure(figure, name, _ALT[name], folder / "figures") for name, figure in draw_all(record).items()
    }
    return write_html("report.html", _context(record, pictures), folder)


def write_html(name: str, context: Mapping[str, Any], folder: Path) -> Path:
    """Write the page that the template ``name`` makes of ``context``; all text is escaped."""
    loader = jinja2.PackageLoader("taskgroup.report", "templates")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    path = folder / name
    path.write_text(environment.get_template(name).render(context), encoding="utf-8", newline="\n")
    return path


def write_figure(figure: Figure, name: str, description: str, folder: Path) -> Markup:
    """Write a figure as SVG and PNG; returns it as an element of a page."""
    folder.mkdir(parents=True, exist_ok=True)
    svg = svg_text(figure, name)
    (folder / f"{name}.svg").write_text(svg, encoding="utf-8", newline="\n")
    with drawing():
        figure.savefig(folder / f"{name}.png", dpi=DPI, metadata={"Software": None})
    # safe: matplotlib escaped the names when it wrote the SVG, and inline_svg parsed and wrote it as XML again
    return Markup(inline_svg(svg, name, description))


def _context(record: Record, pictures: dict[str, Markup]) -> dict[str, Any]:
    spec, evidence = record.spec, record.spec.evidence
    return {
        "name": printable(record.name),
        "headline": headline(evidence),
        "verdict": printable(evidence.verdict.text) if evidence else NO_EVIDENCE,
        "losses": unbroken(loss_words(evidence)) if evidence else "",
        "settings": unbroken(settings(evidence)) if evidence else None,
        "tiles": _tiles(spec),
        "pictures": pictures,
        "tree": tree_text(spec.architecture, spec.cost),
        "dressed": dressed(spec.architecture.head_size, spec.recipe),
        "asked": asked_words(spec.provenance) if spec.provenance else "",
        "listed": any(trial.again for trial in record.trials),
        "optimism": unbroken(optimism_words(evidence)) if evidence else "",
        "tasks": task_table(evidence) if evidence else None,
        "arms": arm_table(evidence) if evidence else None,
        "proposals": proposal_table(record),
        "reason": record.proposals.reason,
        "recommended": _recommended(record.proposals.recommended),
        "group_counts": count_table(record.proposals.counts),
        "chain": chain_rows(record.proposals.chain),
        "notes": record.proposals.notes,
        "trials": trial_table(record.trials, record.plan.fingerprint),
        "counts": search_words(record.trials),
        "spec_text": yaml.safe_dump(
            spec.to_dict(), sort_keys=False, allow_unicode=True, default_flow_style=None, width=110
        ),
        "provenance": provenance_list(spec.provenance, spec.fingerprint),
        "affinity": [(k.replace("_", " "), printable(str(v))) for k, v in record.affinity.provenance.items()],
    }


def _tiles(spec: Spec) -> list[Tile]:
    tiles = _gain_tiles(spec.evidence) if spec.evidence else []
    tiles += [Tile(*words) for words in cost_words(spec.cost)] if spec.cost else []
    return [Tile(unbroken(t.label), unbroken(t.value), unbroken(t.note)) for t in tiles]


def _gain_tiles(evidence: Evidence) -> list[Tile]:
    worst = evidence.worst
    label = (
        "Worst clear loss, against all-separate"
        if evidence.losses
        else "Worst task, no clear loss against all-separate"
    )
    gains = [
        ("Gain against all-separate", "", evidence.gain_vs_separate),
        ("Gain against all-shared", "", evidence.gain_vs_shared),
        (label, f"{shorten(worst.task, 40)} ", worst.gain_vs_separate),
    ]
    tiles = []
    for label, note, gain in gains:
        value, _, bounds = gain.percent().partition(" [")
        tiles.append(Tile(label, value, f"{note}[{bounds}"))
    return tiles


def unbroken(text: str) -> str:
    """The same words with numbers kept on one line: no break before a unit, inside an interval or at ``all-``."""
    text = re.sub(rf"(?<=\d) (?=[%kMGT{TIMES}])|(?<=,) (?=[+-])", "\u00a0", text)
    return text.replace("all-", "all\u2011")


def _recommended(grouping: Grouping | None) -> str:
    """The groups in words; empty where all tasks are together."""
    return "" if grouping is None or len(grouping) == 1 else partition(grouping)
