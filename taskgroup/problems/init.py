"""Init: a commented config for a table that the user names."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from taskgroup.core.table import did_you_mean
from taskgroup.errors import InputError
from taskgroup.problems.faults import Faults, some, too_few_tasks
from taskgroup.problems.guess import Guess, guess_kind, is_split, unfit_input
from taskgroup.problems.source import Source, plain, read
from taskgroup.problems.template import HEAD, TAIL, TRUNK

WIDTH = 110
"""Lists longer than this are broken."""

LEFT_OUT = "# left out: "


def columns_left_out(text: str) -> list[str]:
    """Columns that a config of :func:`init_config` does not use, with why: ``id (counts the rows)``."""
    lines = (line.strip() for line in text.splitlines())
    return [line.removeprefix(LEFT_OUT) for line in lines if line.startswith(LEFT_OUT)]


def init_config(
    path: Path,
    tasks: Sequence[str] | None = None,
    task_column: str | None = None,
    label_column: str | None = None,
    *,
    folder: Path | None = None,
) -> str:
    """YAML text of a config that runs as it is, with what was guessed in comments.

    Kinds are guessed from the labels, inputs are the other columns except those that count rows, never change or hold
    prose, and a column of split words is used as such.

    Args:
        path: CSV, Parquet or NPZ file.
        tasks: Label columns; in long form some of the values of ``task_column``, all of them if None.
        task_column: Long form: column that names each row's task.
        label_column: Long form: column with the labels.
        folder: Where the config will lie, for the path written in it; by default beside the table.

    Raises:
        InputError: No such file or columns, no tasks named, or columns that cannot be labels.
    """
    source = read(path.name, path.parent)
    faults = Faults()
    with faults.collect():
        if (task_column is None) != (label_column is None):
            raise InputError("--task-column and --label-column go together, found only one of them")
        faults.add(f"{source.file}: `{t}` is named twice" for t in tasks or () if list(tasks or ()).count(t) > 1)
        labels = _wide(source, tasks) if task_column is None else _long(source, tasks, task_column, str(label_column))
    faults.check()
    faults.add(f"{source.file}: {fault}" for fault in [too_few_tasks(labels)] if fault)
    guesses = {name: guess_kind(series) for name, series in labels.items()}
    faults.add(f"{source.file}: task `{name}` {guess.why}" for name, guess in guesses.items() if guess.kind is None)
    faults.check()
    used = {*labels} if task_column is None else {task_column, str(label_column)}
    return _text(path, folder or path.parent, source, guesses, used, (task_column, label_column))


def _wide(source: Source, tasks: Sequence[str] | None) -> dict[str, "pd.Series[Any]"]:
    if not tasks:
        example = _examples(source)
        hint = f", e.g. `--tasks {','.join(example)}`" if example else ""
        raise InputError(f"{source.file}: name the label columns{hint}; the columns are {some(source.names, 40)}")
    faults, found = Faults(), {}
    for task in tasks:
        with faults.collect():
            found[task] = source.column(task)
    faults.check()
    return found


def _examples(source: Source) -> list[str]:
    """The last two columns that could be labels, fewer where there are none."""
    found: list[str] = []
    for name in reversed(source.names):
        column = source.column(name)
        plain_values = pd.api.types.infer_dtype(column, skipna=True) != "mixed"  # lists and the like
        if plain_values and guess_kind(column).kind and not unfit_input(column) and not is_split(name, column):
            found.append(name)
        if len(found) == 2:
            break
    return found[::-1]


def _long(
    source: Source, tasks: Sequence[str] | None, task_column: str, label_column: str
) -> dict[str, "pd.Series[Any]"]:
    faults = Faults()
    with faults.collect():
        marks = plain(source.column(task_column))
    with faults.collect():
        labels = source.column(label_column)
    faults.check()
    texts = marks.map(str)
    known = list(dict.fromkeys(texts[marks.sort_values(key=_sort_key).index]))
    unknown = [t for t in tasks or () if t not in known]
    if unknown:
        raise InputError(
            f"{source.file}: no row has `{t}` in `{task_column}`"
            + (did_you_mean(t, known) or f"; its values are {some(known)}")
            for t in unknown
        )
    return {t: labels.loc[texts.index[texts == t]] for t in tasks or known}


def _sort_key(marks: "pd.Series[Any]") -> "pd.Series[Any]":
    return marks if all(isinstance(m, int) for m in marks) else marks.map(str)


def _text(
    path: Path,
    folder: Path,
    source: Source,
    guesses: Mapping[str, Guess],
    used: set[str],
    long_form: tuple[str | None, str | None],
) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", path.stem).strip("._-") or "plan"
    relative = Path(os.path.relpath(path, folder)).as_posix()
    head = HEAD.format(file=path.name, config=f"{name}.yaml", name=_yaml(name), path=_yaml(relative))
    lines, split = _inputs(source, used)
    if long_form[0] is not None:
        lines += [f"task_column: {_yaml(long_form[0])}  # names the task that a row belongs to"]
        lines += [f"label_column: {_yaml(long_form[1])}"]
    lines += ["# An empty label is missing; if a number means the same, name it:", "# missing: -1"]
    lines += ["tasks:", *(f"  {_yaml(n)}: {{kind: {g.kind}}}  # {g.why}" for n, g in guesses.items())]
    lines += [f"split: {split}"]
    body = "".join(f"  {' '.join(line.splitlines())}\n" for line in lines)
    return f"{head}{body}\n{TRUNK}{TAIL}"


def _inputs(source: Source, used: set[str]) -> tuple[list[str], str]:
    """Lines on the inputs, and the split."""
    by = next((n for n in source.names if n not in used and is_split(n, source.column(n))), None)
    split = "{train: 0.6, val: 0.2, test: 0.2, seed: 0}" if by is None else f"{{column: {_yaml(by)}}}"
    found = source.inputs(None, used | ({by} if by is not None else set()))
    if not isinstance(found, pd.DataFrame):
        return [f"inputs: [X]  # rows of shape {list(found.shape[1:])}"], split
    if all(str(c).startswith("X[") for c in found.columns):
        return [f"inputs: [X]  # {found.shape[1]} columns"], split
    unfit = {str(c): unfit_input(found[c]) for c in found.columns}
    kept = [c for c, why in unfit.items() if not why]
    if not kept:
        raise InputError(f"{source.file}: no column is left for the inputs beside {some(sorted(used))}")
    left_out = [f"{LEFT_OUT}{c} ({why})" for c, why in unfit.items() if why]
    return [*left_out, *_flow("inputs", kept)], split


def _flow(key: str, values: Sequence[str]) -> list[str]:
    """``key: [a, b]``, one value a line where that would be too long."""
    line = f"{key}: [{', '.join(_yaml(v) for v in values)}]"
    return [line] if len(line) <= WIDTH else [f"{key}:", *(f"- {_yaml(v)}" for v in values)]


def _yaml(value: str | None) -> str:
    """A string as YAML reads it back, inside flow collections too."""
    text = str(value)
    bare = re.fullmatch(r"[\w][\w. -]*", text) and not text.endswith(" ") and yaml.safe_load(text) == text
    return text if bare else json.dumps(text, ensure_ascii=False)
