"""The network that a topology makes of a trunk."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor, nn
from torch.nn import functional as F

from taskgroup.adapters import ADAPTERS
from taskgroup.core.seeds import derive_seed
from taskgroup.core.spec import Architecture, Spec
from taskgroup.core.table import did_you_mean
from taskgroup.core.task import TaskSet
from taskgroup.core.validation import sentences
from taskgroup.errors import InputError
from taskgroup.nn.routes import Route, adapter_groups, route
from taskgroup.nn.trunk import TRUNKS, Trunk
from taskgroup.training.probe import Tower


@dataclass(frozen=True)
class Head:
    """One output: ``name`` is the task's, or ``task@along`` for a helper."""

    name: str
    task: str
    along: str


class SharedNetwork(nn.Module):
    """Stages copied as the topology says, adapters behind shared copies, one linear head per task and helper.

    Copies of a stage start from the same weights under the same seed, whatever the topology, and so do heads of a
    task: networks of different topologies are paired.

    Args:
        tasks: What is predicted.
        architecture: Topology, adapters, helpers; its stages are the trunk's.
        trunk: The stages.
        shapes: Shape of one example after each stage (``trunk.shapes``).
        seed: Decides the initial weights.
    """

    def __init__(
        self, tasks: TaskSet, architecture: Architecture, trunk: Trunk, shapes: Sequence[tuple[int, ...]], seed: int
    ) -> None:
        super().__init__()
        self.tasks, self.architecture = tasks, architecture
        topology = architecture.topology
        if topology.stages != trunk.names:
            raise InputError(
                f"topology: stages should be the trunk's {list(trunk.names)}, found {list(topology.stages)}"
            )
        self.stages = nn.ModuleList(
            nn.ModuleList(trunk.instantiate(name, derive_seed("stage", name, seed)) for _ in topology.groups(s))
            for s, name in enumerate(topology.stages)
        )
        self.adapters = nn.ModuleList(self._adapters(s, shapes[s], seed) for s in range(len(topology.stages)))
        self.heads_info = [Head(t, t, t) for t in tasks.names]
        self.heads_info += [Head(f"{h.task}@{h.along}", h.task, h.along) for h in architecture.helpers]
        self.heads = nn.ModuleList(self._head(head.task, shapes[-1][0], seed) for head in self.heads_info)
        self._routes: dict[tuple[str, ...], Route] = {}

    def _adapters(self, stage: int, shape: tuple[int, ...], seed: int) -> nn.ModuleList:
        groups, entry = adapter_groups(self.architecture, stage)
        modules = nn.ModuleList()
        for group in groups:
            assert entry is not None
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(derive_seed("adapter", entry.stage, *group, seed))
                modules.append(ADAPTERS.create(entry.kind, {"size": entry.size}).build(shape))
        return modules

    def _head(self, task: str, n_features: int, seed: int) -> nn.Linear:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed("head", task, seed))
            return nn.Linear(n_features, self.tasks[task].n_outputs)

    def forward(self, rows: Tensor, tasks: Sequence[str] | None = None, *, helpers: bool = False) -> dict[str, Tensor]:
        """Outputs by task name, each of shape ``(batch, n_outputs)``: logits, or standardized values for regression.

        Args:
            rows: Inputs, shape ``(batch, ...)``.
            tasks: Only these, running only what lies on their paths; all by default.
            helpers: Whether to add the helpers' outputs as ``task@along``, for training.

        Raises:
            InputError: One of ``tasks`` is not a task of this network.
        """
        names = self.tasks.names
        wanted = names if tasks is None else tuple(tasks)
        unknown = set(wanted).difference(names)
        if unknown:
            raise InputError(
                f"`tasks` should be among {', '.join(names)}, found `{t}`{did_you_mean(t, names)}"
                for t in wanted
                if t in unknown
            )
        streams = self._features(rows, wanted)
        outputs: dict[str, Tensor] = {}
        together: dict[int, list[int]] = {}
        for place, head in enumerate(self.heads_info):
            if head.along in streams and (head.task == head.along or helpers):
                outputs[head.name] = rows  # keeps the order of the heads
                together.setdefault(id(streams[head.along]), []).append(place)
        for places in together.values():
            features = streams[self.heads_info[places[0]].along]
            for place, output in zip(places, self._heads(features, places), strict=True):
                outputs[self.heads_info[place].name] = output
        return outputs

    def _heads(self, features: Tensor, places: Sequence[int]) -> Sequence[Tensor]:
        """Outputs of the heads on one stream, computed as one matrix: hundreds of tasks cost little more than one."""
        layers = [cast("nn.Linear", self.heads[place]) for place in places]
        if len(layers) == 1:
            return [layers[0](features)]
        weight, bias = torch.cat([layer.weight for layer in layers]), torch.cat([layer.bias for layer in layers])
        return torch.split(F.linear(features, weight, bias), [layer.out_features for layer in layers], dim=1)

    def _features(self, rows: Tensor, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        """What reaches each task's head, every module run once however many streams pass through it."""
        if tasks not in self._routes:
            self._routes[tasks] = route(self.architecture, tasks)
        plan = self._routes[tasks]
        streams = [rows]
        for stage, (copies, adapters, steps) in enumerate(zip(self.stages, self.adapters, plan.stages, strict=True)):
            streams = self._run_stage(copies, adapters, streams, plan, stage) if steps else streams
        return {task: streams[k] for task, k in plan.ends.items()}

    def _run_stage(
        self, copies: nn.Module, adapters: nn.Module, streams: list[Tensor], plan: Route, stage: int
    ) -> list[Tensor]:
        assert isinstance(copies, nn.ModuleList)
        assert isinstance(adapters, nn.ModuleList)
        after: list[Tensor] = []
        for step in plan.stages[stage]:
            inputs = [streams[k] for k in step.inputs]
            if len(inputs) == 1:
                outputs: Sequence[Tensor] = [copies[step.copy](inputs[0])]
            else:
                outputs = copies[step.copy](torch.cat(inputs)).split([len(i) for i in inputs])
            for source, adapter in step.outputs:
                after.append(outputs[source] if adapter is None else adapters[adapter](outputs[source]))
        return after

    def shared_parameters(self) -> dict[str, list[nn.Parameter]]:
        """Trainable parameters of the copies that serve several tasks, by stage name."""
        shared: dict[str, list[nn.Parameter]] = {name: [] for name in self.architecture.topology.stages}
        for module in self.architecture.topology.modules():
            if len(module.tasks) > 1 or len(self.tasks) == 1:
                copies = self.stages[module.stage]
                assert isinstance(copies, nn.ModuleList)
                name = self.architecture.topology.stages[module.stage]
                shared[name] += [p for p in copies[module.copy].parameters() if p.requires_grad]
        return shared

    def tower(self) -> Tower | None:
        """The network opened up for a probe, where all tasks share every stage and nothing else trains; else None."""
        stages = [list(copies.children()) for copies in self.stages]
        if any(len(copies) > 1 for copies in stages) or self.architecture.adapters or self.architecture.helpers:
            return None
        named = {name: copy for name, (copy,) in zip(self.architecture.topology.stages, stages, strict=True)}
        return Tower(self.tasks, named, [cast("nn.Linear", head) for head in self.heads])


def build(spec: Spec, trunk: Trunk | None = None, *, seed: int = 0) -> SharedNetwork:
    """The network that ``spec`` describes.

    Args:
        spec: From a plan or a file.
        trunk: Stages with the names the spec has; None builds the spec's own trunk, where it is a built-in one.
        seed: Decides the initial weights.

    Raises:
        InputError: The trunk does not have the spec's stages, or cannot be made from the spec alone.
    """
    dtype = torch.int64 if spec.trunk.input_dtype == "int64" else torch.float32
    rows = torch.zeros(2, *spec.trunk.input_shape, dtype=dtype)
    if trunk is None:
        trunk = _built_in(spec, rows)
    return SharedNetwork(spec.tasks, spec.architecture, trunk, trunk.shapes(rows), seed)


def _built_in(spec: Spec, rows: Tensor) -> Trunk:
    name = spec.trunk.name
    if name not in TRUNKS.names:
        raise InputError(f"build: the trunk `{name}` is not a built-in one; pass it as `trunk`")
    try:
        method = TRUNKS.create(name, spec.trunk.options)
    except ValidationError as error:
        raise InputError(sentences(error, cast("type[BaseModel]", TRUNKS[name]), "build: trunk")) from error
    return cast("Trunk", method.build(rows))
