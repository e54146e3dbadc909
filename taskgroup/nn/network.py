"""The network that a topology makes of a trunk."""

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from taskgroup.adapters import Site
from taskgroup.core.seeds import derive_seed
from taskgroup.core.spec import Architecture
from taskgroup.core.table import did_you_mean
from taskgroup.core.task import TaskSet
from taskgroup.errors import InputError
from taskgroup.nn.flow import Flow
from taskgroup.nn.heads import build_head
from taskgroup.nn.own_rows import OwnRows
from taskgroup.nn.reading import Readers
from taskgroup.nn.routes import Body, Place, adapter_of, bodies, places, route
from taskgroup.nn.running import Runner
from taskgroup.nn.sites import own_norm
from taskgroup.nn.trunk import Trunk
from taskgroup.training.probe import Tower


@dataclass(frozen=True)
class Head:
    """One output: ``name`` is the task's, or ``task@along`` for a helper."""

    name: str
    task: str
    along: str


class SharedNetwork(nn.Module):
    """Stages copied as the topology says, adapters at shared copies, one head per task and helper.

    Copies of a stage start from the same weights under the same seed, whatever the topology, and so do heads of a
    task: networks of different topologies are paired.

    Args:
        tasks: What is predicted.
        architecture: Topology, adapters, helpers, heads; its stages are the trunk's.
        trunk: The stages.
        sites: What adapters need to know of each stage (:func:`taskgroup.nn.sites.sites_of`).
        seed: Decides the initial weights.

    Attributes:
        stages: Copies of each stage.
        adapters: Adapters of each stage, in the order of :func:`taskgroup.nn.routes.places`.
        bodies: Modules that run in place of a copy for some of its tasks, and share its parameters
            (:func:`taskgroup.nn.routes.bodies`).
        heads: In the order of ``heads_info``.
        branched: Whether anything below the heads serves some of the tasks only.
        together: Whether sibling copies of a stage run as one where that is faster; the same up to rounding.
    """

    def __init__(
        self, tasks: TaskSet, architecture: Architecture, trunk: Trunk, sites: Sequence[Site], seed: int
    ) -> None:
        super().__init__()
        self.tasks, self.architecture, self.trunk, self.sites = tasks, architecture, trunk, tuple(sites)
        topology = architecture.topology
        if topology.stages != trunk.names:
            raise InputError(
                f"topology: stages should be the trunk's {list(trunk.names)}, found {list(topology.stages)}"
            )
        self.stages = nn.ModuleList(
            nn.ModuleList(trunk.instantiate(name, derive_seed("stage", name, seed)) for _ in topology.groups(s))
            for s, name in enumerate(topology.stages)
        )
        self.own_norm = own_norm(trunk)
        self.adapters = nn.ModuleList(
            nn.ModuleList(_adapter(place, sites[s], seed) for place in places(architecture, s))
            for s in range(len(topology.stages))
        )
        self.bodies = nn.ModuleList(
            nn.ModuleList(self._body(s, body) for body in self.body_plan(s)) for s in range(len(topology.stages))
        )
        self.heads_info = [Head(t, t, t) for t in tasks.names]
        self.heads_info += [Head(f"{h.task}@{h.along}", h.task, h.along) for h in architecture.helpers]
        width = sites[-1].shape[0]
        self.heads = nn.ModuleList(
            build_head(tasks[head.task], width, architecture.head_size, seed) for head in self.heads_info
        )
        self._served = [
            [*topology.groups(s), *(place.tasks for place in places(architecture, s))] for s in range(len(self.stages))
        ]
        extras = [part for parts in (*self.adapters, *self.bodies) for part in parts.children()]
        self.branched = bool(extras) or any(len(topology.groups(s)) > 1 for s in range(len(self.stages)))
        self.together = True
        self._names = tasks.names
        self.replan()
        self.register_state_dict_post_hook(_leave_out_shared)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_put_back_shared)  # type: ignore[no-untyped-call]

    def replan(self) -> None:
        """Forget which modules run for whom: to be called when modules were replaced."""
        self._runners: dict[tuple[str, ...], Runner] = {}
        self._own_rows: OwnRows | None = None
        self._plans: dict[tuple[tuple[str, ...], bool], tuple[Runner, Readers]] = {}
        self._plan(self._names, helpers=False)  # now, since torch.compile cannot trace how a plan is made

    def body_plan(self, stage: int) -> list[Body]:
        """What the modules in ``bodies[stage]`` are."""
        return bodies(self.architecture, stage, own_norm=stage in self.own_norm)

    def _body(self, stage: int, body: Body) -> nn.Module:
        original = self.copies(stage)[body.copy]
        if body.place is not None:
            adapter = cast("Any", self.adapters[stage])[body.place]
            return cast("nn.Module", adapter.applied(original))
        return copy.deepcopy(original, {id(p): p for p in original.parameters()})

    def copies(self, stage: int) -> nn.ModuleList:
        """The copies of one stage."""
        return cast("nn.ModuleList", self.stages[stage])

    def forward(
        self, rows: Flow | Mapping[str, Flow], tasks: Sequence[str] | None = None, *, helpers: bool = False
    ) -> dict[str, Tensor]:
        """Outputs by task name, each of shape ``(batch, n_outputs)``: logits, or standardized values for regression.

        Args:
            rows: Inputs, shape ``(batch, ...)``, that all tasks share; or task → its own inputs (helper's name → the
                helper's), each of which runs along its own path only.
            tasks: Only these, running only what lies on their paths; all by default, or those of ``rows``.
            helpers: Whether to add the helpers' outputs as ``task@along``, for training.

        Raises:
            InputError: One of ``tasks`` is not a task of this network.
        """
        if not isinstance(rows, Tensor | tuple):
            return self._apart(rows, tasks)
        wanted = self._names if tasks is None else self._known(tasks, self.tasks.names, "tasks")
        run, read = self._plan(wanted, helpers=helpers)
        return read(run([rows], together=self.together))

    def _apart(self, rows: Mapping[str, Flow], tasks: Sequence[str] | None) -> dict[str, Tensor]:
        """Outputs of heads that have rows of their own; heads along one path run through it in one batch."""
        names = tuple(head.name for head in self.heads_info)
        wanted = self._known(tuple(rows) if tasks is None else tasks, names, "rows" if tasks is None else "tasks")
        if self._own_rows is None:
            plan = route(self.architecture, self.tasks.names, own_norm=self.own_norm)
            heads = {info.name: (info.along, head) for info, head in zip(self.heads_info, self.heads, strict=True)}
            modules = [[list(part.children()) for part in parts] for parts in (self.stages, self.adapters, self.bodies)]
            self._own_rows = OwnRows(plan, self.tasks.names, modules, heads)
        return self._own_rows({name: rows[name] for name in names if name in wanted}, together=self.together)

    def _known(self, wanted: Sequence[str], names: tuple[str, ...], what: str) -> tuple[str, ...]:
        unknown = [t for t in dict.fromkeys(wanted) if t not in names]
        if unknown:
            raise InputError(
                f"`{what}` should be among {', '.join(names)}, found `{t}`{did_you_mean(t, names)}" for t in unknown
            )
        return tuple(wanted)

    def _runner(self, tasks: tuple[str, ...]) -> Runner:
        if tasks not in self._runners:
            plan = route(self.architecture, tasks, own_norm=self.own_norm)
            self._runners[tasks] = Runner(plan, self.stages, self.adapters, self.bodies)
        return self._runners[tasks]

    def _plan(self, tasks: tuple[str, ...], *, helpers: bool) -> tuple[Runner, Readers]:
        """What runs and reads for tasks that share their rows."""
        key = (tasks, helpers)
        if key not in self._plans:
            runner = self._runner(tasks)
            found = {
                info.name: (runner.ends[info.along], head)
                for info, head in zip(self.heads_info, self.heads, strict=True)
                if info.along in runner.ends and (info.task == info.along or helpers)
            }
            self._plans[key] = runner, Readers(found)
        return self._plans[key]

    def runs_together(self, rows: Flow) -> bool:
        """Whether sibling copies run as one on ``rows``."""
        runner = self._runner(self.tasks.names)
        with torch.no_grad():
            return self.together and runner.finds_siblings([rows])

    def shared_parameters(self) -> dict[str, list[nn.Parameter]]:
        """Trainable parameters of the copies that serve several tasks, by stage name."""
        shared: dict[str, list[nn.Parameter]] = {name: [] for name in self.architecture.topology.stages}
        for module in self.architecture.topology.modules():
            if len(module.tasks) > 1 or len(self.tasks) == 1:
                name = self.architecture.topology.stages[module.stage]
                copies = self.copies(module.stage)
                shared[name] += [p for p in copies[module.copy].parameters() if p.requires_grad]
        return shared

    def idle(self, tasks: Collection[str]) -> Iterator[nn.Parameter]:
        """Parameters that nothing but outputs for ``tasks`` would train, helpers' outputs among them."""
        lively = {head.along for head in self.heads_info if head.task not in tasks}
        for s, served in enumerate(self._served):
            modules = (*self.copies(s), *self.adapters[s].children())
            for module, group in zip(modules, served, strict=True):
                if lively.isdisjoint(group):
                    yield from module.parameters()
        for info, head in zip(self.heads_info, self.heads, strict=True):
            if info.task in tasks:
                yield from head.parameters()

    def adapter_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters of all adapters."""
        return self.adapters.parameters()

    def tower(self) -> Tower | None:
        """The network opened up for a probe, where all tasks share every stage and nothing else trains; else None."""
        stages = [list(copies.children()) for copies in self.stages]
        plain = not (self.architecture.adapters or self.architecture.helpers or self.architecture.head_size)
        if not plain or self.own_norm or any(len(copies) > 1 for copies in stages):
            return None
        named = {name: copy for name, (copy,) in zip(self.architecture.topology.stages, stages, strict=True)}
        return Tower(self.tasks, named, [cast("nn.Linear", head) for head in self.heads])


def _adapter(place: Place, site: Site, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed("adapter", place.entry.stage, *place.tasks, seed))
        made: nn.Module = adapter_of(place.entry).build(site)
    return made


def _leave_out_shared(network: nn.Module, state: dict[str, Any], prefix: str, local: dict[str, Any]) -> None:
    """Parameters that bodies share with copies and adapters stand in the state once."""
    for name, parameter in network.named_parameters(remove_duplicate=False):
        if name.startswith("bodies.") and parameter is not None:
            state.pop(prefix + name, None)


def _put_back_shared(network: nn.Module, state: dict[str, Any], prefix: str, local: Any, strict: bool, *_: Any) -> None:
    """Under the names that ``strict`` looks for."""
    names: dict[int, str] = {}
    for name, parameter in network.named_parameters(remove_duplicate=False):
        first = names.setdefault(id(parameter), name)
        if first != name and prefix + first in state:
            state[prefix + name] = state[prefix + first]
