"""Where in the user's code tracing failed, and what to pass instead."""

import os
import sys
import traceback
from collections.abc import Sequence

import torch
from torch import nn

LIBRARY = (os.path.dirname(torch.__file__), os.path.dirname(__file__))


def user_line() -> str:
    """``file:line`` of the innermost caller outside of torch."""
    frame = sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(LIBRARY):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def untraceable(module: nn.Module, error: Exception, inside: Sequence[str]) -> str:
    """The sentence for a module on which the tracer stopped with ``error``, ``inside`` these submodules."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(LIBRARY)]
    where = f" at {frames[-1].filename}:{frames[-1].lineno} (`{frames[-1].line}`)" if frames else ""
    remedies = ["pass the paths of submodules that run one after the other to Trunk.cut"]
    if inside:
        remedies.append(f'keep `{inside[-1]}` whole with leaves=["{inside[-1]}"]')
    if any(kind.__module__.startswith("transformers.") for kind in type(module).__mro__):
        remedies.append("use the `hf` trunk, which cuts transformers models")
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return f"trunk: the module cannot be traced{where}: {reason}; {', or '.join(remedies)}"
