"""How much of a round's reward is luck, and what common random numbers take away.

    python benchmarks/noise.py --after 5 11

Trains the `tiny` preset on scenes under the default weights for some rounds. From that state one more round is trained
again and again, each time with its pictures in another order, under the default weights and under weights as far away
as a search draws them. Rewards of both that share an order are compared with rewards that do not; the reward's pictures
are resampled, for one reward and for the difference of two on the same pictures. All of this is asked of the parameters
as they are after the round, and of their moving average over its steps. One JSON line a state and model goes to
benchmarks/results/noise.jsonl.
"""

import argparse
import copy
from typing import Any

import numpy as np
import results_file
import torch
from reward_study import Counts, count, rewards

from ada_segment.config import resolve
from ada_segment.panoptic.registry import loss_table
from ada_segment.population.seeds import derive_seed
from ada_segment.runs.data import open_data
from ada_segment.runs.member import build_member
from ada_segment.training.evaluation import predict_all

REWARD = "pq-soft"
STEP = 0.35  # of a log-weight: what a search explores with half way
MOVED = {"loss_sem_seg": STEP, "loss_box_reg": -STEP}
RESAMPLES = 200
DECAY = 0.95  # a step: a moving average over half an epoch of 40 steps


def resampled(first: Counts, second: Counts) -> tuple[float, float]:
    """Standard deviation over resamples of the pictures: of the first reward, and of how much the second is more."""
    random = np.random.default_rng(0)
    samples = []
    for _ in range(RESAMPLES):
        chosen = random.integers(first.shape[1], size=first.shape[1])
        samples.append([rewards(counts[:, chosen])[REWARD] for counts in (first, second)])
    values = np.array(samples)
    return float(values[:, 0].std(ddof=1)), float((values[:, 1] - values[:, 0]).std(ddof=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--after", type=int, nargs="+", default=[5, 11], help="rounds under the default weights before")
    parser.add_argument("--orders", type=int, default=8, help="orders of the pictures in the round that is repeated")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings = resolve(preset="tiny", flags={"training.ema_decay": DECAY})
    splits = open_data(settings)
    member = build_member(settings, splits, seed=0)
    defaults = loss_table(settings.model).defaults
    moved = {name: weight * float(np.exp(MOVED.get(name, 0.0))) for name, weight in defaults.items()}

    def look(weights: dict[str, float], order: int) -> dict[str, Counts]:
        member.load_state_dict(state)
        member.train(weights, round=trained, seed=derive_seed("noise", trained, order))
        assert member.ema is not None
        counts = {}
        for model, network in (("parameters", member.network), ("moving average", member.ema.module)):
            predictions, truths = predict_all(network, splits.reward, member.resize, batch_size=8)
            counts[model] = count(predictions, truths, splits.categories)
        return counts

    trained = 0
    for after in sorted(arguments.after):
        while trained < after:
            member.train(defaults, round=trained, seed=derive_seed(0, trained))
            trained += 1
        state: dict[str, Any] = copy.deepcopy(member.state_dict())
        looks = [(look(defaults, order), look(moved, order)) for order in range(arguments.orders)]
        for model in looks[0][0]:
            pairs = [(one[model], other[model]) for one, other in looks]
            found = {
                name: [float(rewards(pair[which])[REWARD]) for pair in pairs]
                for which, name in enumerate(("default", "moved"))
            }
            noise = [resampled(*pair) for pair in pairs]
            line = {"after": after, "rounds": settings.search.rounds, "model": model, "reward": REWARD, "moved": MOVED}
            line |= {"rewards": found, "resampled": [one for one, _ in noise]}
            results_file.append("noise", {**line, "resampled_difference": [gap for _, gap in noise]})
            print(f"after {after}, {model}:", {name: np.round(values, 2) for name, values in found.items()}, flush=True)
        member.load_state_dict(state)


if __name__ == "__main__":
    main()
