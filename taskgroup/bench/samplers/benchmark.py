"""Benchmark ``samplers``: which sampler and which encoding find good topologies, measured on recorded tables."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch

from taskgroup.bench.frame import Places, Row
from taskgroup.bench.samplers.recording import DEPTH, SEEDS, Recorded, names, record, small_problem
from taskgroup.bench.samplers.replay import IDLE, N_FIRST, Walk, climbed, encodings, flowed, sampled
from taskgroup.pipeline.progress import Progress
from taskgroup.search.encodings import Encoding

BUDGETS = (10, 20, 40, 80)
MOST = {"gp": 10, "flow": 40}
"""What rows can afford whose asks take long: a Gaussian process a tenth of a second and more."""
GP_REPLAYS = 4
STEPS = 60
REPLAYS = 8
TABLE = "table.json"
REACH = "best that can be named"
SAMPLERS = ("tpe", "tpe-group", "nsga2", "gp", "random")
CHEAP = ("tpe", "nsga2", "random")
"""Samplers of the encoding that has every topology."""

Replay = Callable[[int, int, int], Walk]
"""Of the seed, the training seed that search sees, and the budget."""


class SamplersBench:
    """Replays on tables of every topology of small problems."""

    parallel = True
    about = f"""\
Every topology of four tasks on a trunk of {DEPTH} stages (154 chains of partitions) was trained under {SEEDS} seeds. A
replay searches such a table: it sees the validation gain against all-separate under one of the seeds, tries both
baselines and the first {N_FIRST} candidates of the flow (from a lookahead), and then what is to be compared, until so
many different topologies (`budget`) were trained. Topologies that are known cost nothing; after {IDLE} of them in a row
a sampler has nothing more to say. Its choice is the topology with the highest gain that it saw.

- `regret`: mean gain of the choice under the other seeds, below the highest of all topologies, in percentage points of
  gain. It cannot be 0 where one seed misleads: `all topologies` is the choice of who has trained them all.
- `unseen`: gain of the choice under the seed that search sees, below the highest under it: what a longer search would
  have found. It tells searches apart that the noise of one seed makes alike.
- `behind` follows each of them: the mean difference to the row that is lowest in it, paired by table and training seed;
  a tie where it is below two of its standard errors. Rows are in the order of `regret`.
- `trained`: different topologies trained. `ms`: processor time an ask, suggestions of known topologies included.

Encodings: `splits` is a category for the tree and a branching stage for each merge (the space of search), over the
trees that the flow proposes; `all splits` the same over every tree; `heights` cuts the first tree once a stage, each
stage at least as deep as the one before; `list` is one category over all groupings and cuts of trees that branch off
after any stage. Most of them cannot name every topology, see *Reach*. `flow` is search itself: planner and sampler in
turns on `splits`, and neighbours of good candidates where the sampler has nothing new; its surrogate may go beyond
`splits`. `climb` goes to a random new neighbour of the best so far; neighbours differ in the way of one task.

Standard errors are over tables and training seeds, after the mean over the replays that see the same seed ({REPLAYS}
replays a table, {GP_REPLAYS} for the Gaussian process, on {SEEDS} training seeds); they say nothing of other tables.
The Gaussian process is replayed up to {MOST["gp"]} trainings, the flow up to
{MOST["flow"]}: their time allows no more. NSGA-II is told the largest budget. A public set whose file is not in the
data folder is left out.

Before reading the pooled figures: they follow the table whose gains are widest, so read each table too. The tasks
of digits are not the first that were tried: with `parity`, `loops`, `ink_mass` and `slant` all-separate, which
every search begins with, was the best topology under every seed, which leaves nothing to compare; that table was
replaced before any replay. The present one is little better: all-separate is best under three seeds, and under the
fourth one of its tasks got stuck in training, which all gains under that seed are relative to. On yeast all-
separate is best under one seed."""

    def cells(self, quick: bool, places: Places) -> Sequence[str]:
        """One a table; public sets only where their file is there."""
        return names(places, quick)

    def run(
        self, cell: str, *, quick: bool, workers: int, folder: Path, places: Places, progress: Progress
    ) -> list[Row]:
        """Record the table, unless it is there, and replay every way of searching."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            table = recorded(cell, quick, folder, places, progress)
        finally:
            torch.set_num_threads(threads)
        budgets, n_replays = (BUDGETS[:1], 2) if quick else (BUDGETS, REPLAYS)
        rows = [_row(cell, "all topologies", "", len(table.topologies), table, _all(table, n_replays))]
        rows += [_reach(cell, name, table, encoding, n_replays) for name, encoding in encodings(table).items()]
        every = {way: replay for way, replay in ways(table).items() if not quick or way[0] != "gp"}
        progress.begin(f"{cell}: replays", len(every))
        for k, ((sampler, encoding), replay) in enumerate(every.items()):
            fit = [b for b in budgets if b <= MOST.get(sampler.split(",")[0], b)]
            walks = [replay(s, s % SEEDS, fit[-1]) for s in range(GP_REPLAYS if sampler == "gp" else n_replays)]
            rows += [_row(cell, sampler, encoding, budget, table, walks) for budget in fit]
            progress.advance(k + 1)
        progress.end(f"{len(every)} ways")
        return rows

    def tables(self, rows: Sequence[Row]) -> dict[str, list[Row]]:
        """Pooled over the tables, one for each budget; and each table at each budget."""
        floor = [row for row in rows if row["sampler"] == "all topologies"]
        reach = [row for row in rows if row["sampler"] == REACH]
        replayed = [row for row in rows if row not in floor and row not in reach]
        budgets = sorted({row["budget"] for row in replayed})
        shown = {f"{b} trainings": pooled([r for r in replayed if r["budget"] == b], floor) for b in budgets}
        return {
            **shown,
            "Reach": [_shown(row) for row in reach],
            "Each table": [_shown(r) for r in (*floor, *replayed)],
        }


def recorded(cell: str, quick: bool, folder: Path, places: Places, progress: Progress) -> Recorded:
    """The table of a cell; it is made once."""
    if not (folder / TABLE).exists():
        progress.begin(f"{cell}: every topology", 0)
        problem = small_problem(cell, places, 1 if quick else DEPTH)
        record(problem, folder, 8 if quick else STEPS, progress).write(folder / TABLE)
        progress.end("recorded")
    return Recorded.read(folder / TABLE)


def ways(table: Recorded) -> Mapping[tuple[str, str], Replay]:
    """Every way of searching, by sampler and encoding."""
    coded = encodings(table)
    return {
        **{
            (s, e): partial(sampled, table, coded[e], s)
            for e in coded
            for s in (CHEAP if e == "all splits" else SAMPLERS)
        },
        ("climb", "moves of one task"): partial(climbed, table),
        ("flow, tpe", "splits"): partial(flowed, table, sampler="tpe", surrogate=True),
        ("flow, tpe, no surrogate", "splits"): partial(flowed, table, sampler="tpe", surrogate=False),
    }


def regrets(table: Recorded, walk: Walk, trial_seed: int, budget: int) -> tuple[float, float]:
    """Of the topology that looked best in the first ``budget`` trainings: under the other seeds, and as it was seen."""
    seen, fresh = table.gains[:, trial_seed], table.fresh(trial_seed)
    choice = max(walk.order[:budget], key=lambda k: seen[k])
    return float(fresh.max() - fresh[choice]), float(seen.max() - seen[choice])


def _all(table: Recorded, n: int) -> list[Walk]:
    return [Walk(tuple(range(len(table.topologies))), 0, 0.0)] * n


def _reach(cell: str, name: str, table: Recorded, encoding: Encoding, n: int) -> Row:
    """As if all topologies were trained that an encoding can name; ``budget`` is their number."""
    named = tuple(k for k, topology in enumerate(table.topologies) if encoding.params(topology) is not None)
    return _row(cell, REACH, name, len(named), table, [Walk(named, 0, 0.0)] * n)


def _row(cell: str, sampler: str, encoding: str, budget: int, table: Recorded, walks: Sequence[Walk]) -> Row:
    found = [regrets(table, walk, seed % SEEDS, budget) for seed, walk in enumerate(walks)]
    asks = sum(walk.asks for walk in walks)
    return {
        "table": cell,
        "sampler": sampler,
        "encoding": encoding,
        "budget": budget,
        "seeds": len(walks),
        "regret": [round(regret, 6) for regret, _ in found],
        "unseen": [round(unseen, 6) for _, unseen in found],
        "trained": statistics.mean(min(budget, len(walk.order)) for walk in walks),
        "ms": round(1e3 * sum(walk.seconds for walk in walks) / max(asks, 1), 2),
    }


def pooled(rows: Sequence[Row], floor: Sequence[Row]) -> list[Row]:
    """A line for each way, the best first; ``floor`` is of who has trained them all."""
    by_way: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        by_way.setdefault((row["sampler"], row["encoding"]), []).append(row)
    ranked = sorted(by_way.values(), key=lambda found: statistics.mean(_joined(found, "regret")))
    # the Gaussian process has fewer replays
    best = {key: _lowest([f for f in ranked if f[0]["sampler"] != "gp"], key) for key in ("regret", "unseen")}
    return [_line(found, best) for found in (*ranked, floor)]


def _lowest(ways: Sequence[Sequence[Row]], key: str) -> Sequence[Row]:
    return min(ways, key=lambda found: statistics.mean(_joined(found, key)))


def _joined(rows: Sequence[Row], key: str) -> list[float]:
    """Of all tables, in percentage points; replays that see the same training are one."""
    found = [row[key][seed::SEEDS] for row in rows for seed in range(min(SEEDS, len(row[key])))]
    return [100 * statistics.mean(values) for values in found]


def _line(rows: Sequence[Row], best: Mapping[str, Sequence[Row]]) -> Row:
    return {
        "sampler": rows[0]["sampler"],
        "encoding": rows[0]["encoding"],
        "regret": _spread(_joined(rows, "regret")),
        "behind": _behind(rows, best["regret"], "regret"),
        "unseen": _spread(_joined(rows, "unseen")),
        "behind in it": _behind(rows, best["unseen"], "unseen"),
        "trained": f"{statistics.mean(row['trained'] for row in rows):.0f}",
        "ms": f"{statistics.mean(row['ms'] for row in rows):.1f}",
    }


def _behind(rows: Sequence[Row], best: Sequence[Row], key: str) -> str:
    pairs = [a - b for row in rows for a, b in _paired(row, _same(best, row), key)]
    mean, error = statistics.mean(pairs), _error(pairs)
    return f"{mean:.2f} ± {error:.2f}{'' if mean > 2 * error else ' (tie)'}"


def _paired(one: Row, other: Row, key: str) -> list[tuple[float, float]]:
    return list(zip(_joined([one], key), _joined([other], key), strict=True))


def _same(rows: Sequence[Row], row: Row) -> Row:
    """That of the same table."""
    return next(found for found in rows if found["table"] == row["table"])


def _shown(row: Row) -> Row:
    kept = {key: row[key] for key in ("table", "sampler", "encoding", "budget")}
    return {**kept, "regret": _spread(_joined([row], "regret")), "unseen": _spread(_joined([row], "unseen"))}


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.mean(values):.2f} ± {_error(values):.2f}"


def _error(values: Sequence[float]) -> float:
    return float(statistics.stdev(values) / len(values) ** 0.5)
