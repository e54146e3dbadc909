"""``bench affinity``: which measures find planted groups, and which agree with what sharing really gains."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from taskgroup.bench.frame import Places, Row
from taskgroup.core.affinity import TRUNK, Affinity
from taskgroup.core.averaging import average
from taskgroup.core.comparison import Comparison, Measured
from taskgroup.groupers.hierarchical import Hierarchical
from taskgroup.measures import MEASURES
from taskgroup.pipeline.compare import run_measures
from taskgroup.pipeline.config import Config
from taskgroup.pipeline.folder import Folder
from taskgroup.pipeline.progress import Progress

Array = NDArray[np.float64]

PLANTED: Mapping[str, dict[str, Any]] = {
    "orthogonal": {"groups": [4, 4], "relation": "orthogonal"},
    "orthogonal, half overlap": {"groups": [4, 4], "relation": "orthogonal", "overlap": 0.5},
    "conflicting": {"groups": [4, 4], "relation": "conflicting"},
    "conflicting, noisy": {"groups": [4, 4], "relation": "conflicting", "noise": 1.0},
    "three groups, binary": {"groups": [3, 3, 3], "relation": "orthogonal", "kinds": ["binary"], "n_inputs": 24},
    "unequal sizes": {
        "groups": [4, 4],
        "relation": "orthogonal",
        "rows_per_task": [1, 1, 0.3, 0.1, 1, 1, 0.3, 0.1],
    },
    "own rows": {"groups": [4, 4], "relation": "orthogonal", "own_rows": True, "n_rows": 4000},
}
"""Dials of the planted problems; the first groups are wide apart, the last tasks have rows of their own."""

REAL = ("sarcos", "yeast", "tox21", "landmine")
SOME_TASKS: Mapping[str, dict[str, Any]] = {
    "landmine": {"tasks": [f"field{k}" for k in (1, 2, 3, 4, 5, 16, 17, 18, 19, 20)]}
}
"""Ten of landmine's 29 fields, five of each kind of ground: all pairs of all fields would take hours."""
STEPS, EVERY, LOOKS = 300, 10, (3, 6, 12, 30)

TRAINING: Mapping[str, dict[str, Any]] = {
    "lookahead": {},
    "lookahead(mode=exact)": {"mode": "exact"},
    "lookahead(mode=sampled)": {"mode": "sampled", "draws": 2},
    "lookahead(on=halves)": {"on": "halves"},
    "lookahead(on=next)": {"on": "next"},
    "lookahead(on=val)": {"on": "val"},
    "lookahead(step=optimizer)": {"step": "optimizer"},
    "gradient_cosine": {},
    "gradient_dot": {},
    "sign_conflict": {},
}
"""Measures that look in the course of training, with their variants."""


class AffinityBench:
    """One cell per planted setting and seed, and one per real set."""

    about = """
Which measure of affinity is worth its cost?

**Planted groups.** Eight or nine tasks whose groups are known (`taskgroup.problems.planted`), two problems per
setting. `ARI` is the agreement of the grouping by average linkage, cut at the true number of groups, with the truth
(1: found, 0: chance), mean over problems. For measures that look in the course of training it is also given after the
first looks (`every: 10`).

**Real sets.** Gains of really trained pairs (every pair of tasks, five paired seeds, validation error against training
alone; of landmine ten of the 29 fields) against what each measure says: rank correlation, per-target centred.
`reliability` is the measure's own, over seeds; `gain reliability` that of the gains themselves, which bounds any
agreement. `seconds` are those of the measure's trainings and looks for five seeds, on one worker. `per minute` is the
correlation over the minutes. An affinity is a prior with error bars: no row here is a verdict.
"""

    def cells(self, quick: bool, places: Places) -> Sequence[str]:
        """``planted-SETTING-SEED`` and ``real-SET``."""
        if quick:
            return ("planted-orthogonal-0",)
        planted = [f"planted-{name}-{seed}" for name in PLANTED for seed in range(2)]
        return [*planted, *(f"real-{name}" for name in REAL)]

    def run(
        self, cell: str, *, quick: bool, workers: int, folder: Path, places: Places, progress: Progress
    ) -> list[Row]:
        """Rows of one problem, a row per measure."""
        kind, _, rest = cell.partition("-")
        if kind == "real":
            options = {"name": rest, "folder": str(places.data.resolve()), **SOME_TASKS.get(rest, {})}
            config = _config(rest, "taskgroup.bench.sets:read_set", options)
            wanted = [*_wanted(), {"method": "pairs"}]
            found = run_measures(config, folder / "job", wanted, workers=workers, progress=progress, base=Path())
            return _real_rows(rest, found)
        setting, _, seed = rest.rpartition("-")
        options = {**PLANTED[setting], "seed": int(seed)}
        config = _config("planted", "taskgroup.problems.planted:planted", options, quick=quick)
        job = folder / "job"
        found = run_measures(config, job, _wanted(), workers=workers, progress=progress, base=Path())
        return _planted_rows(setting, int(seed), found, _truth(found.tasks), Folder(job))

    def tables(self, rows: Sequence[Row]) -> dict[str, list[Row]]:
        """Recovery by setting, recovery by looks, and a table per real set."""
        planted = [r for r in rows if r["cell"] == "planted"]
        tables = {
            "Planted: ARI by setting": _by_setting(planted),
            "Planted: ARI by number of looks": _by_looks(planted),
        }
        for name in REAL:
            mine = [_shown(r) for r in rows if r["cell"] == name]
            if mine:
                tables[f"Real: {name}"] = mine
        summary = _summary([r for r in rows if r["cell"] in REAL])
        return {**tables, **({"Real: all sets": summary} if summary else {})}


def _wanted() -> list[dict[str, Any]]:
    """Every measure but those that are given or trained, training measures in all variants."""
    training = [{"method": name.partition("(")[0], **options} for name, options in TRAINING.items()]
    others = [n for n in MEASURES.names if MEASURES[n].sees in ("features", "data", "shared")]
    return [*training, *({"method": name} for name in others)]


def _config(name: str, target: str, options: dict[str, Any], *, quick: bool = False) -> Config:
    seeds, steps = (1, 60) if quick else (5 if name in REAL else 1, STEPS)
    return Config.model_validate(
        {
            "name": f"affinity-{name}",
            "problem": {"source": "python", "target": target, "options": options},
            "train": {"steps": steps, "batch_size": 64, "lr": 0.003},
            "measure": {"every": EVERY, "seeds": seeds, "stop": "never", "window": "all"},
        }
    )


def _truth(tasks: Sequence[str]) -> list[str]:
    """Planted tasks are named ``gGROUP_tTASK``."""
    return [task.partition("_")[0] for task in tasks]


def _ari(matrix: Array, tasks: Sequence[str], truth: Sequence[str]) -> float:
    """Agreement of the cut at the true number of groups; 0 where nothing is known."""
    if np.isnan(matrix[~np.eye(len(matrix), dtype=bool)]).all():
        return 0.0
    counts = np.ones((1, *matrix.shape), dtype=np.int64)
    affinity = Affinity(tuple(tasks), (TRUNK,), matrix[None], np.zeros((1, *matrix.shape)), counts)
    n_groups = len(set(truth))
    for proposal in Hierarchical(max_groups=n_groups)(affinity).proposals:
        if len(proposal.grouping.groups) == n_groups:
            where = {task: g for g, group in enumerate(proposal.grouping.groups) for task in group}
            return float(adjusted_rand_score(list(truth), [where[task] for task in tasks]))
    return 0.0


def _planted_rows(setting: str, seed: int, found: Comparison, truth: Sequence[str], folder: Folder) -> list[Row]:
    looks = _looks(folder, [m for m in found.measured if m.sees == "probe"])
    return [
        {
            "cell": "planted",
            "setting": setting,
            "seed": seed,
            "measure": m.name,
            "family": m.family,
            "ari": _ari(m.affinity.slice(), found.tasks, truth),
            "seconds": m.look_s + m.training_s,
            "ari_by_looks": {
                str(n): statistics.mean(_ari(average(one[:n]), found.tasks, truth) for one in looks[m.name])
                for n in (LOOKS if m.name in looks else ())
            },
        }
        for m in found.measured
    ]


def _looks(folder: Folder, measured: Sequence[Measured]) -> dict[str, list[Array]]:
    """Every seed's looks of each training measure, the trunk's slice, ``(n_looks, T, T)``, from the trials' files."""
    found: dict[str, list[Array]] = {m.name: [] for m in measured}
    for path in sorted(folder.trials.glob("*.npz")):
        with np.load(path, allow_pickle=False) as file:
            if "steps.0" not in file.files:
                continue
            for k, m in enumerate(measured):
                found[m.name].append(file[f"samples.{k}"][:, -1])
    return found


def _real_rows(name: str, found: Comparison) -> list[Row]:
    gains = next(m for m in found.measured if m.name == "pairs")
    return [
        {
            "cell": name,
            "measure": m.name,
            "family": m.family,
            "agreement": found.agreement_with_gains(m.name),
            "reliability": m.reliability,
            "gain_reliability": gains.reliability,
            "seconds": m.look_s + m.training_s,
            "seeds": 5,
        }
        for m in found.measured
        if m.name != "pairs"
    ]


def _mean(values: Sequence[float]) -> str:
    return f"{statistics.mean(values):.2f}" if values else ""


def _by_setting(rows: Sequence[Row]) -> list[Row]:
    names = list(dict.fromkeys(r["measure"] for r in rows))
    settings = [s for s in PLANTED if any(r["setting"] == s for r in rows)]
    table = []
    for name in names:
        mine = [r for r in rows if r["measure"] == name]
        by = {s: _mean([r["ari"] for r in mine if r["setting"] == s]) for s in settings}
        seconds = statistics.median(r["seconds"] for r in mine)
        table.append({"measure": name, **by, "mean": _mean([r["ari"] for r in mine]), "seconds": f"{seconds:.1f}"})
    return sorted(table, key=lambda row: -float(row["mean"] or 0))


def _by_looks(rows: Sequence[Row]) -> list[Row]:
    names = list(dict.fromkeys(r["measure"] for r in rows if r["ari_by_looks"]))
    return [
        {
            "measure": name,
            **{f"{n} looks": _mean([r["ari_by_looks"][str(n)] for r in rows if r["measure"] == name]) for n in LOOKS},
        }
        for name in names
    ]


def _shown(row: Row) -> Row:
    def number(value: float | None) -> str:
        return "" if value is None or np.isnan(value) else f"{value:+.2f}"

    return {
        "measure": row["measure"],
        "family": row["family"],
        "agreement with gains": number(row["agreement"]),
        "reliability": number(row["reliability"]),
        "gain reliability": number(row["gain_reliability"]),
        "seconds": f"{row['seconds']:.0f}",
    }


def _summary(rows: Sequence[Row]) -> list[Row]:
    """Mean over the sets, and the agreement bought per minute."""
    table = []
    for name in dict.fromkeys(r["measure"] for r in rows):
        mine = [r for r in rows if r["measure"] == name]
        known = [r["agreement"] for r in mine if r["agreement"] is not None and not np.isnan(r["agreement"])]
        minutes = sum(r["seconds"] for r in mine) / 60 / len(mine)
        if known:
            table.append(
                {
                    "measure": name,
                    "family": mine[0]["family"],
                    "mean agreement": f"{statistics.mean(known):+.2f}",
                    "worst set": f"{min(known):+.2f}",
                    "sets": len(known),
                    "minutes": f"{minutes:.2f}",
                    "per minute": f"{statistics.mean(known) / max(minutes, 1 / 60):+.2f}",
                }
            )
    return sorted(table, key=lambda row: -float(row["mean agreement"]))
