"""Sites: what adapters need to know of each stage of a trunk."""

import copy

import torch
from torch.nn.modules.batchnorm import _NormBase

from taskgroup.adapters import Site
from taskgroup.adapters.sites import site_of
from taskgroup.nn.flow import Flow
from taskgroup.nn.trunk import Trunk


@torch.no_grad()
def sites_of(trunk: Trunk, rows: Flow) -> list[Site]:
    """The site behind and inside each stage, found by running ``rows`` through in evaluation mode.

    Raises:
        InputError: A stage that cannot run, or one that gives what no stage may.
    """
    trunk.shapes(rows)  # says what is wrong
    sites = []
    for name in trunk.names:
        stage = copy.deepcopy(trunk.stages[name]).eval()
        sites.append(site_of(stage, rows))
        rows = stage(rows)
    return sites


def own_norm(trunk: Trunk) -> tuple[int, ...]:
    """Positions of the stages in which every task has statistics of its own: those that keep running statistics."""
    if trunk.norm == "shared":
        return ()
    return tuple(
        s
        for s, stage in enumerate(trunk.stages.values())
        if any(isinstance(part, _NormBase) and part.running_mean is not None for part in stage.modules())
    )
