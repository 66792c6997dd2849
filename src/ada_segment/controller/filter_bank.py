"""A bank of Kalman filters over the coefficients of a reward model, averaged by how well each predicts.

The mathematics is in docs/controller.md. Each filter holds one set of hyper-parameters; the noise's scale sigma is
integrated out, so that nothing depends on the unit of the rewards.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SCALES = np.exp(np.linspace(-2.0, 2.0, 33))


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients:
    """The reward model averaged over the bank, in units of the reward.

    Attributes:
        mean: [d], of the coefficients that the features multiply.
        base: the number that the known part multiplies.
        noise: standard deviation of a reward.
    """

    mean: Array
    base: float
    noise: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Beliefs:
    """What a bank has come to, whatever the unit of the rewards was.

    Attributes:
        mean: [m, d], of theta, by each filter.
        covariance: [m, d, d], of the same.
        weights: posterior probability of each filter, [m].
    """

    mean: Array
    covariance: Array
    weights: Array


class FilterBank:
    """m filters for rewards r_k = a + sigma (kappa q_k + f_k . theta_t + e_k), with a free level `a` a round.

    A filter may know that sigma is a multiple, its `unit`, in a round.

    Args:
        kappa: [m] strength of the known part, in units of the noise.
        scale: [m, d] what each feature is multiplied by (absorbs kappa).
        prior: of theta, and of which filter is right.
        walk: [m, d] variance that theta gains from one round to the next.
    """

    def __init__(self, *, kappa: Array, scale: Array, prior: Beliefs, walk: Array) -> None:
        self.kappa, self.scale, self.walk = kappa, scale, walk
        self.covariances = prior.covariance.copy()
        # theta given sigma has mean by_reward / sigma + by_base.
        self.by_reward = np.zeros_like(prior.mean)
        self.by_base = prior.mean.copy()
        self.log_prior = np.log(prior.weights)
        self.log_det = np.zeros(len(kappa))
        self.rr, self.rb, self.bb = np.zeros(len(kappa)), np.zeros(len(kappa)), np.zeros(len(kappa))
        self.count = 0

    def advance(self, rounds: float) -> None:
        """So many rounds pass."""
        index = np.arange(self.walk.shape[1])
        self.covariances[:, index, index] += rounds * self.walk

    def update(self, features: Array, known: Array, rewards: Array, unit: Array) -> None:
        """Learn from one round: features [K, d], known part q [K], rewards [K]. Rewards that are level say nothing.

        Args:
            unit: [m], what sigma is multiplied by in this round, by each filter.
        """
        if len(rewards) < 2 or np.ptp(rewards) == 0:
            return
        contrasts = _contrasts(len(rewards))
        design = (contrasts @ features)[None] * self.scale[:, None, :]
        gained = design @ self.covariances
        spread = gained @ design.transpose(0, 2, 1) + np.eye(len(contrasts))
        reward = contrasts @ rewards / unit[:, None] - np.einsum("mkd,md->mk", design, self.by_reward)
        # theta' = theta + gain (r / sigma - kappa q - f . theta): the known part enters with a minus.
        base = -(self.kappa[:, None] * (contrasts @ known)) - np.einsum("mkd,md->mk", design, self.by_base)
        lower = np.linalg.cholesky(spread)
        white = np.linalg.solve(lower, np.concatenate([gained, np.stack([reward, base], -1)], -1))
        half, reward, base = white[..., :-2], white[..., -2], white[..., -1]
        self.by_reward += np.einsum("mkd,mk->md", half, reward)
        self.by_base += np.einsum("mkd,mk->md", half, base)
        self.covariances -= half.transpose(0, 2, 1) @ half
        self.log_det += 2 * np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(-1) + 2 * len(contrasts) * np.log(unit)
        self.rr += (reward * reward).sum(-1)
        self.rb += (reward * base).sum(-1)
        self.bb += (base * base).sum(-1)
        self.count += len(contrasts)

    def coefficients(self, unit: Array) -> Coefficients:
        """The model averaged over filters and sigma, by their posterior probability (log-uniform prior on sigma).

        Before any rewards sigma counts as 1, and the noise as 0.

        Args:
            unit: [m], as in `update`, for the round that is asked about.
        """
        joint, sigma = self._joint()
        weights, mean_sigma = joint.sum(-1), (joint * sigma).sum(-1) * unit
        theta = (weights * unit)[:, None] * self.by_reward + mean_sigma[:, None] * self.by_base
        return Coefficients(
            mean=(self.scale * theta).sum(0),
            base=float((self.kappa * mean_sigma).sum()),
            noise=float(mean_sigma.sum()) if self.count else 0.0,
        )

    def covariance(self, unit: Array) -> Array:
        """[d, d], of the coefficients whose mean `coefficients` gives."""
        joint, sigma = self._joint()
        weights, mean_sigma, mean_square = (
            (joint * (sigma * unit[:, None]) ** power).sum(-1)[:, None] for power in range(3)
        )
        by_reward, by_base = self.scale * self.by_reward * unit[:, None], self.scale * self.by_base
        mean = (weights * by_reward + mean_sigma * by_base).sum(0)
        # Within each filter, and between the means of filters and sigmas.
        within = (mean_square[..., None] * self.scale[:, :, None] * self.covariances * self.scale[:, None, :]).sum(0)
        mixed = by_reward.T @ (mean_sigma * by_base)
        between = by_reward.T @ (weights * by_reward) + mixed + mixed.T + by_base.T @ (mean_square * by_base)
        total: Array = within + between - np.outer(mean, mean)
        return total

    def deviations(self, rows: Array) -> Array:
        """Posterior standard deviation of each of rows [n, d] . theta, over filters and sigma: [n]."""
        joint, sigma = self._joint()
        variance = ((rows @ self.covariances) * rows).sum(-1).T
        means = (rows @ self.by_reward.T)[..., None] / sigma + (rows @ self.by_base.T)[..., None]
        mean, square = ((joint * power).sum((-2, -1)) for power in (means, means * means))
        return np.asarray(np.sqrt(np.maximum(variance @ joint.sum(-1) + square - mean * mean, 0.0)))

    def beliefs(self) -> Beliefs:
        """Of theta, sigma integrated out."""
        joint, sigma = self._joint()
        weights = joint.sum(-1)
        inverse, square = ((joint * sigma**power).sum(-1) / weights for power in (-1.0, -2.0))
        spread = np.maximum(square - inverse * inverse, 0.0)
        return Beliefs(
            mean=inverse[:, None] * self.by_reward + self.by_base,
            covariance=self.covariances
            + spread[:, None, None] * self.by_reward[:, :, None] * self.by_reward[:, None, :],
            weights=weights,
        )

    def _joint(self) -> tuple[Array, Array]:
        """Posterior probability of filter and sigma [m, S], which sums to 1, and the sigmas [m, S]."""
        if self.count == 0:
            return np.exp(self.log_prior)[:, None], np.ones((len(self.kappa), 1))
        sigma = np.sqrt(self.rr / self.count)[:, None] * SCALES
        log = -0.5 * (self.rr[:, None] / sigma**2 + 2 * self.rb[:, None] / sigma + self.bb[:, None])
        log += -self.count * np.log(sigma) - 0.5 * self.log_det[:, None] + self.log_prior[:, None]
        joint = np.maximum(np.exp(log - log.max()), 1e-300)  # a filter that is out may still be asked what it believes
        return joint / joint.sum(), sigma


def _contrasts(count: int) -> Array:
    """[count - 1, count] orthonormal rows that sum to 0 (Helmert), which take the level of a round off."""
    matrix = np.tril(np.ones((count, count)), -1)[1:]
    index = np.arange(1, count)
    matrix[np.arange(count - 1), index] = -index
    scaled: Array = matrix / np.sqrt(index * (index + 1))[:, None]
    return scaled
