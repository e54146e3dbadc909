"""A network as statements: its parts, and a forward pass with a line for each of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn

from taskgroup.core.task import Task
from taskgroup.errors import InputError
from taskgroup.exporters.code.classes import Classes
from taskgroup.exporters.code.errors import InexpressibleError
from taskgroup.exporters.code.names import Names, class_name, commented, identifier, listed, quoted
from taskgroup.exporters.code.running import gives
from taskgroup.nn.flow import Flow, hidden, joined, n_rows, parted, with_hidden
from taskgroup.nn.network import SharedNetwork
from taskgroup.nn.routes import Step, places, route


@dataclass(frozen=True)
class _Stream:
    """What a variable of the forward pass holds, for whom, and what it is for the given rows."""

    variable: str
    tasks: frozenset[str]
    flow: Flow

    @property
    def is_tuple(self) -> bool:
        return isinstance(self.flow, tuple)


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
        self._names, self._variables = Names(), Names()
        _tensors_to_buffers(network)
        self._expressions: dict[Any, str] = {}
        self.tuples = False
        plan = route(network.architecture, network.tasks.names, own_norm=network.own_norm)
        streams = [_Stream("rows", frozenset(network.tasks.names), rows)]
        for stage, steps in enumerate(plan.stages):
            streams = [stream for step in steps for stream in self._step(stage, step, streams)]
        self._heads({task: streams[k] for task, k in plan.ends.items()})

    def _step(self, stage: int, step: Step, streams: Sequence[_Stream]) -> list[_Stream]:
        """One line that runs a copy, and one for each adapter behind it; gives what comes out."""
        members = self._members(stage, step)
        inputs = [streams[k] for k in step.inputs]
        given = inputs[0].flow if len(inputs) == 1 else joined([stream.flow for stream in inputs])
        part, output = self._unit(stage, step, given)
        made = [self._variables.take(part) for _ in inputs]
        passing = [stream.tasks & members for stream in inputs]
        line = f"{listed(made)} = {_call(part, inputs, isinstance(output, tuple))}"
        self.forward.append(self._told(line, frozenset().union(*passing)))
        self.tuples |= len(inputs) > 1 and (inputs[0].is_tuple or isinstance(output, tuple))
        flows = [output] if len(inputs) == 1 else parted(output, [n_rows(stream.flow) for stream in inputs])
        found = [_Stream(*stream) for stream in zip(made, passing, flows, strict=True)]
        return [self._behind(stage, adapter, found[k]) for k, adapter in step.outputs]

    def _behind(self, stage: int, adapter: int | None, stream: _Stream) -> _Stream:
        """What goes on: as it is, or through an adapter."""
        stands = places(self._network.architecture, stage)
        if adapter is None:
            served = (place.tasks for place in stands if not place.inside)
            return _Stream(stream.variable, stream.tasks.difference(*served), stream.flow)
        tasks = stream.tasks & set(stands[adapter].tasks)
        module = cast("nn.Module", cast("Any", self._network.adapters[stage])[adapter])
        state = hidden(stream.flow)
        changed = module(state)
        part = self._part(
            stage, f"{self._stem(stage)}_adapter_{adapter}", module, (state, changed), stands[adapter].entry
        )
        after, before = self._variables.take(part), stream.variable
        text = f"(self.{part}({before}[0]), *{before}[1:])" if stream.is_tuple else f"self.{part}({before})"
        self.forward.append(self._told(f"{after} = {text}", tasks))
        return _Stream(after, tasks, with_hidden(stream.flow, changed))

    def _unit(self, stage: int, step: Step, given: Flow) -> tuple[str, Flow]:
        """Attribute of a copy, or of what runs in its place, and what it gives."""
        original = self._network.copies(stage)[step.copy]
        name = f"{self._stem(stage)}_{step.copy}" if len(self._network.copies(stage)) > 1 else self._stem(stage)
        if step.body is None:
            output = original(given)
            return self._part(stage, name, original, (given, output)), output
        body = cast("nn.ModuleList", self._network.bodies[stage])[step.body]
        place = self._network.body_plan(stage)[step.body].place
        module, entry, output = body, None, body(given)
        if place is not None and self._merge:
            module = _merged(cast("Any", self._network.adapters[stage])[place], original, body)
        elif place is not None:
            entry = places(self._network.architecture, stage)[place].entry
        return self._part(stage, f"{name}_for_{step.body}", module, (given, output), entry), output

    def _part(self, stage: int, name: str, module: nn.Module, run: tuple[Flow, Flow], entry: Any = None) -> str:
        """A new attribute that is made like ``module``; ``run`` is what it was given and what it gave.

        Copies of a stage are made alike, but for an adapter (``entry``) and hooks of the user's.
        """
        part = self._names.take(name)
        kind = (stage, entry, any(p._forward_hooks or p._forward_pre_hooks for p in module.modules()))
        if kind not in self._expressions:
            self._expressions[kind] = self._expression(stage, module, *run)
        self._add(part, module, f"self.{part} = {self._expressions[kind]}")
        return part

    def _expression(self, stage: int, module: nn.Module, rows: Flow, expected: Flow) -> str:
        """Source that makes ``module``: read where that gives what it gave, else of the operations it ran."""
        name = self._network.architecture.topology.stages[stage]
        before = self.classes.saved()
        try:
            self.classes.stage = class_name(name, f"Stage{stage}")
            found = self.classes.read(module, self.classes.stage)
            if gives("\n\n".join(self.classes.sources.values()), found, module, rows, expected):
                return found
            reason = f"`{type(module).__name__}`: its forward, when traced, gives something else"
        except InexpressibleError as error:
            reason = str(error)
        self.classes.restore(before)
        try:
            return self.classes.run(module, rows)
        except InexpressibleError as error:
            raise InputError(
                f"{self._format}: stage `{name}` cannot be written as Python code: {reason}; {error.reason}"
            ) from error

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
            self.init.append("    " + commented(f"{self.classes.read(head)},", task.name, 12))
            features = ends[task.name].variable + "[0]" * ends[task.name].is_tuple
            line = f"{quoted(task.name)}: self.heads[{k}]({features}),"
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


def _call(part: str, inputs: Sequence[_Stream], gives_tuple: bool) -> str:
    """One run of a part; streams that meet there run in one batch."""
    given = listed(stream.variable for stream in inputs)
    if len(inputs) == 1:
        return f"self.{part}({given})"
    run = f"self.{part}({f'joined({given})' if inputs[0].is_tuple else f'torch.cat([{given}])'})"
    return f"parted({run}, {len(inputs)})" if gives_tuple else f"{run}.chunk({len(inputs)})"


def _meaning(task: Task) -> str:
    if task.kind == "regression" and (task.mean, task.scale) == (0, 1):
        return "value"
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
