"""Options of planted problems, and what follows from them."""

from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from taskgroup.core.seeds import derive_seed
from taskgroup.core.task import Frozen, Task
from taskgroup.problems.teacher import Teacher, n_directions, n_sign_patterns


class Planted(Frozen):
    """Options of a planted problem.

    Inputs are independent standard normal numbers. Task t of group g has the label ``a_t · h_g(x) + noise``, where
    ``h_g(x) = relu(U_gᵀ x)`` are ``dim`` hidden features that its group shares and ``a_t`` is its own. A regression's
    signal has variance 1; a binary label is 1 above the median.

    Attributes:
        groups: Number of tasks of each group.
        relation: What groups have to do with each other. ``orthogonal``: they read orthogonal subspaces of the
            inputs, or as far apart as ``overlap`` says; nothing is gained by sharing and width is lost. ``shared``:
            all read the same, so that the truth is one group. ``conflicting``: they read the same directions from
            opposite sides (two groups; with more, pairs are opposite and others differ in half the directions), so
            that a unit that serves one is dead for the other: a narrow network cannot serve both.
        overlap: Cosine between the corresponding directions of two groups, up to the sign; by default 0 if
            orthogonal, else 1.
        dim: Hidden features of each group.
        inputs: ``vector`` of ``n_inputs`` numbers, ``image`` of 1 by 8 by 8, or ``sequence`` of ``length`` vectors of
            ``width`` numbers.
        n_inputs: Numbers in a vector.
        length: Steps of a sequence.
        width: Numbers in each step.
        n_rows: Rows of all splits together: 60 % train, 20 % validate, 20 % test.
        noise: Standard deviation of the noise, in units of the signal's.
        kinds: Kinds of the tasks, in turn within each group.
        rows_per_task: Share of the training rows that each task is labelled on (with ``own_rows``: its share of all
            rows, relative to the others), group after group; by default all alike.
        own_rows: Whether each row is labelled for one task only.
        unlabelled: Share of the labels that are missing besides, at random, in every split.
        trunk: Name and options of the trunk; by default a narrow one that suits the inputs.
        seed: Of everything that is drawn.
    """

    groups: tuple[int, ...] = (3, 3)
    relation: Literal["shared", "orthogonal", "conflicting"] = "orthogonal"
    overlap: float | None = Field(default=None, ge=0, le=1)
    dim: int = Field(default=4, ge=1)
    inputs: Literal["vector", "image", "sequence"] = "vector"
    n_inputs: int = Field(default=16, ge=1)
    length: int = Field(default=8, ge=1)
    width: int = Field(default=8, ge=1)
    n_rows: int = Field(default=1000, ge=20)
    noise: float = Field(default=0.3, ge=0, allow_inf_nan=False)
    kinds: tuple[Literal["binary", "regression"], ...] = ("regression",)
    rows_per_task: tuple[float, ...] | None = None
    own_rows: bool = False
    unlabelled: float = Field(default=0.0, ge=0, lt=1)
    trunk: dict[str, Any] = Field(default_factory=dict)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        faults = [*self._group_faults(), *self._space_faults()]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _group_faults(self) -> list[str]:
        faults = []
        if not self.groups or min(self.groups) < 1:
            faults.append(f"groups should hold the number of tasks of each, at least 1, found {list(self.groups)}")
        if not self.kinds:
            faults.append("kinds should hold one kind at least, found none")
        shares = self.rows_per_task
        if shares is not None and (len(shares) != sum(self.groups) or not all(0 < s <= 1 for s in shares)):
            faults.append(
                f"rows_per_task should hold a share above 0 and up to 1 for each of {sum(self.groups)} tasks, "
                f"found {list(shares)}"
            )
        if self.relation == "shared" and self.overlap not in (None, 1):
            faults.append(f"overlap is 1 where relation is shared, found {self.overlap:g}; leave it out")
        return faults

    def _space_faults(self) -> list[str]:
        faults = []
        needed, numbers = n_directions(len(self.groups), self.dim, self.cosine), int(np.prod(self.shape))
        if needed > numbers:
            faults.append(
                f"inputs should hold at least {needed} numbers for {len(self.groups)} groups of dim {self.dim}, "
                f"found {numbers}"
            )
        if self.relation == "conflicting" and len(self.groups) > n_sign_patterns(self.dim):
            faults.append(
                f"groups should be {n_sign_patterns(self.dim)} at most where {self.dim} directions conflict, "
                f"found {len(self.groups)}"
            )
        return faults

    @property
    def cosine(self) -> float:
        """``overlap``, or what the relation makes of it."""
        if self.overlap is not None:
            return self.overlap
        return 0.0 if self.relation == "orthogonal" else 1.0

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one row."""
        return {"vector": (self.n_inputs,), "image": (1, 8, 8), "sequence": (self.length, self.width)}[self.inputs]

    @property
    def group_of(self) -> dict[str, int]:
        """Task → group, in an order of the tasks that does not give the groups away."""
        named = [(f"g{g + 1}_t{k + 1}", g) for g, size in enumerate(self.groups) for k in range(size)]
        return {named[k][0]: named[k][1] for k in self.rng("order").permutation(len(named))}

    def rng(self, *purpose: object) -> np.random.Generator:
        """Draws for one purpose, so that turning one dial leaves the other draws alone."""
        return np.random.default_rng(derive_seed(self.seed, *purpose))

    def teacher(self) -> Teacher:
        """What the groups read."""
        opposite = self.relation == "conflicting"
        return Teacher.drawn(
            self.rng("teacher"), self.shape, len(self.groups), self.dim, self.cosine, opposite=opposite
        )

    def task(self, name: str) -> Task:
        """One of the tasks."""
        return Task(name=name, kind=self.kinds[(int(name.rpartition("_t")[2]) - 1) % len(self.kinds)])
