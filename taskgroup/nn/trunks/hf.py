"""Encoders of the Hugging Face transformers library."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator
from torch import Tensor

from taskgroup.core.task import Frozen
from taskgroup.errors import InputError
from taskgroup.nn.huggingface.source import from_config, from_folder
from taskgroup.nn.huggingface.trunk import transformer_trunk
from taskgroup.nn.trunk import Trunk


class HF(Frozen):
    """``embed``, then ``layer1 …`` (or groups, ``layers1 …``), then ``pool``.

    Rows are token ids (the config's ``pad_token_id`` fills up and is masked), ids and mask of shape ``(2, length)``, or
    images. Needs the extra ``hf``. Nothing is downloaded.

    Attributes:
        name: Its name in the table.
        model: A configuration as plain data, with ``model_type``; weights are random, drawn under each trial's seed.
        path: Local folder as ``save_pretrained`` writes it; its weights are where every copy starts.
        layers_per_stage: Layers in one stage.
        pooling: ``mean`` of the positions that count (for images all, the class token among them), ``first`` position,
            or the model's own ``pooler``.
        blocks: Path of the list of layers in the model; by default its longest ``ModuleList``.
    """

    name: Literal["hf"] = "hf"
    model: dict[str, Any] | None = None
    path: str | None = None
    layers_per_stage: int = Field(default=1, ge=1)
    pooling: Literal["mean", "first", "pooler"] = "mean"
    blocks: str | None = None

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if (self.model is None) == (self.path is None):
            found = "neither" if self.model is None else "both"
            raise ValueError(f"takes either model (a configuration) or path (a folder with weights), found {found}")
        return self

    def build(self, rows: Tensor) -> Trunk:
        """The trunk for rows of token ids or images.

        Raises:
            InputError: transformers is missing, there is no such model, it does not take such rows, or a folder lacks
                weights that a stage needs.
        """
        model, lacking = (from_config(self.model), ()) if self.model is not None else from_folder(str(self.path))
        trunk = transformer_trunk(
            model,
            rows,
            layers_per_stage=self.layers_per_stage,
            pooling=self.pooling,
            blocks=self.blocks,
            reinitialize=self.path is None,
        )
        missing = [weight for weight in lacking if trunk.uses(weight)]
        if missing:
            raise InputError(
                f"trunk.path: `{self.path}` should hold every weight of the stages, found no {', '.join(missing[:3])}; "
                "without a pooler's weights use another pooling"
            )
        return trunk
