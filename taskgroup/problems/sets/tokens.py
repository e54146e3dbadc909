"""Tokens: documents of different lengths as rows of one length."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taskgroup.errors import InputError
from taskgroup.problems.sets.file import SetFile, whole

PAD = 0


def padded(found: SetFile, max_len: int) -> tuple[NDArray[np.int64], int, dict[str, Any]]:
    """Token ids, shape ``(N, L)``, the size of the vocabulary, and what was done.

    Document i is ``tok_flat[tok_off[i]:tok_off[i + 1]]``, cut after ``max_len`` tokens and filled up with 0. Where 0 is
    a word of the set (it stands before other tokens), all ids move up by one.

    Raises:
        InputError: Offsets that do not rise from 0 to the number of tokens, or negative ids.
    """
    flat, offsets = whole(found.arrays["tok_flat"]), whole(found.arrays["tok_off"])
    if offsets[0] != 0 or offsets[-1] > len(flat) or (np.diff(offsets) < 0).any():
        raise InputError(
            f"{found.file}: array `tok_off` should rise from 0 to at most {len(flat)}, the length of `tok_flat`, found "
            f"{int(offsets[0])} to {int(offsets[-1])}{'' if (np.diff(offsets) >= 0).all() else ', falling in between'}"
        )
    if flat.min(initial=0) < 0:
        raise InputError(f"{found.file}: array `tok_flat` should hold ids from 0, found {int(flat.min())}")
    lengths = np.minimum(np.diff(offsets), max_len)
    places = np.arange(max(int(lengths.max()), 1))
    inside: NDArray[np.bool_] = places < lengths.reshape(-1, 1)
    rows: NDArray[np.int64] = np.full(inside.shape, PAD, dtype=np.int64)
    rows[inside] = flat[(offsets[:-1].reshape(-1, 1) + places)[inside]]
    moved = bool(((rows[:, :-1] == PAD) & (rows[:, 1:] != PAD)).any())
    if moved:
        rows[inside] += 1
    said = found.meta.get("vocab_size")
    n_tokens = max(said if isinstance(said, int) else 0, int(flat.max(initial=0)) + 1) + moved
    return rows, n_tokens, {"kind": "tokens", "shape": [rows.shape[1]], "pad": PAD, "ids_moved_by": int(moved)}
