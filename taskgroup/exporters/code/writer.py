"""A network as statements: its parts, and a forward pass with a line for each of them."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn

from taskgroup.core.task import Task
from taskgroup.errors import InputError
from taskgroup.exporters.code.classes import Classes
from taskgroup.exporters.code.errors import InexpressibleError
from taskgroup.exporters.code.names import Names, class_name, commented, identifier, listed
from taskgroup.nn.flow import Flow
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.routes import Step, places, route


@dataclass(frozen=True)
class _Stream:
    """What a variable of the forward pass holds, and for whom."""

    variable: str
    tasks: frozenset[str]
    is_tuple: bool


class Writer:
    """Writes one network.

    Args:
        network: In evaluation mode; is changed (plain tensors become buffers), so give a copy.
        rows: A few inputs.
        merge: Whether low-rank changes go into the weights of the layers that they change.
        format: Its name, for errors.

    Attributes:
        parts: Attribute of the class to be written → the module whose weights it takes.
        classes: Classes of the parts.
        init: Statements that make the parts.
        forward: Statements of the forward pass.
        tuples: Whether anything but single tensors flows.
    """

    def __init__(self, network: SharedNetwork, rows: Flow, *, merge: bool, format: str) -> None:
        self.parts: dict[str, nn.Module] = {}
        self.classes = Classes()
        self.init: list[str] = []
        self.forward: list[str] = []
        self._network, self._merge, self._format = network, merge, format
        self._names = Names()
        _tensors_to_buffers(network)
        self._gives_tuple = _tuple_outputs(network, rows)
        self.tuples = isinstance(rows, tuple) or any(self._gives_tuple.values())
        plan = route(network.architecture, network.tasks.names, own_norm=network.own_norm)
        streams = [_Stream("rows", frozenset(network.tasks.names), isinstance(rows, tuple))]
        for stage, steps in enumerate(plan.stages):
            streams = [stream for step in steps for stream in self._step(stage, step, streams)]
        self._heads({task: streams[k] for task, k in plan.ends.items()})

    def _step(self, stage: int, step: Step, streams: Sequence[_Stream]) -> list[_Stream]:
        """One line that runs a copy, and one for each adapter behind it; gives what comes out."""
        part, module = self._unit(stage, step)
        members = self._members(stage, step)
        inputs = [streams[k] for k in step.inputs]
        is_tuple = self._gives_tuple[module]
        made = [self._names.take(part) for _ in inputs]
        if len(inputs) == 1:
            line = f"{made[0]} = self.{part}({inputs[0].variable})"
        else:
            given = listed(stream.variable for stream in inputs)
            both = f"joined({given})" if inputs[0].is_tuple else f"torch.cat([{given}])"
            run = f"self.{part}({both})"
            line = f"{listed(made)} = " + (f"parted({run}, {len(inputs)})" if is_tuple else f"{run}.chunk({len(inputs)})")
        passing = [stream.tasks & members for stream in inputs]
        self.forward.append(self._told(line, frozenset().union(*passing)))
        return [self._behind(stage, adapter, made[k], passing[k], is_tuple) for k, adapter in step.outputs]

    def _behind(
        self, stage: int, adapter: int | None, variable: str, passing: frozenset[str], is_tuple: bool
    ) -> _Stream:
        """What goes on: as it is, or through an adapter."""
        behind = [place for place in places(self._network.architecture, stage) if not place.inside]
        if adapter is None:
            return _Stream(variable, passing.difference(*(place.tasks for place in behind)), is_tuple)
        tasks = passing & set(places(self._network.architecture, stage)[adapter].tasks)
        module = cast("Any", self._network.adapters[stage])[adapter]
        part = self._part(stage, f"{self._stem(stage)}_adapter_{adapter}", module)
        after = self._names.take(f"{variable}_adapted")
        changed = f"(self.{part}({variable}[0]), *{variable}[1:])" if is_tuple else f"self.{part}({variable})"
        self.forward.append(self._told(f"{after} = {changed}", tasks))
        return _Stream(after, tasks, is_tuple)

    def _unit(self, stage: int, step: Step) -> tuple[str, nn.Module]:
        """Attribute and module of a copy, or of what runs in its place."""
        original = self._network.copies(stage)[step.copy]
        stem = self._stem(stage)
        n_copies = len(self._network.copies(stage))
        name = f"{stem}_{step.copy}" if n_copies > 1 else stem
        if step.body is None:
            return self._part(stage, name, original), original
        body = cast("nn.ModuleList", self._network.bodies[stage])[step.body]
        place = self._network.body_plan(stage)[step.body].place
        module = body
        if place is not None and self._merge:
            module = _merged(cast("Any", self._network.adapters[stage])[place], original, body)
        return self._part(stage, f"{name}_for_{step.body}", module), body

    def _part(self, stage: int, name: str, module: nn.Module) -> str:
        part = self._names.take(name)
        names = self._network.architecture.topology.stages
        try:
            expression = self.classes.expression(module, class_name(names[stage], f"Stage{stage}"))
        except InexpressibleError as error:
            raise InputError(
                f"{self._format}: stage `{names[stage]}` cannot be written as Python code: `{error.part}`: "
                f"{error.reason}; torch-export and onnx run the network instead of reading it"
            ) from error
        self._add(part, module, f"self.{part} = {expression}")
        return part

    def _add(self, part: str, module: nn.Module, line: str) -> None:
        self.parts[part] = module
        self.init.append(line)
        frozen = [name for name, p in module.named_parameters(remove_duplicate=False) if not p.requires_grad]
        if frozen and len(frozen) == len(list(module.parameters())):
            self.init.append(f"self.{part}.requires_grad_(False)")
        else:
            self.init += [f"self.{part}.get_parameter({name!r}).requires_grad_(False)" for name in frozen]

    def _heads(self, ends: dict[str, _Stream]) -> None:
        self.init.append("self.heads = nn.ModuleList([")
        self.forward.append("return {")
        for k, task in enumerate(self._network.tasks):
            head = self._network.heads[k]
            self.parts[f"heads.{k}"] = head
            self.init.append("    " + commented(f"{self.classes.expression(head)},", task.name, 12))
            features = ends[task.name].variable + "[0]" * ends[task.name].is_tuple
            line = f"{_quoted(task.name)}: self.heads[{k}]({features}),"
            self.forward.append("    " + commented(line, _meaning(task), 12))
        self.init.append("])")
        self.forward.append("}")

    def _members(self, stage: int, step: Step) -> frozenset[str]:
        own = self._network.body_plan(stage)
        if step.body is not None:
            return frozenset(own[step.body].tasks)
        group = self._network.architecture.topology.groups(stage)[step.copy]
        return frozenset(group).difference(*(body.tasks for body in own))

    def _stem(self, stage: int) -> str:
        return identifier(self._network.architecture.topology.stages[stage], f"stage{stage}")

    def _told(self, line: str, tasks: frozenset[str]) -> str:
        return commented(line, listed(t for t in self._network.tasks.names if t in tasks), 8)


def _quoted(text: str) -> str:
    """A string literal in double quotes where it holds none, without anything that breaks a line."""
    shown = ascii(text) if not text.isprintable() else repr(text)
    return f'"{shown[1:-1]}"' if '"' not in shown and "\\" not in shown else shown


def _meaning(task: Task) -> str:
    if task.kind == "regression":
        return f"standardized: times {task.scale:g}, plus {task.mean:g}"
    return "logit" if task.kind == "binary" else f"logits of {task.n_classes} classes"


def _merged(adapter: Any, original: nn.Module, body: nn.Module) -> nn.Module:
    """``original`` with the changes of ``adapter`` in its weights, and the statistics of ``body``."""
    merged = cast("nn.Module", adapter.merged(original))
    own = dict(body.named_buffers())
    for name, buffer in merged.named_buffers():
        if name in own:
            buffer.data = own[name].detach().clone()
    return merged


def _tensors_to_buffers(network: nn.Module) -> None:
    """Tensors that are plain attributes become buffers, so that they are found and written."""
    for module in network.modules():
        for name in [name for name, value in vars(module).items() if isinstance(value, Tensor)]:
            value = getattr(module, name)
            delattr(module, name)
            module.register_buffer(name, value, persistent=False)


def _tuple_outputs(network: SharedNetwork, rows: Flow) -> dict[nn.Module, bool]:
    """For each module that runs as a stage whether it gives a tuple."""
    found: dict[nn.Module, bool] = {}

    def note(module: nn.Module, _: Any, output: Any) -> None:
        found[module] = isinstance(output, tuple)

    units = [unit for group in (network.stages, network.bodies) for units in group for unit in units.children()]
    handles = [unit.register_forward_hook(note) for unit in units]
    network(rows)
    for handle in handles:
        handle.remove()
    return found


def unshared(module: nn.Module) -> nn.Module:
    """A deep copy."""
    return copy.deepcopy(module)
