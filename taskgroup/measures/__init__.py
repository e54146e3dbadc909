"""Affinity measures: one file each, each seeing only a view of its kind; averaging is not their business."""

from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from taskgroup.core.table import Table

Sight = Literal["probe", "features", "data", "shared", "runs", "file"]
"""What a measure is shown.

- ``probe``: :class:`taskgroup.training.probe.Probe`, at steps of a joint training.
- ``features``: :class:`taskgroup.measures.views.FeatureView`, after training every task alone.
- ``data``: :class:`taskgroup.measures.views.DataView`, without any training.
- ``shared``: :class:`taskgroup.measures.views.SharedView`, after a joint training.
- ``runs``: :class:`taskgroup.measures.views.RunsView`, errors of pairs and single tasks that were really trained.
- ``file``: :class:`taskgroup.measures.views.FileView`, nothing but the names that a matrix should have.
"""


class Measure(Protocol):
    """A frozen pydantic model whose fields are its options; calling it looks once.

    Attributes:
        method: Its name in the table.
        sees: Which view it takes.
        symmetric: Whether ``[i, j]`` equals ``[j, i]`` by construction.
        meaning: What a value says, in words that fit after "A helps B: " (plain, no formula).
    """

    sees: ClassVar[Sight]
    symmetric: ClassVar[bool]
    meaning: ClassVar[str]

    @property
    def method(self) -> str:
        """Its name in the table."""
        ...

    def __call__(self, view: Any, /) -> NDArray[np.float64]:
        """Affinities, shape ``(S + 1, T, T)``: axes stage (last: whole trunk), source, target.

        Higher helps the target; NaN where nothing is known of the pair.
        """
        ...


_ROOM = "taskgroup.measures"
MEASURES: Table[type[Measure]] = Table(
    "affinity measure",
    "taskgroup.measures",
    {
        "gradient_cosine": f"{_ROOM}.training.gradient:GradientCosine",
        "gradient_dot": f"{_ROOM}.training.gradient:GradientDot",
        "lookahead": f"{_ROOM}.training.lookahead:Lookahead",
        "sign_conflict": f"{_ROOM}.training.gradient:SignConflict",
        "cka": f"{_ROOM}.representation.cka:CKA",
        "participation_ratio": f"{_ROOM}.representation.participation:ParticipationRatio",
        "procrustes": f"{_ROOM}.representation.procrustes:Procrustes",
        "pwcca": f"{_ROOM}.representation.pwcca:PWCCA",
        "rsa": f"{_ROOM}.representation.rsa:RSA",
        "shared_variance": f"{_ROOM}.representation.shared_variance:SharedVariance",
        "svcca": f"{_ROOM}.representation.svcca:SVCCA",
        "logme": f"{_ROOM}.transfer.logme:LogME",
        "probe": f"{_ROOM}.transfer.probe:ProbeHead",
        "transfer_curve": f"{_ROOM}.transfer.curve:TransferCurve",
        "transfer_distance": f"{_ROOM}.transfer.distance:TransferDistance",
        "common_rows": f"{_ROOM}.data.common_rows:CommonRows",
        "difficulty": f"{_ROOM}.data.difficulty:Difficulty",
        "input_distance": f"{_ROOM}.data.distance:InputDistance",
        "label_correlation": f"{_ROOM}.data.correlation:LabelCorrelation",
        "label_information": f"{_ROOM}.data.information:LabelInformation",
        "ablation": f"{_ROOM}.capacity.ablation:Ablation",
        "bottleneck": f"{_ROOM}.capacity.bottleneck:Bottleneck",
        "pruning": f"{_ROOM}.capacity.pruning:Pruning",
        "given": f"{_ROOM}.measured.given:Given",
        "pairs": f"{_ROOM}.measured.pairs:Pairs",
        "uninformed": f"{_ROOM}.measured.uninformed:Uninformed",
    },
)
