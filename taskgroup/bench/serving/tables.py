"""The tables of ``bench service``, from its rows."""

import statistics
from collections.abc import Sequence

from taskgroup.bench.frame import Row

SITES = {
    "sqlite-local": "SQLite, local workers",
    "postgres-ray": "PostgreSQL, Ray",
    "local": "local workers",
    "ray": "Ray",
}
RATIO, OVERHEAD = 1.8, 0.05
TRIAL_MS = 2000.0


def tables_of(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Those that have lines."""
    kinds = {kind: [row for row in rows if row["kind"] == kind] for kind in ("faults", "load", "workers", "controller")}
    made = {
        "Goals": [
            *_fault_goals(kinds["faults"]),
            *_load_goals(kinds["load"]),
            *_pace_goal(kinds["workers"]),
            *_controller_goals(kinds["controller"]),
        ],
        "Faults": [_fault_line(row) for row in kinds["faults"] if "skipped" not in row],
        "Faults injected": [line for row in kinds["faults"] for line in _struck_lines(row)],
        "Load": [_load_line(row) for row in kinds["load"]],
        "Workers": [_pace_line(row) for row in kinds["workers"]],
        "Controller": [_controller_line(row) for row in kinds["controller"] if "skipped" not in row],
    }
    return {heading: table for heading, table in made.items() if table}


def ratio_of(rows: Sequence[Row]) -> float | None:
    """Trials a second of two workers over those of one, medians; None where one of them is missing."""
    rates = {n: [row["rate"] for row in rows if row["workers"] == n] for n in (1, 2)}
    return statistics.median(rates[2]) / statistics.median(rates[1]) if all(rates.values()) else None


def _goal(goal: str, found: str, reached: bool) -> Row:
    return {"goal": goal, "found": found, "reached": "yes" if reached else "**no**"}


def _skipped(goal: str, row: Row) -> Row:
    return {"goal": goal, "found": f"skipped: {row['skipped']}", "reached": "not tried"}


def _fault_goals(rows: Sequence[Row]) -> list[Row]:
    found = []
    for row in rows:
        same = ", and the plan of an undisturbed job" if row["undisturbed"] else ""
        goal = f"{SITES[row['site']]}, {_at_once(row)}: done, each trial counted once, none lost{same}"
        if "skipped" in row:
            found.append(_skipped(goal, row))
        else:
            words = f"{row['trained']} of {row['trials']} trials, {len(row['faults'])} faults"
            found.append(_goal(goal, "; ".join([words, *row["failed"]]), not row["failed"]))
    return found


def _load_goals(rows: Sequence[Row]) -> list[Row]:
    found = []
    for row in rows:
        who = f"{row['clients']} clients {row['clients_are']}, {row['streams']} streams"
        words = f"{row['errors']} of {row['requests']} requests, {row['streams_broken']} streams"
        is_well = not (row["errors"] or row["streams_broken"] or row["failed"])
        found.append(_goal(f"{row['jobs']} jobs, {who}: no errors", "; ".join([words, *row["failed"]]), is_well))
    return found


def _pace_goal(rows: Sequence[Row]) -> list[Row]:
    ratio = ratio_of(rows)
    goal = f"2 workers against 1: at least {RATIO} times the trials"
    return [] if ratio is None else [_goal(goal, f"{ratio:.2f}", ratio >= RATIO)]


def _controller_goals(rows: Sequence[Row]) -> list[Row]:
    found = []
    for row in rows:
        goal = f"controller, {SITES[row['site']]}: below {OVERHEAD:.0%} of a two-second trial"
        if "skipped" in row:
            found.append(_skipped(goal, row))
        else:
            found.append(_goal(goal, f"{row['ms'] / TRIAL_MS:.1%}", row["ms"] / TRIAL_MS < OVERHEAD))
    return found


def _at_once(row: Row) -> str:
    return "1 worker" if row["workers"] == 1 else f"{row['workers']} workers"


def _counts(counts: dict[str, int]) -> str:
    return "; ".join(f"{n} x {name}" for name, n in sorted(counts.items(), key=lambda item: -item[1]))


def _fault_line(row: Row) -> Row:
    return {
        "set-up": SITES[row["site"]],
        "workers": row["workers"],
        "job": row["state"],
        "counted / wanted": f"{row['trained']} / {row['trials']}",
        "table rows (distinct)": f"{row['rows']} ({row['distinct']})",
        "trial events (distinct)": f"{row['told']} ({row['told_distinct']})",
        "study": _counts(row["study"]),
        "lost": row["lost"],
        "counted twice": row["twice"],
        "tried again": _counts(row["retries"]),
        "events": row["events"],
        "seconds": row["seconds"],
        "failed checks": "; ".join(row["failed"]) or "none",
    }


def _struck_lines(row: Row) -> list[Row]:
    return [
        {
            "set-up": SITES[row["site"]],
            "workers": row["workers"],
            "fault": fault["name"],
            "after trials": fault["n_told"],
            "at s": fault["at_s"],
            "took s": fault["seconds"],
        }
        for fault in row.get("faults", ())
    ]


def _load_line(row: Row) -> Row:
    return {
        "clients": f"{row['clients']}, {row['clients_are']}",
        "period s": row["period_s"],
        "requests/s": row["rate"],
        "p50 ms": row["p50_ms"],
        "p99 ms": row["p99_ms"],
        "errors": row["errors"],
        "streams (broken)": f"{row['streams']} ({row['streams_broken']})",
        "events received": row["events_received"],
        "submit p50 / p99 ms": f"{row['submit_p50_ms']} / {row['submit_p99_ms']}",
        "server MiB before / after": f"{row['rss_before_mib']} / {row['rss_after_mib']}",
        "database MiB": row["database_mib"],
        "MiB a job": row["job_mib"],
        "workers idle": f"{row['idle']:.0%}",
        "trials, jobs done": f"{row['trials_done']}, {row['jobs_done']}",
        "failed checks": "; ".join(row["failed"]) or "none",
    }


def _pace_line(row: Row) -> Row:
    return {
        "workers": row["workers"],
        "trials": row["trials"],
        "search s": row["search_s"],
        "trials/s": row["rate"],
        "median trial s": row["trial_s"],
    }


def _controller_line(row: Row) -> Row:
    return {
        "set-up": SITES[row["site"]],
        "trials": row["trials"],
        "CPU ms a trial": row["ms"],
        "of which": ", ".join(f"{part} {ms:g}" for part, ms in row["parts"].items()),
        "of two seconds": f"{row['ms'] / TRIAL_MS:.1%}",
        "median trial s": row["trial_s"],
    }
