"""Python problems: a function of the user's own, found beside the config."""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from taskgroup.core.table import did_you_mean
from taskgroup.errors import InputError
from taskgroup.problems.config import PythonConfig
from taskgroup.problems.faults import one_line
from taskgroup.problems.problem import Problem


def read_python(config: PythonConfig, folder: Path) -> Problem:
    """What the function returns.

    Raises:
        InputError: The module or function is not there or fails, takes no such options, or returns something else.
    """
    with _first_on_path(folder):
        function = _function(config.target, folder)
        try:
            inspect.signature(function).bind(**config.options)
        except TypeError as error:
            signature = inspect.signature(function)
            raise InputError(f"problem.options: should fit {config.target}{signature}, found: {error}") from error
        try:
            problem = function(**config.options)
        except InputError:
            raise
        except Exception as error:  # a user's function may raise anything
            raise InputError(
                f"problem.target: {config.target} raised {type(error).__name__}: {one_line(error)}"
            ) from error
    if not isinstance(problem, Problem):
        raise InputError(f"problem.target: {config.target} should return a Problem, found {type(problem).__name__}")
    return problem


def _function(target: str, folder: Path) -> Callable[..., Any]:
    name, _, attribute = target.partition(":")
    function = getattr(_module(name, folder), attribute, None)
    if function is None:
        known = [n for n in vars(sys.modules[name]) if not n.startswith("_")]
        raise InputError(f"problem.target: module `{name}` has no `{attribute}`{did_you_mean(attribute, known)}")
    if not callable(function):
        raise InputError(f"problem.target: {target} should be a function, found {type(function).__name__}")
    return function  # type: ignore[no-any-return]


def _module(name: str, folder: Path) -> ModuleType:
    try:
        module = importlib.import_module(name)
    except Exception as error:  # a user's module may raise anything
        raise InputError(
            f"problem.target: importing `{name}` (first from {folder}) raised {type(error).__name__}: {one_line(error)}"
        ) from error
    stem = folder.joinpath(*name.split("."))
    beside = [p.resolve() for p in (stem.with_suffix(".py"), stem / "__init__.py") if p.is_file()]
    if beside and Path(module.__file__ or "").resolve() not in beside:
        raise InputError(
            f"problem.target: `{name}` should be {beside[0]}, but this process has already loaded one from "
            f"{module.__file__}; rename one of them"
        )
    return module


@contextmanager
def _first_on_path(folder: Path) -> Iterator[None]:
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(entry)
