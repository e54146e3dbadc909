"""The figures of a report, drawn with matplotlib but without pyplot; knows nothing of pages and files."""

from matplotlib.figure import Figure

from taskgroup.core.record import Record
from taskgroup.report.plots.affinity import draw_affinity
from taskgroup.report.plots.dendrogram import draw_dendrogram
from taskgroup.report.plots.gains import draw_gains
from taskgroup.report.plots.history import draw_history
from taskgroup.report.plots.pareto import draw_pareto
from taskgroup.report.plots.style import drawing
from taskgroup.report.plots.topology import draw_topology


def draw_all(record: Record) -> dict[str, Figure]:
    """Every figure that the record has data for, by name."""
    with drawing():
        figures = {
            "topology": draw_topology(record.spec.architecture),
            "affinity": draw_affinity(record.affinity, record.proposals),
            "dendrogram": draw_dendrogram(record.proposals, record.affinity.tasks),
        }
        if record.spec.evidence:
            figures["gains"] = draw_gains(record.spec.evidence)
        if any(trial.gain is not None for trial in record.trials):
            figures["pareto"] = draw_pareto(record.trials, record.plan.fingerprint)
        if record.trials:
            figures["history"] = draw_history(record.trials)
    return figures
