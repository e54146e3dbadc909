"""Load: from the ``problem`` and ``trunk`` sections of a config to a checked problem."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from taskgroup.core.spec import TrunkSpec
from taskgroup.core.validation import sentences
from taskgroup.errors import InputError
from taskgroup.nn.trunk import TRUNKS, Trunk
from taskgroup.problems.bundled import read_bundled
from taskgroup.problems.config import BundledConfig, PythonConfig, SetConfig, TableConfig
from taskgroup.problems.faults import Faults
from taskgroup.problems.fit import fit
from taskgroup.problems.labels import Encoded
from taskgroup.problems.problem import Problem, described
from taskgroup.problems.python import read_python
from taskgroup.problems.sets.read import read_set
from taskgroup.problems.sets.trunks import FORMS, default_trunk
from taskgroup.problems.table import read_table
from taskgroup.problems.validate import validate


def load_problem(
    problem: BundledConfig | TableConfig | SetConfig | PythonConfig, trunk: Mapping[str, Any] | None, folder: Path
) -> Problem:
    """The problem, checked, with everything fitted on its training rows.

    Equal arguments and files give an equal problem. Torch's random state is left as it was.

    Args:
        problem: The config's ``problem`` section.
        trunk: Its ``trunk`` section, ``name`` and options; None for a python problem, which brings its own, and for a
            set where its inputs are to decide.
        folder: The config's folder, to which paths are relative and where python modules are looked for.

    Raises:
        InputError: With a sentence for each thing that is wrong.
    """
    with _private_random_state():
        if isinstance(problem, PythonConfig):
            found = _from_python(problem, trunk, folder)
        elif isinstance(problem, SetConfig):
            found = _from_set(problem, trunk, folder)
        else:
            found = _from_rows(problem, trunk, folder)
        faults = validate(found)
    if faults:
        raise InputError(faults)
    return found


def _from_python(config: PythonConfig, trunk: Mapping[str, Any] | None, folder: Path) -> Problem:
    faults = Faults()
    if trunk is not None:
        faults.add([f"trunk: should be left out, since {config.target} brings its own"])
    with faults.collect():
        problem = read_python(config, folder)
    faults.check()
    spec = TrunkSpec(name=config.target, stages=problem.trunk.names, options=config.options)
    return replace(problem, trunk_spec=described(spec, problem.trunk, problem.inputs))


def _from_rows(config: BundledConfig | TableConfig, trunk: Mapping[str, Any] | None, folder: Path) -> Problem:
    faults = Faults()
    with faults.collect():
        method = trunk_method(trunk)
    with faults.collect():
        data = fit(config, read_bundled(config) if isinstance(config, BundledConfig) else read_table(config, folder))
    faults.check()
    spec, built = built_trunk(method, data.inputs)
    title = config.name if isinstance(config, BundledConfig) else Path(config.path or "table").stem
    labels = {e.task.name: e.values for e in data.labels}
    tasks = [e.task for e in data.labels]
    at_random = config.split.column is None and config.split.time is None
    found = Problem.from_arrays(
        title, tasks, data.inputs, labels, data.split, built, trunk_spec=spec, random_split=at_random
    )
    return replace(found, preprocessing={**data.record, "labels": _label_records(data.labels, found)})


def _from_set(config: SetConfig, trunk: Mapping[str, Any] | None, folder: Path) -> Problem:
    faults = Faults()
    with faults.collect():
        method = None if trunk is None else trunk_method(trunk)
    with faults.collect():
        data = read_set(config, folder, FORMS.get(str((trunk or {}).get("name"))))
    faults.check()
    inputs = data.inputs
    if method is None:
        method = trunk_method(default_trunk(inputs.form, inputs.values.shape[1:], len(data.tasks), inputs.n_tokens))
    spec, built = built_trunk(method, inputs.values)
    found = Problem.from_arrays(
        data.name,
        data.tasks,
        inputs.values,
        data.labels,
        data.split,
        built,
        trunk_spec=spec,
        preprocessing=data.record,
        random_split=data.random_split,
    )
    scales = {t.name: {"mean": t.mean, "scale": t.scale} for t in found.tasks if t.kind == "regression"}
    return replace(found, preprocessing={**data.record, **({"labels": scales} if scales else {})})


def _label_records(labels: tuple[Encoded, ...], problem: Problem) -> dict[str, Any]:
    scales = {t.name: {"mean": t.mean, "scale": t.scale} for t in problem.tasks if t.kind == "regression"}
    return {e.task.name: {**e.record, **scales.get(e.task.name, {})} for e in labels}


def lacks_trunk() -> str:
    """That there is no trunk, and what would be one, in words that follow its place."""
    return f"is missing; name one of {', '.join(TRUNKS.names)}, e.g. trunk: {{name: mlp, width: 64, depth: 3}}"


def trunk_method(trunk: Mapping[str, Any] | None) -> Any:
    """The method that a ``trunk`` section names, with its options checked.

    Raises:
        InputError: No name, one that is not in the table, or options that are not the method's.
    """
    if trunk is None or "name" not in trunk:
        raise InputError(f"trunk: {'' if trunk is None else '`name` '}{lacks_trunk()}")
    name = str(trunk["name"])
    method = TRUNKS[name]
    try:
        return TRUNKS.create(name, trunk)
    except ValidationError as error:
        raise InputError(sentences(error, cast("type[BaseModel]", method), "trunk")) from error


def built_trunk(method: Any, inputs: NDArray[Any]) -> tuple[TrunkSpec, Trunk]:
    """The trunk for ``inputs``, and how to get it again: with what the method takes from all of them filled in.

    Raises:
        InputError: Inputs that the trunk does not take.
    """
    rows = torch.from_numpy(inputs)
    if hasattr(method, "for_rows"):
        method = method.for_rows(rows)
    built: Trunk = method.build(rows)
    options = method.model_dump(mode="json", exclude={"name"})
    return TrunkSpec(name=method.name, stages=built.names, options=options), built


@contextmanager
def _private_random_state() -> Iterator[None]:
    """Weights of prototypes come from torch's generator: the same for every process, and nobody else's draws move."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
