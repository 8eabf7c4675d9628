"""The sum of three kernels: of an edit distance, of subtrees, and of the form of graphs.

    e(x, y) = a² exp(-D_layers(x, y) / l - D_skips(x, y) / s)     close in edits
            + w² exp(-J(x, y) / r)                                similar in subtrees
            + f² M(|x' - y'| / h)                                 similar in form
    φ(x)    = Λ₊^(-1/2) Uᵀ e(L, x),   e(L, L) = U Λ Uᵀ
    k(x, y) = φ(x)·φ(y) + [x = y] (a² + w² + f² - |φ(x)|²)₊ + b² z(x)·z(y) + c²

J is the distance of the graphs' subtrees, x' the standardised numbers of `graph_features`, M the
Matérn function of smoothness 5/2, M(u) = (1 + √5 u + 5 u² / 3) exp(-√5 u) (Rasmussen & Williams
2006, eq. 4.17), z are log parameters, log FLOPs and log depth; c is the spread of the mean. Each
part alone misses some kind of network: edits see neither cells nor paths, subtrees see no gradual
change, form does not see of what a block is made. e is only almost positive definite, as its first
term is; projected onto the landmarks it is positive semi-definite for any batch.
"""

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar, Self

import numpy as np
from scipy.spatial.distance import cdist

from core.similarity.edit_distance import Floats
from core.surrogate.kernels.abstract import KERNELS, AbstractKernel, Geometry, Points, projection

_MEAN_SPREAD = 1.0  # c, in standard deviations of the objective


@KERNELS.register("blend")
@dataclass(frozen=True, slots=True)
class BlendKernel(AbstractKernel):
    """Networks are similar in value if they are close in edits, subtrees or form."""

    theta: Floats
    landmark_form: Floats  # shape: (m, forms)
    project: Floats  # U Λ₊^(-1/2); shape: (m, r)

    measures: ClassVar[tuple[str, ...]] = ("layers", "skips", "subtrees", "form")
    names: ClassVar[tuple[str, ...]] = (
        "edit amplitude",  # a
        "layer scale",  # l, in edits
        "skip scale",  # s, in edits
        "subtree amplitude",  # w
        "subtree scale",  # r
        "form amplitude",  # f
        "form scale",  # h, in standard deviations of the landmarks' forms
        "slope",  # b
    )
    centers: ClassVar[tuple[float, ...]] = (0.0, 1.8, 1.0, -0.5, -0.5, -0.5, 1.2, -1.2)
    spreads: ClassVar[tuple[float, ...]] = (0.7, 1.0, 1.0, 0.7, 0.9, 0.7, 0.9, 0.9)

    @classmethod
    def at(cls, theta: Floats, geometry: Geometry) -> Self:
        landmarks = geometry.landmarks
        return cls(theta, landmarks.form, projection(_near(theta, landmarks, landmarks.form)))

    @classmethod
    def gram(cls, theta: Floats, geometry: Geometry, chosen: Points) -> tuple[Floats, Floats]:
        _, l_, s, _, r, _, h, b = np.exp(theta)
        edits, trees, forms = _parts(theta, chosen, chosen.form)
        linear = b**2 * (chosen.sizes @ chosen.sizes.T)
        u = sqrt(5) * cdist(chosen.form, chosen.form) / h
        by_form = np.exp(2 * theta[5]) * (u**2 * (1 + u) * np.exp(-u) / 3)
        slopes = [
            2 * edits,
            edits * chosen.layers / l_,
            edits * chosen.skips / s,
            2 * trees,
            trees * chosen.subtrees / r,
            2 * forms,
            by_form,
            2 * linear,
        ]
        return edits + trees + forms + linear + _MEAN_SPREAD**2, np.array(slopes)

    def features(self, a: Points) -> Floats:
        near = _near(self.theta, a, self.landmark_form) @ self.project
        mean = np.full((len(a), 1), _MEAN_SPREAD)
        return np.concatenate([near, np.exp(self.theta[-1]) * a.sizes, mean], axis=1)

    def remainder(self, a: Points, features: Floats) -> Floats:
        near = features[:, : self.project.shape[1]]
        total = float(np.exp(2 * self.theta[[0, 3, 5]]).sum())
        return np.asarray(np.maximum(0.0, total - (near**2).sum(axis=1)))


def _near(theta: Floats, points: Points, forms: Floats) -> Floats:
    """e of points and the landmarks that they are measured from: (n), (m, forms) -> (n, m)"""
    edits, trees, by_form = _parts(theta, points, forms)
    return edits + trees + by_form


def _parts(theta: Floats, points: Points, forms: Floats) -> tuple[Floats, Floats, Floats]:
    """The terms of e: (n), (m, forms) -> 3 × (n, m)"""
    a, l_, s, w, r, f, h, _ = np.exp(theta)
    u = sqrt(5) * cdist(points.form, forms) / h
    return (
        a**2 * np.exp(-(points.layers / l_ + points.skips / s)),
        w**2 * np.exp(-points.subtrees / r),
        f**2 * ((1 + u + u**2 / 3) * np.exp(-u)),
    )
