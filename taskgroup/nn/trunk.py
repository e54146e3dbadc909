"""Trunk: any module cut into ordered, named stages, after each of which sharing may end."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from taskgroup.core.affinity import TRUNK
from taskgroup.core.table import Table
from taskgroup.errors import InputError


class Trunk:
    """Ordered stages; each takes the output of the one before, the first takes the input rows.

    Args:
        stages: Name → module, in order of execution. They are prototypes: networks hold copies. The last stage gives
            features of shape ``(batch, n_features)``.
        reinitialize: Whether copies draw fresh weights (``reset_parameters``) under the trial's seed. False keeps the
            prototypes' weights, e.g. pretrained ones.

    Raises:
        InputError: No stages, a stage named ``trunk`` (the affinities' name for all of them), or one whose parameters
            cannot be drawn afresh.
    """

    def __init__(self, stages: Mapping[str, nn.Module], *, reinitialize: bool = True) -> None:
        if not stages:
            raise InputError("trunk: needs at least one stage, found none")
        if TRUNK in stages:
            raise InputError(f"trunk: no stage may be named `{TRUNK}`, which stands for all of them; rename it")
        self.stages = dict(stages)
        self.reinitialize = reinitialize
        if reinitialize:
            self._check_resettable()

    @classmethod
    def cut(cls, module: nn.Module, paths: Sequence[str] | Mapping[str, Sequence[str]], **options: Any) -> "Trunk":
        """Cut ``module`` at submodule paths that it executes one after the other.

        Args:
            module: Any module that runs the named submodules in this order and does nothing else in between.
            paths: Submodule paths, one stage each (``["stem", "layer1", "pool"]``), or stage name → paths.
            **options: As for the constructor.

        Raises:
            InputError: A path that does not exist, or two that would give one stage name.
        """
        named = dict(paths) if isinstance(paths, Mapping) else {path.replace(".", "_"): [path] for path in paths}
        known = [name for name, _ in module.named_modules() if name]
        missing = [path for group in named.values() for path in group if path not in known]
        if missing:
            some = ", ".join(known[:12])
            raise InputError(
                f"trunk: stage `{path}` does not exist in the module, whose parts are {some}" for path in missing
            )
        if len(named) < len(paths):
            raise InputError(
                f"trunk: every path names a stage and should come once, found {', '.join(paths)}; "
                "give stage name → paths instead"
            )
        parts = {name: [module.get_submodule(path) for path in group] for name, group in named.items()}
        return cls({n: p[0] if len(p) == 1 else nn.Sequential(*p) for n, p in parts.items()}, **options)

    @property
    def names(self) -> tuple[str, ...]:
        """Stage names in order."""
        return tuple(self.stages)

    def _check_resettable(self) -> None:
        stuck = [
            f"trunk: `{stage}{'.' + path if path else ''}` ({type(part).__name__}) holds parameters but has no "
            "reset_parameters(), so seeds could not differ; add the method or pass reinitialize=False"
            for stage, module in self.stages.items()
            for path, part in module.named_modules()
            if next(part.parameters(recurse=False), None) is not None and _reset_of(part) is None
        ]
        if stuck:
            raise InputError(stuck)

    def instantiate(self, stage: str, seed: int) -> nn.Module:
        """A fresh copy of ``stage``; the same seed gives the same weights, wherever the copy stands in a topology."""
        module = copy.deepcopy(self.stages[stage])
        if self.reinitialize:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                for part in module.modules():
                    reset = _reset_of(part)
                    if reset is not None:
                        reset()
        return module

    @torch.no_grad()
    def shapes(self, rows: Tensor) -> list[tuple[int, ...]]:
        """Shape of one example after each stage, found by running ``rows`` through in eval mode.

        Raises:
            InputError: A stage that cannot run or loses rows, or a last one not giving ``(batch, n_features)``.
        """
        shapes = []
        for name, prototype in self.stages.items():
            module = copy.deepcopy(prototype).eval()
            try:
                output = module(rows)
            except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
                raise InputError(
                    f"trunk: stage `{name}` should take rows of shape {tuple(rows.shape[1:])}, found: {error}"
                ) from error
            fault = self._output_fault(name, output, len(rows))
            if fault:
                raise InputError(fault)
            rows = output
            shapes.append(tuple(rows.shape[1:]))
        return shapes

    def _output_fault(self, stage: str, output: Any, n_rows: int) -> str:
        """What is wrong with the output of ``stage`` for ``n_rows`` rows; empty if nothing."""
        if isinstance(output, Tensor) and stage == self.names[-1] and output.ndim != 2:
            return (
                f"trunk: the last stage `{stage}` should give one vector of features a row, found shape "
                f"{tuple(output.shape[1:])}; end it with a pooling or flattening layer"
            )
        if not isinstance(output, Tensor) or output.shape[:1] != (n_rows,):
            found = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
            return (
                f"trunk: stage `{stage}` should give one tensor with as many rows as it takes ({n_rows}), found {found}"
            )
        return ""


def _reset_of(part: nn.Module) -> Any:
    reset = getattr(part, "reset_parameters", None) or getattr(part, "_reset_parameters", None)
    return reset if callable(reset) else None


class TrunkMethod(Protocol):
    """A built-in trunk: a frozen pydantic model whose fields are its options."""

    def build(self, rows: Tensor) -> Trunk:
        """The trunk for inputs like ``rows``, shape ``(batch, ...)`` (whole numbers are tokens)."""
        ...


TRUNKS: Table[type[TrunkMethod]] = Table(
    "trunk",
    "taskgroup.trunks",
    {
        "conv": "taskgroup.nn.trunks.conv:Conv",
        "mlp": "taskgroup.nn.trunks.mlp:MLP",
        "transformer": "taskgroup.nn.trunks.transformer:Transformer",
    },
)
