"""Shapes: what a row of an array is, a vector, an image or a sequence, and how trunks want it."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Form = Literal["vector", "image", "sequence", "tokens"]

SEQUENCE = ("series", "sequence", "signal", "sensor", "temporal", "trajectory")
IMAGE = ("image", "picture", "photo", "pixel", "spectrogram", "vision")
"""Parts of a modality's name that say what a row is."""

FEW = 4
"""At most so many channels has an image; with more, and with unequal sides, numbers over time are likelier."""


def form_of(array: NDArray[Any], modality: Any, wanted: Form | None) -> Form:
    """What a row of ``array``, shape ``(N, ...)``, is.

    Where the trunk does not say, the modality does; where that is unknown, small whole numbers or equal sides make an
    image of two axes, and three axes are one always.

    Args:
        array: With the examples first.
        modality: The file's word.
        wanted: What the trunk takes, where one is given.
    """
    word = str(modality).lower()
    said = next((form for form, parts in _WORDS.items() if any(part in word for part in parts)), None)
    if array.ndim <= 2:
        series = wanted == "sequence" or (wanted is None and said == "sequence")
        return "sequence" if series and array.ndim == 2 else "vector"
    if wanted in ("image", "sequence"):
        return wanted
    if said is not None:
        return said
    if array.ndim > 3:
        return "image"
    return "image" if array.dtype == np.uint8 or array.shape[1] == array.shape[2] else "sequence"


_WORDS: dict[Form, tuple[str, ...]] = {"sequence": SEQUENCE, "image": IMAGE}


def arranged(array: NDArray[Any], form: Form) -> tuple[NDArray[Any], Literal[1, -1]]:
    """``array`` as ``(N, channels, height, width)`` or ``(N, length, features)``, and the axis of channels or features.

    Args:
        array: Two or more axes, the examples first.
        form: ``image`` or ``sequence``.
    """
    if form == "sequence":
        over_time = array.reshape(len(array), array.shape[1], -1)
        n_first, n_second = over_time.shape[1:]
        return (over_time.transpose(0, 2, 1) if n_second >= 4 * n_first else over_time), -1
    if array.ndim == 3:
        return array[:, None], 1
    if array.ndim > 4:
        return array.reshape(len(array), -1, *array.shape[-2:]), 1
    first, last = array.shape[1], array.shape[3]
    channels_last = last <= FEW < first or (last < first and first > FEW)
    return (array.transpose(0, 3, 1, 2) if channels_last else array), 1
