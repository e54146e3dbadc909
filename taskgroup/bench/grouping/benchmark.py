"""``bench grouping``: exact selection, what measuring a few groups is worth, and how honest predictions are."""

from collections.abc import Sequence
from pathlib import Path

from taskgroup.bench.frame import Places, Row
from taskgroup.bench.grouping.exactness import exactness_rows
from taskgroup.bench.grouping.files import Source, cut_short, judged, perfect_score, read_source, sources
from taskgroup.bench.grouping.prediction import prediction_rows
from taskgroup.bench.grouping.regret import regret_rows
from taskgroup.bench.grouping.replicates import survival_rows
from taskgroup.bench.grouping.scale import scale_rows
from taskgroup.bench.grouping.words import ABOUT, tables
from taskgroup.errors import InputError
from taskgroup.pipeline.progress import Progress

FILES, SCALE = "files", "scale"
CHEAP_WORDS = "scores of trainings that were cut short: a signal to choose by, not a table of its own"


class GroupingBench:
    """One cell per table, and one for the scale."""

    about = ABOUT

    def cells(self, quick: bool, places: Places) -> Sequence[str]:
        """``table-NAME-FINGERPRINT``, so that a changed file is a new cell; the smallest table only when quick."""
        found = sources(places.tables)
        if quick:
            found = [min(found, key=_effort)]
        return [*(f"table-{source.name}-{source.fingerprint}" for source in found), SCALE, FILES]

    def run(
        self, cell: str, *, quick: bool, workers: int, folder: Path, places: Places, progress: Progress
    ) -> list[Row]:
        """Rows of one table, or of the scale; of a file that is no table one row that says why."""
        if cell == SCALE:
            return scale_rows(quick=quick, progress=progress)
        if cell == FILES:
            return [_left_out(path.stem, "all parts", CHEAP_WORDS) for path in cut_short(places.tables)]
        name = cell.removeprefix("table-").rpartition("-")[0]
        source = next(s for s in sources(places.tables) if s.name == name)
        try:
            val, test = read_source(source)
            perfect = perfect_score(source.val)
        except InputError as error:
            progress.say(f"left out: {error}")
            return [_left_out(name, "the table", str(error))]
        return [
            *exactness_rows(name, val, test),
            *regret_rows(name, judged(val, test), quick=quick, workers=workers, progress=progress),
            *survival_rows(name, val, test, quick=quick),
            *prediction_rows(name, val, perfect),
        ]

    def tables(self, rows: Sequence[Row]) -> dict[str, list[Row]]:
        """Goals and summary first."""
        return tables(rows)


def _left_out(table: str, what: str, why: str) -> Row:
    return {"part": "left_out", "table": table, "what": what, "why": why}


def _effort(source: Source) -> tuple[int, int, str]:
    """Small files first; those without groups beyond pairs later, and last those that are no tables."""
    try:
        kind = 0 if read_source(source)[0].scores.members.sum(axis=1).max() > 2 else 1
    except InputError:
        kind = 2
    return (kind, source.val.stat().st_size, source.name)
