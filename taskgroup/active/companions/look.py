"""What the model says of topologies that were not tried: means and covariances of their gains."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from taskgroup.active.companions.evidence import Array, Evidence, Labels
from taskgroup.active.companions.model import Member, Model
from taskgroup.active.companions.parts import Parts, between, columns, within


@dataclass(frozen=True)
class Look:
    """What one member of the grid says of M topologies; luck is no part of it.

    Attributes:
        member: Whose view it is.
        mean: Gain of each task over its spread, shape ``(T, M)``.
        worth: What one of each task's spreads adds to the mean gain, shape ``(T,)``.
        own: Variances of what is each task's own, before the trials, shape ``(T, M)``.
        across: Its covariances with the trials, shape ``(T, M, n)``.
        gain: ``across`` times the inverse covariance of the trials, same shape.
        rows: What each shared weight still adds, shape ``(T, M, P + n)``.
    """

    member: Member
    mean: Array
    worth: Array
    own: Array
    across: Array
    gain: Array
    rows: Array

    @classmethod
    def of(cls, m: Member, seen: Evidence, parts: Parts, diagonal: Parts, shared: Array) -> "Look":
        """From the parts to the trials, those of the topologies themselves, and their columns."""
        v, n_columns = m.variances, shared.shape[2]
        across = v.own(parts) * seen.seen.T[:, None, :]
        gain = across @ m.own.inverse
        shape = (seen.labels.shape[1], len(seen.spread), n_columns)
        rows = -m.explained(gain)
        rows[:, :, :n_columns] += shared * v.deviations(*shape)
        mean = shared @ v.means(*shape) + (gain @ m.own.residual[..., None])[..., 0] + rows @ m.shared
        return cls(m, mean, seen.spread / len(seen.spread), v.own(diagonal), across, gain, rows)

    @property
    def variance(self) -> Array:
        """Of the gain of each task over its spread, shape ``(T, M)``."""
        half = self._halved(self.rows.reshape(-1, self.rows.shape[2]))
        own = self.own - (self.gain * self.across).sum(axis=2)
        return np.asarray(self.member.scale * np.maximum(own + (half**2).sum(axis=0).reshape(own.shape), 0.0))

    @property
    def total(self) -> Array:
        """Mean gain, shape ``(M,)``."""
        return np.asarray(self.worth @ self.mean)

    @property
    def total_variance(self) -> Array:
        """Variance of the mean gain, shape ``(M,)``."""
        own = self.own - (self.gain * self.across).sum(axis=2)
        half = self._halved(np.tensordot(self.worth, self.rows, 1))
        return np.asarray(self.member.scale * np.maximum(self.worth**2 @ own + (half**2).sum(axis=0), 0.0))

    def covariance(self, parts: Parts) -> Array:
        """Of the mean gains, shape ``(M, M)``; ``parts`` are those between the topologies themselves."""
        own = self.member.variances.own(parts) - self.gain @ self.across.swapaxes(1, 2)
        half = self._halved(np.tensordot(self.worth, self.rows, 1))
        return np.asarray(self.member.scale * (np.tensordot(self.worth**2, own, 1) + half.T @ half))

    def _halved(self, rows: Array) -> Array:
        """Rows times the root of the shared weights' covariance, shape ``(P + n, rows)``."""
        return np.asarray(solve_triangular(self.member.lower, rows.T, lower=True))


def look(model: Model, labels: Labels) -> tuple[Look, ...]:
    """What each member says of topologies, shape ``(M, S, T)``."""
    parts, diagonal = between(labels, model.seen.labels), within(labels)
    shared = {p: columns(labels, p, model.affinity) for p in {m.variances.power for m in model.members}}
    return tuple(Look.of(m, model.seen, parts, diagonal, shared[m.variances.power]) for m in model.members)


def mixed(weights: tuple[float, ...], means: list[Array], variances: list[Array]) -> tuple[Array, Array]:
    """Mean and standard deviation of a mixture."""
    w, m, v = np.array(weights), np.stack(means), np.stack(variances)
    mean = np.tensordot(w, m, 1)
    return mean, np.sqrt(np.tensordot(w, v + (m - mean) ** 2, 1))


def joint_draws(model: Model, labels: Labels, n: int, rng: np.random.Generator) -> Array:
    """About ``n`` draws of the mean gains of topologies together, shape ``(n, M)``."""
    parts, found = between(labels, labels), []
    for weight, seen in zip(model.weights, look(model, labels), strict=True):
        values, vectors = np.linalg.eigh(seen.covariance(parts))
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        found.append(seen.total + rng.standard_normal((max(round(n * weight), 1), len(labels))) @ root.T)
    return np.concatenate(found)
