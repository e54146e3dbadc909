"""Spaces with every option, and points drawn from them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from search_samples import STAGES

from taskgroup.bench.searching.planted import random_tree
from taskgroup.core.recipe import Candidate
from taskgroup.core.spec import Architecture
from taskgroup.search.adapters import AdapterChoice
from taskgroup.search.asking import W
from taskgroup.search.space import Space

NAMES = ("mass", "digit", "odd", "loops", "tail")
KINDS = ("bottleneck", "film", "none", "lora")


class Drawing:
    """Draws every parameter that is asked for, and keeps it."""

    def __init__(self, seed: int) -> None:
        self.rng, self.asked = np.random.default_rng(seed), dict[str, Any]()

    def number(self, name: str, high: int) -> int:
        self.asked[name] = int(self.rng.integers(high + 1))
        return int(self.asked[name])

    def choice(self, name: str, choices: Sequence[W]) -> W:
        self.asked[name] = choices[int(self.rng.integers(len(choices)))]
        return choices[choices.index(self.asked[name])]


def drawn(space: Space, seed: int) -> tuple[dict[str, Any], Candidate]:
    """A point: the parameters that were asked for, and what they lead to."""
    drawing = Drawing(seed)
    candidate = space._made(drawing)
    return drawing.asked, candidate


def plain(architecture: Architecture) -> Candidate:
    return Candidate(architecture=architecture)


@st.composite
def adapter_choices(draw: st.DrawFn) -> AdapterChoice:
    kinds = draw(st.lists(st.sampled_from(KINDS), unique=True, min_size=1))
    return AdapterChoice(
        stages=tuple(draw(st.lists(st.sampled_from(STAGES), unique=True))),
        sizes=draw(st.sampled_from([(0,), (0, 4), (4,), (0, 4, 16)])),
        kind=kinds[0] if len(kinds) == 1 else tuple(kinds),
        per=draw(st.sampled_from(["task", "branch"])),
        vary=draw(st.sampled_from(["stage", "branch"])),
    )


@st.composite
def old_spaces(draw: st.DrawFn) -> Space:
    """Spaces of older versions: trees, branch points and adapters."""
    tasks = NAMES[: draw(st.integers(1, 5))]
    trees = tuple(random_tree(tasks, seed) for seed in range(draw(st.integers(1, 3))))
    return Space(trees, STAGES, draw(adapter_choices()), draw(st.sampled_from([0, 4])))


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """Spaces with any of the options."""
    space = draw(old_spaces())
    pairs = [(a, b) for a in space.tasks for b in space.tasks if a != b]
    return replace(
        space,
        head_sizes=tuple(draw(st.lists(st.sampled_from([0, 4, 8]), unique=True))),
        lr_scales=tuple(draw(st.lists(st.sampled_from([0.1, 0.5, 1.0, 2.0]), unique=True))),
        weightings=tuple(draw(st.lists(st.sampled_from(["pcgrad", "upgrad"]), unique=True))),
        helpers=tuple(draw(st.lists(st.sampled_from(pairs), unique=True))) if pairs else (),
    )
