"""What no trunk may have: weights that cannot be drawn afresh, weights in two stages, outputs that do not flow."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, fx, nn

from taskgroup.errors import InputError
from taskgroup.nn.flow import Flow, flow_fault


def reset_of(part: nn.Module) -> Any:
    """The method that draws the part's own weights afresh, or None."""
    reset = getattr(part, "reset_parameters", None) or getattr(part, "_reset_parameters", None)
    return reset if callable(reset) else None


def stuck(stages: Mapping[str, nn.Module]) -> list[str]:
    """A sentence for each part whose parameters cannot be drawn afresh."""
    return [
        f"trunk: `{stage}{'.' + path if path else ''}` ({type(part).__name__}) holds parameters but has no "
        "reset_parameters(), so seeds could not differ; add the method"
        f"{' and keep the module whole with `leaves`,' if isinstance(module, fx.GraphModule) else ''} "
        "or pass reinitialize=False"
        for stage, module in stages.items()
        for path, part in module.named_modules()
        if next(part.parameters(recurse=False), None) is not None and reset_of(part) is None
    ]


def tied(stages: Mapping[str, nn.Module]) -> list[str]:
    """A sentence for each parameter or buffer that two stages hold, which copies of them would untie."""
    first: dict[int, tuple[str, str]] = {}
    sentences = []
    for stage, module in stages.items():
        for path, tensor in _state(module):
            other, other_path = first.setdefault(id(tensor), (stage, path))
            if other != stage:
                kind = "parameter" if isinstance(tensor, nn.Parameter) else "buffer"
                sentences.append(
                    f"trunk: a {kind} should be in one stage, found one that is both `{other}.{other_path}` and "
                    f"`{stage}.{path}`, which copies would untie; put both into one stage, or give each its own"
                )
    return sentences


def _state(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters(remove_duplicate=False)
    yield from module.named_buffers(remove_duplicate=False)


def versions(flow: Flow) -> list[int]:
    """Numbers that grow when a tensor of ``flow`` is changed in place."""
    parts = (flow,) if isinstance(flow, Tensor) else flow
    return [0 if part.is_inference() else part._version for part in parts]


def output_fault(stage: str, output: Any, n: int, *, last: bool) -> str:
    """What is wrong with the output of ``stage`` for ``n`` rows; empty if nothing."""
    if last and (isinstance(output, tuple) or (isinstance(output, Tensor) and output.ndim != 2)):
        found = f"shape {tuple(output.shape[1:])}" if isinstance(output, Tensor) else "a tuple"
        return (
            f"trunk: the last stage `{stage}` should give one vector of features a row, found {found}; "
            "end it with a pooling or flattening layer"
        )
    fault = flow_fault(output, n)
    if not fault:
        return ""
    return (
        f"trunk: stage `{stage}` should give a tensor, or a flat tuple of tensors, with as many rows as it takes "
        f"({n}), found {fault}"
    )


def check_arguments(module: Any, example: Any, n_stages: Any = None, *, needed: bool = False) -> None:
    """Check what a user hands over to be cut.

    Raises:
        InputError: No module, rows that are no tensors, or a number of stages that is no whole number.
    """
    parts = example if isinstance(example, tuple) else (example,)
    faults = []
    if not isinstance(module, nn.Module):
        faults.append(f"trunk: what is cut should be a torch.nn.Module, found {type(module).__name__}")
    if (needed or example is not None) and not all(isinstance(part, Tensor) for part in parts):
        found = ", ".join(type(part).__name__ for part in parts)
        faults.append(f"trunk: `example` should be a tensor, or a tuple of tensors, found {found}")
    if (needed or n_stages is not None) and (isinstance(n_stages, bool) or not isinstance(n_stages, int)):
        faults.append(f"trunk: `n_stages` should be a whole number, found {n_stages!r}")
    if faults:
        raise InputError(faults)
