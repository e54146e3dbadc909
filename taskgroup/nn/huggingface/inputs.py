"""Inputs: how rows become the arguments of a transformers model, and rows to check a trunk on."""

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from taskgroup.errors import InputError


@dataclass(frozen=True)
class Inputs:
    """What a model takes.

    Attributes:
        name: Its main argument: ``input_ids``, ``pixel_values``, ...
        pad: Token id that fills rows up; None where all tokens count.
        masked: Whether an attention mask goes with it.
    """

    name: str
    pad: int | None
    masked: bool

    @classmethod
    def of(cls, model: nn.Module, rows: Tensor) -> "Inputs":
        """What ``model`` takes when it is given rows like ``rows``.

        Raises:
            InputError: The model does not take such rows.
        """
        name, config = str(model.main_input_name), config_of(model)
        if name != "input_ids":
            if name == "pixel_values" and (rows.ndim != 4 or not rows.is_floating_point()):
                raise InputError(
                    f"trunk: {kind(model)} takes images, floats of shape (channels, height, width), found "
                    f"{_words(rows)}; give `shape` in the problem"
                )
            return cls(name, None, masked=False)
        with_mask = rows.ndim == 3 and rows.shape[1] == 2
        if rows.is_floating_point() or (rows.ndim != 2 and not with_mask):
            raise InputError(
                f"trunk: {kind(model)} takes token ids, int64 rows of shape (length,), or (2, length) for ids and "
                f"mask, found {_words(rows)}; set `tokens: true` in the problem"
            )
        takes_mask = "attention_mask" in inspect.signature(model.forward).parameters
        if with_mask and not takes_mask:
            raise InputError(f"trunk: {kind(model)} takes no mask, found rows of shape (2, length); give ids alone")
        pad = getattr(config, "pad_token_id", None)
        pad = pad if isinstance(pad, int) else None
        found = cls(name, pad, masked=takes_mask and (with_mask or pad is not None))
        found._check_ids(rows, int(config.vocab_size), kind(model))
        return found

    def _check_ids(self, rows: Tensor, n_tokens: int, model: str) -> None:
        ids, _ = self.split(rows)
        if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < n_tokens:
            raise InputError(
                f"trunk: vocab_size of the {model} should exceed every token id, found {n_tokens} and ids from "
                f"{int(ids.min())} to {int(ids.max())}"
            )

    def split(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        """The main argument and the mask, ``(batch, length)``, 1 where a position counts."""
        if self.masked and rows.ndim == 3:
            return rows[:, 0], rows[:, 1]
        if not self.masked or self.pad is None:
            return rows, None
        return rows, (rows != self.pad).long()

    def arguments(self, rows: Tensor) -> dict[str, Tensor]:
        """Keyword arguments of the model."""
        main, mask = self.split(rows)
        return {self.name: main} if mask is None else {self.name: main, "attention_mask": mask}

    def examples(self, rows: Tensor, n_tokens: int) -> Tensor:
        """Rows shaped like ``rows`` that show what the model does: random, one of them half filled up."""
        generator = torch.Generator().manual_seed(0)
        # no other axis has this length, so that the axis of the rows can be told
        n = next(k for k in range(3, 99) if k not in rows.shape[1:])
        if self.name != "input_ids":
            return torch.randn(n, *rows.shape[1:], generator=generator).to(rows.dtype)
        length = rows.shape[-1]
        ids = torch.randint(0, n_tokens, (n, length), generator=generator)
        if self.pad is not None:
            ids = torch.where(ids == self.pad, (ids + 1) % n_tokens, ids)
        empty = torch.zeros(n, length, dtype=torch.bool)
        empty[1, length // 2 :] = self.masked
        if rows.ndim == 3:
            return torch.stack([ids, (~empty).long()], dim=1)
        return ids if self.pad is None else ids.masked_fill(empty, self.pad)


def kind(model: nn.Module) -> str:
    """The model's name in sentences."""
    return f"{getattr(config_of(model), 'model_type', '') or type(model).__name__} model"


def config_of(model: nn.Module) -> Any:
    """The model's configuration, an object of the transformers library."""
    return model.config


def said(error: Exception, n_characters: int = 300) -> str:
    """What another library said, on one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= n_characters else f"{text[:n_characters]}…"


def _words(rows: Tensor) -> str:
    return f"{str(rows.dtype).removeprefix('torch.')} rows of shape {tuple(rows.shape[1:])}"
