"""Trunk: a transformers model cut into embedding, groups of layers and pooling."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from taskgroup.errors import InputError
from taskgroup.nn.flow import Flow
from taskgroup.nn.huggingface.anatomy import Anatomy, dissected
from taskgroup.nn.huggingface.calls import same
from taskgroup.nn.huggingface.inputs import config_of, kind, said
from taskgroup.nn.huggingface.stages import Embed, Layers, Pool, Pooling, config_words
from taskgroup.nn.trunk import Trunk


class TransformerTrunk(Trunk):
    """A trunk whose copies draw fresh weights by the rules of the model they come from.

    Args:
        stages: ``embed``, layers and ``pool``.
        reinitialize: As for :class:`Trunk`.

    Raises:
        InputError: With ``reinitialize``, parameters that the model's rules leave alone.
    """

    def __init__(self, stages: Mapping[str, nn.Module], *, reinitialize: bool = True) -> None:
        super().__init__(stages, reinitialize=False)  # its check asks for reset_parameters, which models lack
        self.reinitialize = reinitialize
        if reinitialize:
            self._check_drawn()

    @property
    def shell(self) -> Any:
        """The model without its layers, which knows its configuration and its rules for weights."""
        return cast("Embed", self.stages["embed"]).shell

    def uses(self, weight: str) -> bool:
        """Whether the model's parameter of that name is in one of the stages."""
        parts = [path for s in self.stages.values() for path in cast("Embed", s).origins.values() if path]
        inside = any(weight.startswith(f"{path}.") for path in parts)
        return inside or weight in dict(self.shell.named_parameters())

    def _check_drawn(self) -> None:
        stuck = []
        for stage, module in self.stages.items():
            drawn = copy.deepcopy(module)
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                for parameter in drawn.parameters():
                    parameter.fill_(torch.nan)
                self._draw(drawn)
            stuck += [f"{stage}.{path}" for path, p in drawn.named_parameters() if p.isnan().any()]
        if stuck:
            raise InputError(
                f"trunk: `{path}` is not drawn by the model's own rules, so seeds could not differ; pass "
                "reinitialize=False"
                for path in stuck
            )

    @torch.no_grad()
    def _draw(self, stage: nn.Module) -> None:
        # children first, as in the library: some parents overwrite what their children drew
        for part in reversed(list(stage.modules())):
            self.shell._init_weights(part)

    def instantiate(self, stage: str, seed: int) -> nn.Module:
        """A fresh copy of ``stage``; the same seed gives the same weights, wherever the copy stands in a topology."""
        module = copy.deepcopy(self.stages[stage])
        if self.reinitialize:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(seed)
                self._draw(module)
        return module


def assembled(stages: Sequence[nn.Module]) -> Any:
    """The model again, with the weights of ``stages``: one copy of each stage of a :class:`TransformerTrunk`.

    What was in no stage is missing: the pooler, where features are pooled otherwise.
    """
    embed, *others = stages
    whole = copy.deepcopy(cast("Embed", embed).shell)
    for stage in others:
        for own, path in cast("Embed", stage).origins.items():
            whole.set_submodule(path, copy.deepcopy(stage.get_submodule(own)))
    return whole.eval()


def transformer_trunk(
    model: nn.Module,
    rows: Tensor,
    *,
    layers_per_stage: int = 1,
    pooling: Pooling = "mean",
    blocks: str | None = None,
    reinitialize: bool = False,
) -> TransformerTrunk:
    """Cut ``model`` into ``embed``, ``layer1 …`` and ``pool``.

    The chain of stages computes the model's last hidden state to the bit (in eval mode; this is checked here).

    Args:
        model: An encoder of the transformers library, without a head. It is copied.
        rows: A few inputs: token ids, int64 ``(batch, length)``, where the config's ``pad_token_id`` fills up;
            ids and mask, int64 ``(batch, 2, length)``; or images, floats ``(batch, channels, height, width)``.
        layers_per_stage: Layers in one stage; with more than one, stages are called ``layers1 …``.
        pooling: ``mean`` of the positions that count, ``first`` position, or the model's own ``pooler``.
        blocks: Path of the ``ModuleList`` that holds the layers; by default the longest.
        reinitialize: Whether copies draw fresh weights under the trial's seed, or keep the model's.

    Raises:
        InputError: The model does not take such rows, has no list of layers, or does more between its layers than
            pass on what was there before them.
    """
    if not hasattr(model, "config") or not hasattr(model, "main_input_name"):
        raise InputError(
            f"trunk: `model` should be a model of the transformers library, found {type(model).__name__}; Trunk.cut "
            "cuts any other module"
        )
    if getattr(model.config, "is_encoder_decoder", False):
        raise InputError(f"trunk: a {kind(model)} encodes and decodes; pass its encoder alone (model.get_encoder())")
    if layers_per_stage < 1:
        raise InputError(f"trunk: layers_per_stage should be at least 1, found {layers_per_stage}")
    whole = copy.deepcopy(model).eval()
    config_of(whole).use_cache = False
    anatomy = dissected(whole, blocks, rows)
    trunk = TransformerTrunk(_stages(anatomy, layers_per_stage, pooling), reinitialize=reinitialize)
    _check_bits(trunk, anatomy)
    return trunk


def _stages(anatomy: Anatomy, layers_per_stage: int, pooling: Pooling) -> dict[str, nn.Module]:
    seen, model, masked = anatomy.seen, anatomy.model, anatomy.inputs.masked
    if pooling == "pooler" and seen.pooler is None:
        raise InputError(f"trunk.pooling: the {kind(model)} has no pooler; use mean or first")
    stages: dict[str, nn.Module] = {"embed": Embed(anatomy.shell, anatomy.inputs, anatomy.sources, anatomy.basket)}
    for k, start in enumerate(range(0, len(anatomy.calls), layers_per_stage)):
        calls = anatomy.calls[start : start + layers_per_stage]
        paths = [f"{anatomy.blocks}.{start + j}" for j in range(len(calls))]
        layers = {path: model.get_submodule(path) for path in paths}
        name = f"layer{'s' if layers_per_stage > 1 else ''}{k + 1}"
        stages[name] = Layers(layers, calls, int(masked), config_words(model))
    tail = {path: model.get_submodule(path) for path in seen.tail}
    own = {seen.pooler: model.get_submodule(seen.pooler)} if pooling == "pooler" and seen.pooler else {}
    stages["pool"] = Pool(tail, pooling, own, masked=masked)
    return stages


@torch.no_grad()
def _check_bits(trunk: TransformerTrunk, anatomy: Anatomy) -> None:
    """The chain gives what the model gave, to the bit."""
    model = kind(anatomy.model)
    flow: Flow = anatomy.examples
    *before, pool = trunk.stages.values()
    assert isinstance(pool, Pool)
    try:
        for stage in before:
            flow = stage.eval()(flow)
        last, pooled = pool.eval().last_hidden_state(flow), pool(flow)
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(f"trunk: the stages of the {model} do not run one after the other: {said(error)}") from error
    fits = same(last, anatomy.seen.last)
    if not fits or (pool.pooling == "pooler" and not same(pooled, anatomy.seen.output.pooler_output)):
        after = ", ".join(f"`{path}`" for path in anatomy.seen.after) or "nothing"
        raise InputError(f"trunk: the {model} does more after its layers than run {after}: its stages would differ")
    for stage in trunk.stages.values():
        stage.train()
