"""Trunk: any module cut into ordered, named stages, after each of which sharing may end."""

import copy
from collections.abc import Mapping
from typing import Any, Literal, Protocol, get_args

import torch
from torch import Tensor, nn

from taskgroup.core.affinity import TRUNK
from taskgroup.core.table import Table
from taskgroup.errors import InputError
from taskgroup.nn.cutting.chaining import Paths
from taskgroup.nn.cutting.checking import check_arguments, output_fault, reset_of, stuck, tied, versions
from taskgroup.nn.cutting.sequential import sequential_stages
from taskgroup.nn.cutting.stages import found_stages, stages_at
from taskgroup.nn.cutting.tracing import Leaves
from taskgroup.nn.flow import Flow, hidden, n_rows

Norm = Literal["shared", "per_task"]


class Trunk:
    """Ordered stages; each takes the output of the one before, the first takes the input rows.

    What passes from stage to stage is a tensor, or a flat tuple of tensors whose first is the hidden state, all with
    the batch as first dimension. Stages may change shapes, and hold buffers, dropout and batch normalization.

    Args:
        stages: Name → module, in order of execution. They are prototypes: networks hold copies. The last stage gives
            features of shape ``(batch, n_features)``.
        reinitialize: Whether copies draw fresh weights (``reset_parameters``) under the trial's seed. False keeps the
            prototypes' weights, e.g. pretrained ones.
        norm: Whose statistics the normalization layers with running statistics (batch normalization) of a shared stage
            hold: those of all its tasks together (``shared``), or each task its own (``per_task``), which suits tasks
            whose inputs differ.

    Attributes:
        stages: The prototypes.
        reinitialize: As given.
        norm: As given.

    Raises:
        InputError: No stages, a stage named ``trunk`` (the affinities' name for all of them), one whose parameters
            cannot be drawn afresh, or a parameter or buffer in two stages.
    """

    def __init__(self, stages: Mapping[str, nn.Module], *, reinitialize: bool = True, norm: Norm = "shared") -> None:
        if not stages:
            raise InputError("trunk: needs at least one stage, found none")
        if TRUNK in stages:
            raise InputError(f"trunk: no stage may be named `{TRUNK}`, which stands for all of them; rename it")
        others = [
            f"{name} ({type(stage).__name__})" for name, stage in stages.items() if not isinstance(stage, nn.Module)
        ]
        if others:
            raise InputError(f"trunk: stages should be torch.nn.Modules, found {', '.join(others)}")
        if norm not in get_args(Norm):
            raise InputError(f"trunk.norm should be `shared` or `per_task`, found `{norm}`")
        self.stages = dict(stages)
        self.reinitialize, self.norm = reinitialize, norm
        faults = tied(self.stages) + (stuck(self.stages) if reinitialize else [])
        if faults:
            raise InputError(faults)

    @classmethod
    def cut(
        cls, module: nn.Module, paths: Paths, example: Flow | None = None, *, leaves: Leaves = (), **options: Any
    ) -> "Trunk":
        """Cut ``module`` at submodules that it executes one after the other.

        Without ``example`` the stages are the named submodules, taken at their word: what the module does between them
        is lost. With it, they are compared with the module, to the bit, in evaluation and in training mode. Where they
        compute something else, the module is traced by torch.fx and cut behind the outputs of the named parts, so that
        the operations in between belong to the stage behind them; what else is read behind a cut travels along in a
        tuple.

        Args:
            module: Any module. One that takes a tuple gets it in its parts where its forward has that many arguments,
                else whole.
            paths: Submodule paths, one stage each (``["stem", "layer1", "pool"]``), or stage name → paths. With
                ``example`` also graph nodes, such as ``flatten``.
            example: Rows that the module takes, shape ``(batch, ...)``, or a tuple of them.
            leaves: Paths or classes of submodules that tracing keeps whole.
            **options: As for the constructor.

        Raises:
            InputError: A path that does not exist, two that would give one stage name, or a module that cannot be cut
                there; it says where the chain or the tracing failed, and what to pass instead.
        """
        check_arguments(module, example)
        return cls(stages_at(module, paths, example, leaves), **options)._ran(example)

    @classmethod
    def sequential(
        cls, module: nn.Module, n_stages: int | None = None, example: Flow | None = None, **options: Any
    ) -> "Trunk":
        """Cut an ``nn.Sequential`` between its children.

        Every child with parameters begins a stage; those without join the stage before. With ``n_stages`` they are put
        together so that the largest share of multiply-accumulates of a stage is least.

        Args:
            module: The Sequential.
            n_stages: Number of stages; needs ``example``.
            example: Rows that it takes, shape ``(batch, ...)``, or a tuple of them.
            **options: As for the constructor.

        Raises:
            InputError: Another kind of module, or more stages than children with parameters.
        """
        check_arguments(module, example, n_stages)
        return cls(sequential_stages(module, n_stages, example), **options)._ran(example)

    @classmethod
    def auto(
        cls,
        module: nn.Module,
        example: Flow,
        n_stages: int = 4,
        until: str | None = None,
        *,
        leaves: Leaves = (),
        **options: Any,
    ) -> "Trunk":
        """Trace ``module`` with torch.fx and cut it where one tensor crosses, balanced by multiply-accumulates.

        The places are those of :func:`taskgroup.nn.cutting.cut_points`. A stage is named by its last submodule and is a
        Sequential where it is a plain chain, else a graph; parameters keep their names.

        Args:
            module: Any module that can be traced.
            example: Rows that it takes, shape ``(batch, ...)``, or a tuple of them.
            n_stages: Number of stages.
            until: Submodule or graph node with which the trunk ends, by default the module's output. Name what comes
                before a classifier to leave the classifier out: every task gets a head of its own.
            leaves: Paths or classes of submodules that are kept whole.
            **options: As for the constructor.

        Raises:
            InputError: Fewer places than asked for (it names them), or a module that cannot be traced (it says where,
                and what to pass instead).
        """
        check_arguments(module, example, n_stages, needed=True)
        return cls(found_stages(module, example, n_stages, until, leaves), **options)._ran(example)

    def _ran(self, example: Flow | None) -> "Trunk":
        if example is not None:
            self.shapes(example)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Stage names in order."""
        return tuple(self.stages)

    def instantiate(self, stage: str, seed: int) -> nn.Module:
        """A fresh copy of ``stage``; the same seed gives the same weights, wherever the copy stands in a topology."""
        module = copy.deepcopy(self.stages[stage])
        if self.reinitialize:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)
                for part in module.modules():
                    reset = reset_of(part)
                    if reset is not None:
                        reset()
        return module

    @torch.no_grad()
    def shapes(self, rows: Flow) -> list[tuple[int, ...]]:
        """Shape of one example of the hidden state after each stage, found by running ``rows`` in eval mode.

        Raises:
            InputError: A stage that cannot run, loses rows or changes its input in place, or a last one not giving
                ``(batch, n_features)``.
        """
        shapes = []
        for name, prototype in self.stages.items():
            module, before = copy.deepcopy(prototype).eval(), versions(rows)
            try:
                output = module(rows)
            except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
                raise InputError(
                    f"trunk: stage `{name}` should take rows of shape {tuple(hidden(rows).shape[1:])}, found: {error}"
                ) from error
            fault = output_fault(name, output, n_rows(rows), last=name == self.names[-1])
            if not fault and versions(rows) != before:
                fault = (
                    f"trunk: stage `{name}` should leave its input as it is, since other branches read it too, found "
                    "an operation in place; give it inplace=False, or put it into the stage before"
                )
            if fault:
                raise InputError(fault)
            rows = output
            shapes.append(tuple(hidden(output).shape[1:]))
        return shapes


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
        "conv1d": "taskgroup.nn.trunks.conv1d:Conv1d",
        "hf": "taskgroup.nn.trunks.hf:HF",
        "mlp": "taskgroup.nn.trunks.mlp:MLP",
        "text": "taskgroup.nn.trunks.text:Text",
        "transformer": "taskgroup.nn.trunks.transformer:Transformer",
    },
)
