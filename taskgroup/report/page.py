"""The report: one HTML file that needs no network, and the figures beside it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup

from taskgroup.core.record import Record
from taskgroup.core.spec import Evidence, Spec
from taskgroup.core.text import printable
from taskgroup.report.plots import draw_all
from taskgroup.report.plots.style import drawing
from taskgroup.report.summary import NO_EVIDENCE, headline, settings
from taskgroup.report.svg import inline_svg, svg_text
from taskgroup.report.tables import arm_table, cost_words, proposal_table, provenance_list, task_table, trial_table
from taskgroup.report.text import TIMES, plural, shorten
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
    pictures = _write_figures(record, folder / "figures")
    loader = jinja2.PackageLoader("taskgroup.report", "templates")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    path = folder / "report.html"
    page = environment.get_template("report.html").render(_context(record, pictures))
    path.write_text(page, encoding="utf-8", newline="\n")
    return path


def _write_figures(record: Record, folder: Path) -> dict[str, Markup]:
    """Write each figure as SVG and PNG; returns them as elements of a page."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {}
    for name, figure in draw_all(record).items():
        svg = svg_text(figure, name)
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8", newline="\n")
        with drawing():
            figure.savefig(folder / f"{name}.png", dpi=DPI, metadata={"Software": None})
        # safe: matplotlib escaped the names when it wrote the SVG, and inline_svg parsed and wrote it as XML again
        pictures[name] = Markup(inline_svg(svg, name, _ALT[name]))
    return pictures


def _context(record: Record, pictures: dict[str, Markup]) -> dict[str, Any]:
    spec, evidence = record.spec, record.spec.evidence
    return {
        "name": printable(record.name),
        "headline": headline(evidence),
        "verdict": printable(evidence.verdict.text) if evidence else NO_EVIDENCE,
        "settings": _unbroken(settings(evidence)) if evidence else None,
        "tiles": _tiles(spec),
        "pictures": pictures,
        "tree": tree_text(spec.architecture, spec.cost),
        "tasks": task_table(evidence) if evidence else None,
        "arms": arm_table(evidence) if evidence else None,
        "proposals": proposal_table(record),
        "notes": record.proposals.notes,
        "trials": trial_table(record.trials, spec.architecture.fingerprint),
        "counts": _counts(record),
        "spec_text": yaml.safe_dump(
            spec.to_dict(), sort_keys=False, allow_unicode=True, default_flow_style=None, width=110
        ),
        "provenance": provenance_list(spec.provenance, spec.fingerprint),
        "affinity": [(k.replace("_", " "), printable(str(v))) for k, v in record.affinity.provenance.items()],
    }


def _tiles(spec: Spec) -> list[Tile]:
    tiles = _gain_tiles(spec.evidence) if spec.evidence else []
    tiles += [Tile(*words) for words in cost_words(spec.cost)] if spec.cost else []
    return [Tile(_unbroken(t.label), _unbroken(t.value), _unbroken(t.note)) for t in tiles]


def _gain_tiles(evidence: Evidence) -> list[Tile]:
    gains = [
        ("Gain against all-separate", "", evidence.gain_vs_separate),
        ("Gain against all-shared", "", evidence.gain_vs_shared),
        ("Worst task, against all-separate", f"{shorten(evidence.worst.task, 40)} ", evidence.worst.gain_vs_separate),
    ]
    tiles = []
    for label, note, gain in gains:
        value, _, bounds = gain.percent().partition(" [")
        tiles.append(Tile(label, value, f"{note}[{bounds}"))
    return tiles


def _unbroken(text: str) -> str:
    """The same words with numbers kept on one line: no break before a unit, inside an interval or at ``all-``."""
    text = re.sub(rf"(?<=\d) (?=[%kMGT{TIMES}])|(?<=,) (?=[+-])", "\u00a0", text)
    return text.replace("all-", "all\u2011")


def _counts(record: Record) -> str:
    """``25 complete, 4 pruned``."""
    states = [t.state for t in record.trials]
    counted = [f"{states.count(s)} {printable(s)}" for s in dict.fromkeys(states)]
    return f"{plural(len(states), 'trial')}: {', '.join(counted)}" if states else "No trials"
