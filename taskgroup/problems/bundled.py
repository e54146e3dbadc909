"""Bundled sets: real data that scikit-learn ships, cut into several tasks each."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes, load_digits, load_linnerud

from taskgroup.problems.config import BUNDLED, BundledConfig
from taskgroup.problems.rows import SHARED, Rows
from taskgroup.problems.source import Inputs, plain

PRIMES = (2, 3, 5, 7)
ONE_LOOP = (0, 6, 9)
STRAIGHT = (1, 4, 5, 7)


def read_bundled(config: BundledConfig) -> Rows:
    """All rows of the set, with the labels of the chosen tasks; inputs do not depend on the choice."""
    inputs, labels = {"digits": digits, "diabetes": diabetes, "linnerud": linnerud}[config.name]()
    chosen = config.tasks if config.tasks is not None else tuple(BUNDLED[config.name])
    owner = np.full(len(inputs), SHARED, dtype=object)
    return Rows(inputs, {t: plain(pd.Series(labels[t])) for t in chosen}, owner, record={"rows_read": len(owner)})


def digits() -> tuple[Inputs, dict[str, NDArray[Any]]]:
    """1797 handwritten digits, 8 by 8 pixels of 0 to 16 (Alpaydin & Kaynak 1998, UCI optical recognition, test part).

    Inputs have shape ``(N, 1, 8, 8)``. Tasks on the written digit: ``digit`` itself; ``parity`` (1: odd);
    ``at_least_5``; ``prime`` (2, 3, 5, 7); ``loops``, the closed loops as printed (8 has two; 0, 6 and 9 have one;
    the 4 counts as open); ``straight_stroke``, whether the printed figure has a straight
    stroke (1, 4, 5, 7; the foot of the 2 does not count). Tasks on the pixels: ``ink_mass`` is the mean pixel;
    ``centre_row`` and ``centre_col`` the ink's centre of mass, in pixels from the top and from the left; ``slant`` the
    shear ``mu_rc / mu_rr`` of the ink's second moments about it, negative where the top leans to the right.
    """
    digit, images = (np.asarray(a) for a in (load_digits().target, load_digits().images))
    labels: dict[str, NDArray[Any]] = {
        "digit": digit,
        "parity": digit % 2,
        "at_least_5": (digit >= 5).astype(int),
        "prime": np.isin(digit, PRIMES).astype(int),
        "loops": np.isin(digit, ONE_LOOP) + 2 * (digit == 8),
        "straight_stroke": np.isin(digit, STRAIGHT).astype(int),
        **moments(images),
    }
    return images[:, None].astype(np.float32), labels


def moments(images: NDArray[Any]) -> Mapping[str, NDArray[np.float64]]:
    """Mass, centre and slant of the ink of each image, shape ``(N, rows, columns)`` to ``(N,)`` each."""
    ink = images / images.sum(axis=(1, 2), keepdims=True)
    row, col = np.indices(images.shape[1:])
    centre_row, centre_col = ((ink * axis).sum(axis=(1, 2)) for axis in (row, col))
    from_row, from_col = row - centre_row[:, None, None], col - centre_col[:, None, None]
    slant = (ink * from_row * from_col).sum(axis=(1, 2)) / (ink * from_row**2).sum(axis=(1, 2))
    return {"ink_mass": images.mean(axis=(1, 2)), "centre_row": centre_row, "centre_col": centre_col, "slant": slant}


def diabetes() -> tuple[Inputs, dict[str, NDArray[Any]]]:
    """442 diabetes patients (Efron et al. 2004, doi 10.1214/009053604000000067).

    Tasks: ``progression`` of the disease after a year, and three measurements taken out of the inputs: ``bmi``, ``bp``
    (mean blood pressure) and ``glucose`` (s6). Inputs are what remains: age, sex and the serum values s1 to s5.
    """
    data = load_diabetes(scaled=False, as_frame=True)
    frame: pd.DataFrame = data.data
    labels = {"progression": data.target, "bmi": frame["bmi"], "bp": frame["bp"], "glucose": frame["s6"]}
    return frame.drop(columns=["bmi", "bp", "s6"]), {name: series.to_numpy() for name, series in labels.items()}


def linnerud() -> tuple[Inputs, dict[str, NDArray[Any]]]:
    """20 men in a fitness club (Tenenhaus 1998): ``weight``, ``waist`` and ``pulse`` from chins, sit-ups and jumps."""
    data = load_linnerud(as_frame=True)
    targets = {"weight": "Weight", "waist": "Waist", "pulse": "Pulse"}
    return data.data, {name: data.target[column].to_numpy() for name, column in targets.items()}
