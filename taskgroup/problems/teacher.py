"""Teacher: hidden features that groups of planted tasks read, each in a subspace of the inputs of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import idctn
from scipy.linalg import hadamard

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Teacher:
    """``h_g(x) = relu(U_gᵀ x)``: the hidden features of group g, along orthonormal directions.

    Attributes:
        directions: ``U``, shape ``(G, D, dim)``; D numbers in a row, flattened.
    """

    directions: Array

    @classmethod
    def drawn(
        cls, rng: np.random.Generator, shape: Sequence[int], n_groups: int, dim: int, overlap: float, *, opposite: bool
    ) -> "Teacher":
        """``U_g = (√overlap · C + √(1 - overlap) · O_g) Σ_g``, so that ``U_gᵀ U_h = overlap · Σ_g Σ_h`` for g ≠ h.

        C and all ``O_g`` are orthonormal to each other, drawn at random from all directions of a vector, else from
        the lowest frequencies over the row's axes (a network for images sees those best).

        Args:
            rng: Draws.
            shape: Of a row.
            n_groups: G.
            dim: Directions of each group.
            overlap: Cosine between the corresponding directions of two groups, 0 to 1.
            opposite: Whether ``Σ_g`` turns directions round; else it is the identity.
        """
        needed = n_directions(n_groups, dim, overlap)
        turned, _ = np.linalg.qr(rng.normal(size=(needed, needed)))
        free = (smooth_directions(shape, needed) @ turned).T
        common, own = free[:dim], free[dim if overlap > 0 else 0 :]
        found = []
        for group in range(n_groups):
            mixed = np.sqrt(overlap) * common
            if overlap < 1:
                mixed = mixed + np.sqrt(1 - overlap) * own[group * dim : (group + 1) * dim]
            found.append(mixed.T * (signs(group, dim) if opposite else 1.0))
        return cls(np.stack(found))

    def features(self, inputs: NDArray[np.generic], group: int) -> Array:
        """What group ``group`` reads of rows ``(N, ...)``, shape ``(N, dim)``."""
        return np.asarray(np.maximum(inputs.reshape(len(inputs), -1) @ self.directions[group], 0.0))


def n_directions(n_groups: int, dim: int, overlap: float) -> int:
    """How many orthogonal directions the groups take up."""
    return (dim if overlap > 0 else 0) + (n_groups * dim if overlap < 1 else 0)


def n_sign_patterns(dim: int) -> int:
    """How many groups :func:`signs` tells apart."""
    return 2 * _order(dim)


def signs(group: int, dim: int) -> Array:
    """Signs of a group's directions, shape ``(dim,)``: groups 2k and 2k + 1 are opposite, others differ in part."""
    pattern = hadamard(_order(dim))[group // 2, :dim]
    return np.asarray(pattern * (1.0 if group % 2 == 0 else -1.0))


def _order(dim: int) -> int:
    return 1 << (dim - 1).bit_length()


def smooth_directions(shape: Sequence[int], count: int) -> Array:
    """The ``count`` orthonormal cosine patterns of lowest frequency over the axes of a row; shape ``(D, count)``."""
    size = int(np.prod(shape))
    lowest = np.argsort(np.indices(shape).reshape(len(shape), -1).sum(axis=0), kind="stable")[:count]
    coefficients = np.zeros((count, size))
    coefficients[np.arange(count), lowest] = 1.0
    axes = tuple(range(1, len(shape) + 1))
    return np.asarray(idctn(coefficients.reshape(count, *shape), axes=axes, norm="ortho").reshape(count, size).T)
