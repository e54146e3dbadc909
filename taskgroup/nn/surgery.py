"""Surgery: trained networks into finer topologies that compute the same."""

import copy
from typing import cast

import torch
from torch import nn

from taskgroup.core.spec import Architecture
from taskgroup.core.topology import Topology
from taskgroup.errors import InputError
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.refining import carried, check_keeps, check_refines, origins


def fork(network: SharedNetwork, target: Topology | Architecture, *, seed: int = 0) -> SharedNetwork:
    """A network of a finer topology that goes on where ``network`` stands: every task's outputs are the same.

    Each copy of a stage starts from the weights and buffers of the copy that served its tasks before, each adapter
    from the adapter that served its tasks, each head from its task's; a helper that is new starts from its task's head.
    Where every task has normalization statistics of its own, they stay the task's own.

    Args:
        network: Is left as it is, and shares no tensor with what is given back.
        target: A topology that refines the network's at every stage: adapters, helpers and heads stay those of the
            network, also where a task now has a copy to itself. Or an architecture, which may add adapters (they
            start as the identity) and helpers, and drop helpers.
        seed: Decides the initial weights of new adapters.

    Returns:
        The new network, in the same mode, on the same device, with the same parameters frozen.

    Raises:
        InputError: The target has other tasks or stages, puts tasks together that are apart in ``network``, or changes
            adapters or heads so that outputs would change.

    Example:
        >>> import taskgroup, torch
        >>> tasks = taskgroup.TaskSet(tasks=({"name": "a", "kind": "binary"}, {"name": "b", "kind": "regression"}))
        >>> stages, rows = ("block1", "block2"), torch.ones(5, 3)
        >>> trunk = {"name": "mlp", "stages": stages, "input_shape": (3,), "options": {"width": 4, "depth": 2}}
        >>> shared = {"topology": Topology.shared(tasks.names, stages)}
        >>> network = taskgroup.build(taskgroup.Spec(tasks=tasks, trunk=trunk, architecture=shared))
        >>> forked = taskgroup.fork(network, Topology.separate(tasks.names, stages))
        >>> torch.equal(forked(rows)["a"], network(rows)["a"])
        True
    """
    if not isinstance(target, Topology | Architecture):
        raise InputError(f"fork: `target` should be a Topology or an Architecture, found {type(target).__name__}")
    old = network.architecture
    check_refines(old.topology, target if isinstance(target, Topology) else target.topology)
    new = carried(old, target) if isinstance(target, Topology) else target
    check_keeps(old, new)
    return _taken_over(network, new, seed)


def fork_trunk(network: SharedNetwork, target: Architecture, *, seed: int = 0) -> SharedNetwork:
    """Like :func:`fork`, but heads may have another size: they start afresh then, on a trunk that computes the same.

    Args:
        network: Is left as it is, and shares no tensor with what is given back.
        target: Refines the network's topology; may add adapters and helpers.
        seed: Decides the initial weights of new adapters and fresh heads.

    Raises:
        InputError: As :func:`fork` does, but for the size of heads.
    """
    old = network.architecture
    check_refines(old.topology, target.topology)
    check_keeps(old, target.model_copy(update={"head_size": old.head_size}))
    return _taken_over(network, target, seed)


def _taken_over(network: SharedNetwork, new: Architecture, seed: int) -> SharedNetwork:
    forked = SharedNetwork(network.tasks, new, network.trunk, network.sites, seed).train(network.training)
    like = next(network.heads.parameters())
    forked.heads.to(like.device, like.dtype)
    for s in range(len(new.topology.stages)):
        _take_copies(forked, network, s)
        _take_adapters(forked, network, s)
        forked.bodies[s] = nn.ModuleList(forked._body(s, body) for body in forked.body_plan(s))
        _take_buffers(forked, network, s)
    if new.head_size == network.architecture.head_size:
        _take_heads(forked, network)
    forked.replan()
    return forked


def deployed(network: SharedNetwork) -> SharedNetwork:
    """``network`` as it is served: without the heads of helpers, with the same outputs.

    Its weights are those that :func:`taskgroup.nn.weights.save_weights` writes of either.
    """
    return fork(network, network.architecture.model_copy(update={"helpers": ()}))


def _take_copies(forked: SharedNetwork, network: SharedNetwork, stage: int) -> None:
    """Parameters, modes, and whatever else a module may hold."""
    before = network.architecture.topology
    served = {t: network.copies(stage)[k] for k, group in enumerate(before.groups(stage)) for t in group}
    groups = forked.architecture.topology.groups(stage)
    forked.stages[stage] = nn.ModuleList(copy.deepcopy(served[group[0]]) for group in groups)


def _take_adapters(forked: SharedNetwork, network: SharedNetwork, stage: int) -> None:
    old, made = (list(cast("nn.ModuleList", n.adapters[stage])) for n in (network, forked))
    like = next(network.heads.parameters())
    sources = origins(network.architecture, forked.architecture, stage)
    forked.adapters[stage] = nn.ModuleList(
        fresh.to(like.device, like.dtype) if k is None else copy.deepcopy(old[k])
        for fresh, k in zip(made, sources, strict=True)
    )


@torch.no_grad()
def _take_buffers(forked: SharedNetwork, network: SharedNetwork, stage: int) -> None:
    """Every module that runs gets the buffers of the one that ran for its tasks before: a copy's, or a body's."""
    before = _running(network, stage)
    for task, module in _running(forked, stage).items():
        # in order, not by name: an adapter inside the stage wraps layers
        for mine, other in zip(module.buffers(), before[task].buffers(), strict=True):
            mine.copy_(other)


def _running(network: SharedNetwork, stage: int) -> dict[str, nn.Module]:
    """The module that each task passes through."""
    groups = network.architecture.topology.groups(stage)
    found = {t: network.copies(stage)[k] for k, group in enumerate(groups) for t in group}
    modules = cast("nn.ModuleList", network.bodies[stage])
    for body, module in zip(network.body_plan(stage), modules, strict=True):
        found |= dict.fromkeys(body.tasks, module)
    return found


def _take_heads(forked: SharedNetwork, network: SharedNetwork) -> None:
    at = {head.name: k for k, head in enumerate(network.heads_info)}
    forked.heads = nn.ModuleList(
        copy.deepcopy(network.heads[at.get(head.name, at[head.task])]) for head in forked.heads_info
    )
