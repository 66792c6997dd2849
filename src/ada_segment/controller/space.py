"""Loss weights as log-weights relative to the defaults: the coordinates in which everything is learned."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

BOUND = math.log(4.0)
FAR = 100.0


class LogWeights:
    """x_i = log(weight_i / default_i) of the losses that are switched on, in the order of their names.

    The order of the names, not that of the caller, fixes which random number goes to which loss, so that the order of
    losses does not matter.

    Args:
        losses: names, in the caller's order, which `to_weights` keeps.
        defaults: default weights; a loss with default 0 keeps weight 0 and has no coordinate.
        groups: group of each loss; the coordinates of a group are equal.
        bound: |x_i| <= bound.
        fixed_scale: mean(x) = 0, that is, the geometric mean of weight / default is 1 (method: otherwise the learning
            rate is what is learned).
    """

    def __init__(
        self,
        losses: Sequence[str],
        *,
        defaults: Mapping[str, float],
        groups: Mapping[str, str],
        bound: float = BOUND,
        fixed_scale: bool = True,
    ) -> None:
        self.losses = tuple(losses)
        self.defaults = {name: float(defaults[name]) for name in losses}
        self.groups = {name: groups[name] for name in losses}
        self.bound = bound
        self.fixed_scale = fixed_scale
        self.names = tuple(sorted(name for name in losses if defaults[name] > 0))
        self.group_names = tuple(sorted({groups[name] for name in self.names}))
        self.group_index = np.array([self.group_names.index(groups[name]) for name in self.names], dtype=np.int64)
        self.size = len(self.names)

    def untied(self) -> "LogWeights":
        """The same losses, each free."""
        groups = {name: name for name in self.losses}
        return LogWeights(
            self.losses, defaults=self.defaults, groups=groups, bound=self.bound, fixed_scale=self.fixed_scale
        )

    @property
    def frozen(self) -> bool:
        """Whether there is nothing to choose: no loss, or one group whose scale is fixed."""
        return self.size == 0 or (self.fixed_scale and len(self.group_names) == 1)

    def group_means(self, x: Vector) -> Vector:
        """Mean of the coordinates of each group; [..., n] -> [..., groups]."""
        counts = np.bincount(self.group_index, minlength=len(self.group_names))
        member = np.eye(len(self.group_names))[self.group_index]
        means: Vector = x @ member / counts
        return means

    def project(self, x: Vector) -> Vector:
        """The nearest x [n] that is tied, has mean 0 (when the scale is fixed) and lies within the bound."""
        if self.frozen:
            return np.zeros(self.size)
        # Differences between log-weights in the hundreds mean nothing, and would cost the mean its exactness.
        x = np.clip(np.nan_to_num(x), -FAR, FAR)
        x = self.group_means(x)[self.group_index]
        if not self.fixed_scale:
            return np.clip(x, -self.bound, self.bound)
        x = x - x.mean()
        if np.abs(x).max() <= self.bound:
            return x
        # The Euclidean projection is clip(x - shift) with the shift that makes the mean 0; the mean falls with the
        # shift, linearly between the points where a coordinate meets a bound.
        shifts = np.sort(np.concatenate([x - self.bound, x + self.bound]))
        sums = np.clip(x - shifts[:, None], -self.bound, self.bound).sum(1)
        shift = np.interp(0.0, sums[::-1], shifts[::-1])
        projected: Vector = np.clip(x - shift, -self.bound, self.bound)
        return projected

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...] = ()) -> Vector:
        """Directions [*shape, n] with unit variance a group before the mean is taken off; tied."""
        z = generator.standard_normal((*shape, len(self.group_names)))[..., self.group_index]
        return z - z.mean(-1, keepdims=True) if self.fixed_scale and self.size else z

    def to_weights(self, x: Vector) -> dict[str, float]:
        """Weights by name, in the caller's order, for coordinates [n]."""
        factor = dict(zip(self.names, np.exp(x).tolist(), strict=True))
        return {name: self.defaults[name] * factor.get(name, 0.0) for name in self.losses}

    def from_weights(self, weights: Mapping[str, float]) -> Vector:
        """Coordinates [n] of positive weights; neither projected nor bounded."""
        return np.log([weights[name] / self.defaults[name] for name in self.names])
