"""The grouping benchmark's tables for people."""

import statistics
from collections.abc import Iterable, Sequence

from taskgroup.bench.frame import Row
from taskgroup.bench.grouping.goals import SETTINGS, goal_rows
from taskgroup.bench.grouping.prediction import TASK_MEAN
from taskgroup.bench.grouping.regret import OURS, all_pairs_cost

ABOUT = """
Which networks should be trained, and which of them kept? Published tables of what networks trained on *groups* of tasks
really reached answer this without training anything: a network "trained" here is one looked up. A *cover* is a set of
networks of which each task is served by one; groups may overlap. Errors are summed over the tasks as they are; scores
of which higher is better count with a minus sign.

- **Exactness.** The best cover under a budget of networks, chosen by the validation split, its total on the test split
  (on validation where a table has no other). `hoa` chooses by pairs, from which it predicts larger groups. `optimum` is
  that of the choosing split: on the other one a different choice may happen to be better.
- **Regret curve.** Which groups should be trained, if not all? A method asks for one network after the other (a few at
  a time where there are many tasks) and is told their validation errors; all-together and singles count too. After N
  networks, `G = Σ_k (V_k - base_k) / Σ_k (O_k - base_k)` over k = 2 … min(T, 8): V_k is the reported total of the best
  cover with at most k networks made from what was trained (base_k where that gives no cover), O_k the same with all
  groups of the table, base_k the better of a random cover's mean and the best cover of all-together and singles. 1: as
  good as everything trained; 0: as good as the base; below: worse. Covers are exact up to 12 tasks; of more, each is
  searched for one second (of all groups for twenty). Means and 10th percentiles are over seeds. `N = pairs` in the
  summaries is the cost of all-together, singles and all pairs, 1 + T + T (T - 1) / 2 networks, with which `all_pairs`
  and `hoa` begin: 16 of 31 for five tasks. `N = 1.3 pairs` is 21 / 16 of that, or the last point before;
  `ms per network` a method's own time to choose one.
- **Seeds.** Where a table has every seed, covers are chosen on some and scored on the others: what is left of a claimed
  gain over the base is what was not luck.
- **Prediction.** Rank correlation of affinities with the gains of really trained pairs. Centred per recipient it asks
  whether an affinity knows with *whom* a task should train. Pooled over all entries it also rewards knowing *which*
  task gains by any company, and suffers from scales that differ between tasks. The task mean knows nothing of pairs
  (each entry is the mean of its target's other entries): centred it is undefined, pooled it may beat any affinity.
- **Scale.** Planted groups, 5 to 500 tasks. `ARI`: agreement with the truth (1: found, 0: chance); affinities have
  noise as large as the difference that a common group makes.
"""

COLUMNS = (0.25, 0.5, 0.75, 1.0, 21 / 16, 1.5, 2.0)
"""Points of the curves that are shown, in costs of all pairs."""


def tables(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Goals and summary, then each part; a part without rows is left out."""
    by = {part: [row for row in rows if row["part"] == part] for part in dict.fromkeys(row["part"] for row in rows)}
    regret = by.get("regret", [])
    found: dict[str, list[Row]] = {
        "Goals": goal_rows(rows),
        **_summaries(regret),
        "Regret curve: ours against random": _against_random(regret),
        "Exactness: total on the reported split": _exactness(by.get("exactness", [])),
        "Seeds: how much of the claimed gain survives": _survival(by.get("replicates", [])),
        "Prediction: agreement with the gains of pairs": _prediction(by.get("prediction", [])),
        "Scale: affinity to groups": _groupers(by.get("scale_groupers", [])),
        "Scale: scores to covers": _selection(by.get("scale_selection", [])),
    }
    for table in dict.fromkeys(row["table"] for row in regret):
        mine = [row for row in regret if row["table"] == table]
        size = f"{mine[0]['tasks']} tasks, {mine[0]['groups']} groups, {mine[0]['asked_at_once']} asked for at a time"
        heading = f"Regret curve: {table}, {size}"
        found[heading] = _curves(mine)
    found["Left out"] = [{key: row[key] for key in ("table", "what", "why")} for row in by.get("left_out", [])]
    return {heading: table for heading, table in found.items() if table}


def _names(rows: Iterable[Row], key: str) -> list[str]:
    return list(dict.fromkeys(row[key] for row in rows))


def at_cost(rows: Sequence[Row], table: str, method: str, multiple: float) -> Row | None:
    """The row of a curve at the last point not beyond ``multiple`` costs of all pairs; None before the first."""
    mine = [row for row in rows if row["table"] == table and row["method"] == method]
    within = [row for row in mine if row["measured"] <= round(all_pairs_cost(row["tasks"]) * multiple)]
    return max(within, key=lambda row: row["measured"]) if within else None


def _summaries(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Over the Standley settings, which have goals, and over all tables."""
    settings = [row for row in rows if row["table"].startswith(SETTINGS)]
    found = {f"Regret curve: summary, {len(_names(settings, 'table'))} Standley settings": _summary(settings)}
    if len(settings) < len(rows):
        found[f"Regret curve: summary, all {len(_names(rows, 'table'))} tables"] = _summary(rows)
    return found


def _summary(rows: Sequence[Row]) -> list[Row]:
    """By method: mean over tables, worst table, worst 10th percentile."""
    shown = []
    names = _names(rows, "table")
    for method in _names(rows, "method"):
        entry: Row = {"method": method}
        for words, multiple in (("pairs", 1.0), ("1.3 pairs", 21 / 16)):
            found = [row for name in names if (row := at_cost(rows, name, method, multiple)) is not None]
            worst = min(found, key=lambda row: row["gap_closed"])
            entry[f"mean, N = {words}"] = f"{statistics.mean(row['gap_closed'] for row in found):.2f}"
            entry[f"worst table, N = {words}"] = f"{worst['gap_closed']:.2f} ({worst['table']})"
            entry[f"worst 10th percentile, N = {words}"] = f"{min(row['gap_closed_p10'] for row in found):.2f}"
        mine = [row for row in rows if row["method"] == method]
        entry["mean of curves"] = f"{statistics.mean(_area(mine, name) for name in names):.2f}"
        entry["ms per network"] = f"{1000 * statistics.mean(row['seconds_per_network'] for row in mine):.0f}"
        shown.append(entry)
    return sorted(shown, key=lambda entry: -float(entry["mean, N = pairs"]))


def _area(rows: Sequence[Row], table: str) -> float:
    return float(statistics.mean(row["gap_closed"] for row in rows if row["table"] == table))


def differences(rows: Sequence[Row], table: str) -> dict[int, float]:
    """Ours less random by number of networks."""
    by = {(row["method"], row["measured"]): row["gap_closed"] for row in rows if row["table"] == table}
    return {n: by[OURS, n] - by["random", n] for method, n in by if method == OURS and ("random", n) in by}


def _against_random(rows: Sequence[Row]) -> list[Row]:
    shown = []
    for table in _names(rows, "table"):
        ours, random = (at_cost(rows, table, method, 1.0) for method in (OURS, "random"))
        less = differences(rows, table)
        if ours is None or random is None or not less:
            continue
        lowest = min(less, key=lambda n: less[n])
        shown.append(
            {
                "table": table,
                "N": ours["measured"],
                "ours": f"{ours['gap_closed']:.2f}",
                "random": f"{random['gap_closed']:.2f}",
                "mean difference over the curve": f"{statistics.mean(less.values()):+.2f}",
                "lowest difference": f"{less[lowest]:+.2f} (N = {lowest})",
                "points below random": f"{sum(d < 0 for d in less.values())} of {len(less)}",
            }
        )
    return shown


def _curves(rows: Sequence[Row]) -> list[Row]:
    cost = all_pairs_cost(rows[0]["tasks"])
    known = sorted({row["measured"] for row in rows})
    points = [min(known, key=lambda n: abs(n - cost * multiple)) for multiple in COLUMNS]
    shown = []
    for method in _names(rows, "method"):
        by = {row["measured"]: row for row in rows if row["method"] == method}
        cells = {f"N = {n}": f"{by[n]['gap_closed']:.2f} ({by[n]['gap_closed_p10']:.2f})" for n in points}
        shown.append({"method: mean (10th percentile)": method, **cells, "seeds": next(iter(by.values()))["seeds"]})
    return shown


def _exactness(rows: Sequence[Row]) -> list[Row]:
    shown = []
    for table in _names(rows, "table"):
        for budget in dict.fromkeys(row["budget"] for row in rows if row["table"] == table):
            totals = {r["method"]: r["total"] for r in rows if r["table"] == table and r["budget"] == budget}
            shown.append(
                {"table": table, "budget": f"{budget:g}", **{m: _total(totals, m) for m in ("optimum", "hoa")}}
            )
    return shown


def _total(totals: Row, method: str) -> str:
    return f"{totals[method]:.4f}" if method in totals else ""


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:+.1f} %"


def _survival(rows: Sequence[Row]) -> list[Row]:
    return [
        {
            "table": row["table"],
            "networks": row["networks"],
            "chosen on seeds": row["selecting_seeds"],
            "scored on seeds": row["held_out_seeds"],
            "splits": row["splits"],
            "claimed gain": _percent(row["claimed"]),
            "surviving gain": _percent(row["survived"]),
            "share": "" if row["share"] is None else f"{row['share']:.2f}",
            "surviving, 10th percentile": _percent(row["survived_p10"]),
        }
        for row in sorted(rows, key=lambda row: (row["table"], row["networks"], row["selecting_seeds"]))
    ]


def _prediction(rows: Sequence[Row]) -> list[Row]:
    def number(value: float | None) -> str:
        return "undefined" if value is None else f"{value:+.2f}"

    return [
        {
            "table": row["table"],
            "gain": row["gain"],
            "predictor": f"{TASK_MEAN} (knows no pairs)" if row["predictor"] == TASK_MEAN else row["predictor"],
            "centred per recipient": number(row["centred"]),
            "pooled": number(row["pooled"]),
            "entries": row["entries"],
        }
        for row in rows
    ]


def _groupers(rows: Sequence[Row]) -> list[Row]:
    keys = ("tasks", "groups", "grouper")
    return [{**{k: r[k] for k in keys}, "ARI": f"{r['ari']:.2f}", "seconds": f"{r['seconds']:.2f}"} for r in rows]


def _selection(rows: Sequence[Row]) -> list[Row]:
    return [
        {
            "tasks": row["tasks"],
            "candidates": row["candidates"],
            "networks": row["networks"],
            "ARI": f"{row['ari']:.2f}",
            "total over bound": f"{100 * row['gap']:.2f} %",
            "proven": "yes" if row["proven"] else "no",
            "seconds": f"{row['seconds']:.2f}",
        }
        for row in rows
    ]
