"""The rows of the page's tables, as text."""

from collections.abc import Sequence
from dataclasses import dataclass

from taskgroup.core.grouping import Grouping
from taskgroup.core.record import Chain, GroupCount, Record, TrialRow
from taskgroup.core.spec import Architecture, Cost, Evidence, Provenance, Recipe
from taskgroup.core.text import printable
from taskgroup.report.text import DASH, STATES, amount, percent, times

IMMEASURABLE = 1e6
"""Separations beyond this come from error bars that are zero but for round-off."""


@dataclass(frozen=True)
class Sheet:
    """A table: head, rows of cells, the columns that hold text (left aligned), and the rows to set off.

    Attributes:
        head: Column titles.
        rows: Cells as text, one tuple a row.
        texts: Positions of columns that hold words; all others hold numbers.
        strong: Positions of rows that stand out.
        long: Positions of text columns that may break into lines.
    """

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    texts: frozenset[int] = frozenset({0})
    strong: frozenset[int] = frozenset()
    long: frozenset[int] = frozenset()


def task_table(evidence: Evidence) -> Sheet:
    """Errors and gains of each task."""
    rows = [
        (
            printable(t.task),
            t.metric,
            f"{t.error:#.4g}",
            f"{t.error_separate:#.4g}",
            f"{t.error_shared:#.4g}",
            t.gain_vs_separate.percent(),
            t.gain_vs_shared.percent(),
        )
        for t in evidence.tasks
    ]
    head = (
        "task",
        "metric",
        "error",
        "error all-separate",
        "error all-shared",
        "gain vs all-separate",
        "gain vs all-shared",
    )
    return Sheet(head, rows, texts=frozenset({0, 1}))


def arm_table(evidence: Evidence) -> Sheet:
    """Confirmed candidates on the validation split, the chosen one set off."""
    varied = any(arm.head_size or arm.recipe.words for arm in evidence.arms)
    rows = [
        (
            printable(arm.name) + (" (chosen)" if arm.chosen else ""),
            *([dressed(arm.head_size, arm.recipe) or DASH] if varied else []),
            *_ratios(arm.cost),
            arm.gain_vs_separate.percent(),
            arm.gain_vs_shared.percent(),
            arm.fingerprint,
        )
        for arm in evidence.arms
    ]
    further = ("heads and training",) if varied else ()
    named = ("parameters", "MACs", "gain vs all-separate", "gain vs all-shared", "fingerprint")
    chosen = frozenset(k for k, arm in enumerate(evidence.arms) if arm.chosen)
    return Sheet(("candidate", *further, *named), rows, texts=frozenset({0, 1, 6} if varied else {0, 5}), strong=chosen)


def proposal_table(record: Record) -> Sheet:
    """Groupings that were proposed, the recommended one set off."""
    rows = [
        (
            str(len(p.grouping)),
            partition(p.grouping),
            DASH if p.stability is None else f"{p.stability:.2f}",
            DASH if p.score is None else f"{p.score:+.2f}",
            printable(p.source),
        )
        for p in record.proposals.proposals
    ]
    head = ("groups", "tasks", "stability", "silhouette", "source")
    recommended = record.proposals.recommended
    strong = frozenset(k for k, p in enumerate(record.proposals.proposals) if p.grouping == recommended)
    return Sheet(head, rows, texts=frozenset({1, 4}), strong=strong, long=frozenset({1, 4}))


def count_table(counts: Sequence[GroupCount]) -> Sheet:
    """What speaks for each number of groups; empty where there is one number only."""
    rows = [
        (
            str(row.n_groups),
            *(DASH if value is None else f"{value:.2f}" for value in (row.silhouette, row.eigengap, row.stability)),
            separation_words(row.separation),
        )
        for row in (counts if len(counts) > 1 else ())
    ]
    head = ("groups", "silhouette", "eigengap", "stability", "separation in standard errors")
    return Sheet(head, rows, texts=frozenset())


def chain_rows(chain: Chain | None) -> list[tuple[str, str]]:
    """Pairs of stage and partition; none where no stage parts any tasks."""
    if chain is None or chain.topology.is_shared:
        return []
    topology = chain.topology
    return [(printable(stage), partition(topology.grouping(s))) for s, stage in enumerate(topology.stages)]


def separation_words(separation: float | None) -> str:
    """One decimal; a dash where it is unknown, or beyond measure because the error bars are nothing."""
    return DASH if separation is None or separation > IMMEASURABLE else f"{separation:.1f}"


def partition(grouping: Grouping) -> str:
    """``a, b | c``."""
    return " | ".join(", ".join(map(printable, group)) for group in grouping.groups)


def trial_table(trials: Sequence[TrialRow], chosen: str) -> Sheet:
    """Every trial, the plan's set off; ``chosen`` is the fingerprint of its network and recipe.

    Heads and training, and gains under further seeds, stand where there are any.
    """
    varied = any(t.recipe.words for t in trials) or len({t.architecture.head_size for t in trials}) > 1
    listed = any(t.again for t in trials)
    rows = [
        (
            str(t.number),
            printable(t.origin),
            STATES.get(t.state, printable(t.state)),
            DASH if t.gain is None else percent(t.gain),
            *([", ".join(map(percent, t.again)) or DASH] if listed else []),
            *_ratios(t.cost),
            _copies(t.architecture),
            _adapters(t.architecture),
            *([dressed(t.architecture.head_size, t.recipe) or DASH] if varied else []),
            f"{t.seconds:.1f}",
        )
        for t in trials
    ]
    again = ("under further seeds",) if listed else ()
    further = ("heads and training",) if varied else ()
    costs = ("parameters", "MACs", "copies per stage", "adapter sizes")
    head = ("trial", "origin", "state", "gain", *again, *costs, *further, "seconds")
    strong = frozenset(k for k, t in enumerate(trials) if t.gain is not None and t.candidate.fingerprint == chosen)
    texts = frozenset(head.index(name) for name in ("origin", "state", *costs[2:], *further))
    return Sheet(head, rows, texts=texts, strong=strong)


def dressed(head_size: int, recipe: Recipe) -> str:
    """Heads and training where they are not the plainest: ``heads of 32, learning rate x 4``."""
    heads = [f"heads of {head_size}"] * bool(head_size)
    return ", ".join(heads + [recipe.words] * bool(recipe.words))


def optimism_words(evidence: Evidence) -> str:
    """What was taken off the gains for the choice among several; empty where nothing was."""
    pairs = (("all-separate", evidence.optimism_vs_separate), ("all-shared", evidence.optimism_vs_shared))
    taken = [f"{percent(value).lstrip('+')} from the gain against {name}" for name, value in pairs if value]
    return f"Taken off for having chosen the best of several: {' and '.join(taken)}." if taken else ""


def asked_words(provenance: Provenance) -> str:
    """Objectives, limits, rules and budgets of the config, where it has any."""
    return printable(", ".join(f"{key} {value}" for key, value in provenance.asked.items()))


def spent_words(provenance: Provenance) -> str:
    """What each step cost in compute; empty where it was not counted."""
    return ", ".join(f"{step} {amount:.1f}" for step, amount in provenance.trainings.items())


def provenance_list(provenance: Provenance | None, fingerprint: str) -> list[tuple[str, str]]:
    """Where the plan comes from, as pairs of word and value."""
    pairs = [("spec fingerprint", fingerprint)]
    if provenance:
        pairs += [
            ("job", provenance.job),
            ("created", provenance.created),
            ("seed", str(provenance.seed)),
            ("trials", str(provenance.n_trials)),
            ("config hash", provenance.config_hash),
            ("data hash", provenance.data_hash),
            ("versions", ", ".join(f"{k} {v}" for k, v in provenance.versions.items())),
            ("time", ", ".join(f"{k} {v:.1f} s" for k, v in provenance.seconds.items())),
            ("compute", f"{spent} trainings of all-shared" if (spent := spent_words(provenance)) else ""),
            ("asked for", asked_words(provenance)),
        ]
    return [(word, printable(value)) for word, value in pairs if value]


def cost_words(cost: Cost) -> list[tuple[str, str, str]]:
    """Label, relative and absolute cost."""
    return [
        ("MACs", times(cost.macs_ratio), f"of all-shared; {amount(cost.macs)} per example"),
        ("Parameters", times(cost.params_ratio), f"of all-shared; {amount(cost.params)}"),
    ]


def _ratios(cost: Cost) -> tuple[str, str]:
    return times(cost.params_ratio), times(cost.macs_ratio)


def _copies(architecture: Architecture) -> str:
    return " · ".join(str(max(row) + 1) for row in architecture.topology.matrix)


def _adapters(architecture: Architecture) -> str:
    sizes = {
        stage: [a.size for a in architecture.adapters if a.stage == stage] for stage in architecture.topology.stages
    }
    return " · ".join("/".join(map(str, found)) or "0" for found in sizes.values())
