"""What measures say side by side, from files that are there; loads no torch."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from taskgroup.core.affinity import Affinity
from taskgroup.core.comparison import Comparison, Measured
from taskgroup.core.text import plural
from taskgroup.measures import MEASURES
from taskgroup.pipeline.desk import FOLDER, Desk
from taskgroup.pipeline.folder import Folder, write_text
from taskgroup.pipeline.gains import gains_from_trials
from taskgroup.pipeline.progress import Progress
from taskgroup.pipeline.wanted import Known, name_of, wanted_measures
from taskgroup.report import write_comparison

NO_GAINS = (
    "Nothing tells yet what sharing really gains: add `pairs` to the measures, or plan first (taskgroup run), "
    "and give the same command again."
)


def finished_comparison(desk: Desk, measures: Sequence[Mapping[str, Any]], progress: Progress) -> Comparison | None:
    """The comparison if all of it is there, without loading the measures; None where there is more to do or to say.

    Files of the user's are read again.

    Args:
        desk: The job's folder.
        measures: ``method`` and options of each measure.
        progress: Is told if the page is written anew.

    Raises:
        InputError: Such a file is not there, or holds something else.
    """
    names = [name_of(options) for options in measures]
    if desk.folder.state().get("config") != desk.config.fingerprint or len(set(names)) < len(names):
        return None
    known = desk.known()
    found = [known[name] for name in names if name in known]
    if not names or len(found) < len(names) or desk.missing(found):
        return None
    files = [options for options, k in zip(measures, found, strict=True) if k.sees == "file"]
    if files:
        desk.read_files(wanted_measures(files, desk.config.measure.affinity))
    comparison = compared(desk, found)
    show(desk.folder, comparison, progress)
    return comparison


def compared(desk: Desk, measures: Sequence[Known]) -> Comparison:
    """What the measures found, and what sharing gained."""
    measured = []
    for m in measures:
        affinity = desk.folder.affinity(f"{FOLDER}/{m.file}")
        notes = affinity.provenance
        measured.append(
            Measured(
                name=m.name,
                family=m.family,
                sees=m.sees,
                meaning=m.meaning,
                symmetric=m.symmetric,
                affinity=affinity,
                look_s=float(notes["look_s"]),
                training_s=float(notes["training_s"]),
                reliability=notes["between_seeds"],
            )
        )
    return Comparison(desk.config.name, tuple(measured), *_gains(desk, measured))


def _gains(desk: Desk, measured: Sequence[Measured]) -> tuple[Affinity | None, str]:
    """Measured gains and where they come from."""
    pairs = next((m.affinity for m in measured if m.sees == "runs"), None) or _earlier_pairs(desk)
    if pairs is not None:
        return pairs, (
            f"Pairs of tasks were trained together and each task alone, under "
            f"{plural(len(pairs.provenance['seeds']), 'seed')}: the gain is the share of the target's error that is "
            "gone."
        )
    if (desk.folder.path / "trials.jsonl").exists():
        found = gains_from_trials(desk.folder.rows())
        if found is not None:
            return found, (
                f"From {found.provenance['trials']} trials of the search: how much more a target gains where the two "
                "share the deeper half of the trunk than where they do not. Rough, since trials differ in other "
                "things too."
            )
    return None, NO_GAINS


def _earlier_pairs(desk: Desk) -> Affinity | None:
    """Of an earlier call, where ``pairs`` was not asked for in this one."""
    if "pairs" not in MEASURES.names:
        return None
    return desk.read(wanted_measures([{"method": "pairs"}], desk.config.measure.affinity)[0], any_seeds=True)


def show(folder: Folder, comparison: Comparison, progress: Progress) -> None:
    """Write the page, unless the one that is there shows the same."""
    content = hashlib.sha256(repr([(m.name, m.affinity.provenance) for m in comparison.measured]).encode())
    for affinity in (*comparison.affinities.values(), *([comparison.gains] if comparison.gains else [])):
        content.update(affinity.values.tobytes())
    stamp = content.hexdigest()
    path = folder.path / FOLDER / "page.txt"
    if path.exists() and path.read_text() == stamp and (folder.path / "measures.html").exists():
        return
    progress.begin("compare", 0)
    write_comparison(comparison, folder.path)
    write_text(path, stamp)
    progress.end("measures.html and measures/why.csv")
