"""The tables of ``bench plans``: the goals, all arms, each set, and what each part of the flow is worth."""

from collections.abc import Sequence
from statistics import mean

from taskgroup.bench.frame import Row
from taskgroup.bench.plans.arms import ABLATIONS, ARMS, OURS, SEPARATE, SHARED, Arm
from taskgroup.bench.plans.choices import rules_of_choice
from taskgroup.bench.plans.pooling import advantage, pooled
from taskgroup.core.gain import Interval


def tables(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """By heading; the sets that were left out come last."""
    done = [row for row in rows if "arm" in row]
    sets = list(dict.fromkeys(row["dataset"] for row in done))
    found: dict[str, list[Row]] = {}
    if done:
        whole = [name for name in sets if all(_has(done, arm, name) for arm in (OURS, SHARED, SEPARATE))]
        if whole:
            verdicts = [_verdict(done, name) for name in whole]
            found["Goals"] = _goals(done, verdicts)
            found["The plan against both baselines"] = verdicts
        found["All sets together"] = [_over_sets(done, sets, arm.name) for arm in ARMS if _has(done, arm.name)]
        ablated = [arm for arm in ABLATIONS if any(_has(done, arm.name, n) and _has(done, OURS, n) for n in sets)]
        if ablated:
            found["What each part is worth"] = [_part(done, sets, arm) for arm in ablated]
        if any("choices" in row for row in done):
            found["Rules of choice"] = rules_of_choice(done)
        forked = [row for row in done if "fork" in row]
        if forked:
            found["Forking"] = [_forked(row) for row in forked]
        timed = [row for row in done if row["arm"] == OURS and row.get("trial_seconds")]
        if timed:
            found["What choosing costs"] = [_timed(row) for row in timed]
        for name in sets:
            known = [arm.name for arm in (*ARMS, *ABLATIONS) if _has(done, arm.name, name)]
            found[f"{name}: pooled over the seeds"] = [_pooled_row(done, name, arm) for arm in known]
        found["Each run"] = [_shown(row) for row in done]
    left_out = [row for row in rows if "left_out" in row]
    if left_out:
        found["Left out"] = [{"set": r["dataset"], "seed": r["seed"], "why": r["left_out"]} for r in left_out]
    return found


def _has(rows: Sequence[Row], arm: str, name: str | None = None) -> bool:
    return any(row["arm"] == arm and name in (None, row["dataset"]) for row in rows)


def _of(rows: Sequence[Row], name: str, arm: str) -> list[Row]:
    return [row for row in rows if row["dataset"] == name and row["arm"] == arm]


def _verdict(rows: Sequence[Row], name: str) -> Row:
    ours = _of(rows, name, OURS)
    against = {arm: advantage(ours, _of(rows, name, arm)) for arm in (SHARED, SEPARATE)}
    better = max((SHARED, SEPARATE), key=lambda arm: pooled(_of(rows, name, arm)).mean)
    return {
        "set": name,
        "tasks": ours[0]["tasks"],
        "gain against all-separate": against[SEPARATE].percent(),
        "advantage over all-shared": against[SHARED].percent(),
        "best baseline": better,
        "in words": _word(against, better),
        "over it, split by split": _each_split(ours, _of(rows, name, better)),
        "the plan, split by split": _networks(ours, _of(rows, name, SEPARATE)),
        "parameters": f"{mean(r['params_ratio'] for r in ours):.2f}",
        "MACs": f"{mean(r['macs_ratio'] for r in ours):.2f}",
    }


def _each_split(ours: Sequence[Row], others: Sequence[Row]) -> str:
    """Mean advantages: they show what the intervals leave out, that other rows might say something else."""
    theirs = {row["seed"]: [row] for row in others}
    both = sorted((row for row in ours if row["seed"] in theirs), key=lambda row: row["seed"])
    return ", ".join(f"{100 * advantage([row], theirs[row['seed']]).mean:+.1f}" for row in both) + " %"


def _networks(ours: Sequence[Row], separate: Sequence[Row]) -> str:
    """What the plan is under each split: a baseline, whatever its learning rate, or another network."""
    parted = {row["seed"]: row for row in separate}
    both = sorted((row for row in ours if row["seed"] in parted), key=lambda row: row["seed"])
    return ", ".join(_network(row, parted[row["seed"]]) for row in both)


def _network(row: Row, separate: Row) -> str:
    """Which of the two baselines, or neither: ``another``."""
    if row["adapters"] or row["helpers"] or row["head_size"] != separate["head_size"]:
        return "another"
    if row["copies"] == separate["copies"]:
        return SEPARATE
    return "another" if max(row["copies"]) > 1 else SHARED


def _goals(rows: Sequence[Row], verdicts: Sequence[Row]) -> list[Row]:
    """What the benchmark is to show, on the sets that have the plan and both baselines."""
    sets = [row["set"] for row in verdicts]
    better = [row["set"] for row in verdicts if row["in words"] == "better than both"]
    worse = [row["set"] for row in verdicts if row["in words"].startswith("worse")]
    means = {
        arm.name: mean(pooled(_of(rows, name, arm.name)).mean for name in sets)
        for arm in ARMS
        if all(_has(rows, arm.name, name) for name in sets)
    }
    next_best = max((arm for arm in means if arm != OURS), key=lambda arm: means[arm])
    return [
        {
            "goal": "significantly worse than the better baseline on no set",
            "found": f"on {len(worse)} of {len(sets)}" + (f": {', '.join(worse)}" if worse else ""),
            "reached": _yes(not worse),
        },
        {
            "goal": "significantly better than both baselines on at least half of the sets",
            "found": f"on {len(better)} of {len(sets)}" + (f": {', '.join(better)}" if better else ""),
            "reached": _yes(2 * len(better) >= len(sets)),
        },
        {
            "goal": "mean gain above every other arm",
            "found": f"{100 * means[OURS]:+.1f} %, next is {next_best} with {100 * means[next_best]:+.1f} %",
            "reached": _yes(means[OURS] > means[next_best]),
        },
    ]


def _yes(reached: bool) -> str:
    return "yes" if reached else "no"


def _word(against: dict[str, Interval], better: str) -> str:
    if all(interval.above_zero for interval in against.values()):
        return "better than both"
    if against[better].below_zero:
        return f"worse than {better}"
    return f"as good as {better}"


def _over_sets(rows: Sequence[Row], sets: Sequence[str], arm: str) -> Row:
    there = [name for name in sets if _of(rows, name, arm)]
    gains = [pooled(_of(rows, name, arm)).mean for name in there]
    behind = [advantage(_of(rows, name, OURS), _of(rows, name, arm)) for name in there if _of(rows, name, OURS)]
    own = [row for name in there for row in _of(rows, name, arm)]
    return {
        "arm": arm,
        "sets": len(there),
        "mean gain against all-separate": f"{100 * mean(gains):+.1f} %",
        "worst task, mean": f"{100 * mean(row['worst_task_gain'] for row in own):+.1f} %",
        "plan better on": sum(interval.above_zero for interval in behind) if arm != OURS else "",
        "plan worse on": sum(interval.below_zero for interval in behind) if arm != OURS else "",
        "parameters": f"{mean(row['params_ratio'] for row in own):.2f}",
        "MACs": f"{mean(row['macs_ratio'] for row in own):.2f}",
        "seconds": f"{mean(row['seconds'] for row in own):.0f}",
    }


def _part(rows: Sequence[Row], sets: Sequence[str], arm: Arm) -> Row:
    both = [name for name in sets if _of(rows, name, arm.name) and _of(rows, name, OURS)]
    worth = {name: _worth(_of(rows, name, OURS), _of(rows, name, arm.name), arm) for name in both}
    changed = [name for name in both if _runs(rows, name, OURS, arm) != _runs(rows, name, arm.name, arm)]
    return {
        "part": arm.part + (" (off by default)" if arm.added else ""),
        "sets": len(both),
        "worth, mean gain": f"{100 * mean(i.mean for i in worth.values()):+.1f} %",
        "better with it on": sum(i.above_zero for i in worth.values()),
        "worse with it on": sum(i.below_zero for i in worth.values()),
        "another plan on": len(changed),
        "least": _named(worth, min(worth, key=lambda name: worth[name].mean)),
        "most": _named(worth, max(worth, key=lambda name: worth[name].mean)),
    }


def _worth(ours: Sequence[Row], others: Sequence[Row], arm: Arm) -> Interval:
    """Gain with the part less gain without it, on the seeds that have both."""
    seeds = {row["seed"] for row in others}
    same = [row for row in ours if row["seed"] in seeds]
    return advantage(others, same) if arm.added else advantage(same, others)


def _runs(rows: Sequence[Row], name: str, which: str, arm: Arm) -> list[list[float]]:
    seeds = {row["seed"] for row in _of(rows, name, arm.name)}
    return [row["runs"] for row in _of(rows, name, which) if row["seed"] in seeds]


def _named(worth: dict[str, Interval], name: str) -> str:
    return f"{name} {worth[name].percent()}"


def _pooled_row(rows: Sequence[Row], name: str, arm: str) -> Row:
    own = _of(rows, name, arm)
    ours = _of(rows, name, OURS)
    return {
        "arm": arm,
        "gain against all-separate": pooled(own).percent(),
        "plan's advantage": "" if arm == OURS or not ours else advantage(ours, own).percent(),
        "worst task": f"{100 * mean(row['worst_task_gain'] for row in own):+.1f} %",
        "parameters": f"{mean(row['params_ratio'] for row in own):.2f}",
        "MACs": f"{mean(row['macs_ratio'] for row in own):.2f}",
        "trainings": f"{mean(row['trainings'] for row in own):.0f}",
        "seconds": f"{mean(row['seconds'] for row in own):.0f}",
    }


def _forked(row: Row) -> Row:
    fork = row["fork"]
    rho = fork["rho"]
    return {
        "set": row["dataset"],
        "seed": row["seed"],
        "rank correlation": "" if rho is None else f"{rho:.2f}",
        "candidates": fork["candidates"],
        "forked": "yes" if fork["on"] else "no",
    }


def _timed(row: Row) -> Row:
    return {
        "set": row["dataset"],
        "seed": row["seed"],
        "trials": row["trials"],
        "seconds in training": f"{row['trial_seconds']:.1f}",
        "seconds in choosing": f"{row['choosing_seconds']:.1f}",
        "share": f"{100 * row['choosing_seconds'] / row['trial_seconds']:.1f} %",
    }


def _shown(row: Row) -> Row:
    low, high = row["ci90"]
    parts = ["/".join(str(n) for n in row["copies"]) + " copies"]
    parts += [f"adapters at {row['adapters']}"] * bool(row["adapters"])
    parts += [f"heads of {row['head_size']}"] * bool(row["head_size"])
    parts += [f"{row['helpers']} helpers"] * bool(row["helpers"])
    return {
        "set": row["dataset"],
        "seed": row["seed"],
        "arm": row["arm"],
        "gain against all-separate": Interval(mean=row["gain_vs_separate"], low=low, high=high).percent(),
        "worst task": f"{row['worst_task']} {100 * row['worst_task_gain']:+.1f} %",
        "error": f"{row['error']:.4f}",
        "MACs": f"{row['macs_ratio']:.2f}",
        "seconds": f"{row['seconds']:.0f}",
        "network": ", ".join(parts + [row["recipe"]] * bool(row["recipe"])),
    }
