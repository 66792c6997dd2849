"""Made-up journals for the tests of the report: the format of a real one, the shape of a plausible one."""

import json
import math
import random
from pathlib import Path
from typing import Any

from PIL import Image

from ada_segment.report.example_files import CELL

SIX = ("loss_rpn_cls", "loss_rpn_loc", "loss_cls", "loss_box_reg", "loss_mask", "loss_sem_seg")
DEFAULTS = {name: 0.5 if name == "loss_sem_seg" else 1.0 for name in SIX}


def make_rounds(
    *, rounds: int = 12, members: int = 5, losses: tuple[str, ...] = SIX, seed: int = 0, moving: bool = True
) -> list[dict[str, Any]]:
    """Rounds of a search whose reward rises and whose weights wander off; without `moving`, one at default weights."""
    draw = random.Random(seed)
    drift = {name: draw.gauss(0, 0.09) for name in losses}
    start = {name: math.exp(draw.uniform(-2.5, 0.5)) for name in losses}
    records = []
    for t in range(rounds):
        population = []
        for _ in range(members):
            offsets = {n: (drift[n] * t + draw.gauss(0, 0.15)) * moving for n in losses}
            weights = {n: DEFAULTS.get(n, 1.0) * math.exp(max(-1.38, min(1.38, offsets[n]))) for n in losses}
            gain = 4 * math.tanh(t / 6) * moving
            reward = 55 * (1 - math.exp(-(t + 1) / (rounds / 3))) + gain + draw.gauss(0, 0.8)
            raw = {n: start[n] * (0.3 + 0.7 * math.exp(-t / (rounds / 3))) * draw.uniform(0.97, 1.03) for n in losses}
            population.append({"weights": weights, "losses": raw, "reward": reward, "status": "ok"})
        best = max(range(members), key=lambda k: population[k]["reward"])
        records.append({"round": t, "seconds": 40 + draw.random(), "best": best, "members": population})
    return records


def with_failures(records: list[dict[str, Any]], *, rounds: tuple[int, ...]) -> list[dict[str, Any]]:
    """The same with one member of each of `rounds` failed, but never the best."""
    for t in rounds:
        k = 0 if records[t]["best"] != 0 else 1
        bad = records[t]["members"][k]
        bad.update(losses={}, reward=None, status="failed: LossError: loss_mask = nan; lower the learning rate")
    return records


def with_controller(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same with what a controller notes of its decisions."""
    draw = random.Random(9)
    for record in records:
        members = record["members"]
        names = list(members[0]["weights"])
        record["controller"] = {
            "mean": {name: draw.uniform(0.5, 2.0) for name in names},
            "step": 0.3,
            "doubt": {name: draw.uniform(0.1, 0.4) for name in names},
            "predicted": [None if m["reward"] is None else m["reward"] + draw.gauss(0, 0.3) for m in members],
            "noise": draw.uniform(0.5, 1.0),
            "trust": 0.4,
        }
    return records


def make_metrics(classes: dict[str, bool], *, seed: int = 0, scale: float = 1.0) -> dict[str, Any]:
    """A metrics.json for `classes`, name to whether it is a thing."""
    draw = random.Random(seed)

    def quality(thresholds_gain: float) -> dict[str, Any]:
        per_class = {}
        for name, isthing in classes.items():
            tp, fp, fn = draw.randint(1, 40), draw.randint(0, 20), draw.randint(0, 20)
            sq, rq = draw.uniform(0.6, 0.9) * scale * thresholds_gain, tp / (tp + fp / 2 + fn / 2)
            per_class[name] = {"pq": sq * rq, "sq": sq, "rq": rq, "tp": tp, "fp": fp, "fn": fn, "isthing": isthing}

        def mean(names: list[str]) -> dict[str, float] | None:
            if not names:
                return None
            return {k: sum(per_class[n][k] for n in names) / len(names) for k in ("pq", "sq", "rq")} | {"n": len(names)}

        return {
            "all": mean(list(classes)),
            "things": mean([name for name, isthing in classes.items() if isthing]),
            "stuff": mean([name for name, isthing in classes.items() if not isthing]),
            "per_class": {n: {k: v for k, v in q.items() if k != "isthing"} for n, q in per_class.items()},
        }

    usual = quality(1.0)
    tuned = quality(1.04)
    return {
        "split": "test",
        "thresholds": {"usual": {"score": 0.5, "overlap": 0.5}, "tuned": {"score": 0.2, "overlap": 0.5}},
        "usual": usual,
        "tuned": tuned,
    }


def write_run(
    folder: Path,
    records: list[dict[str, Any]],
    *,
    metrics: dict[str, Any] | None = None,
    config: str | None = None,
    **identity: Any,
) -> Path:
    """A run folder that holds these rounds; `identity` is what was asked of the search."""
    folder.mkdir(parents=True, exist_ok=True)
    if identity:
        (folder / "checkpoints").mkdir(exist_ok=True)
        (folder / "checkpoints" / f"round-{len(records):05d}.json").write_text(json.dumps(identity))
    (folder / "history.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    if metrics is not None:
        (folder / "metrics.json").write_text(json.dumps(metrics))
    if config is not None:
        (folder / "config.yaml").write_text(config)
    return folder


def write_examples(run: Path, *, seed: int, pictures: int = 12) -> None:
    """examples.json with strips for all pictures but the last, as a run leaves them at its end."""
    draw, records = random.Random(seed), []
    (run / "examples").mkdir(exist_ok=True)
    for place in range(pictures):
        drawn = f"examples/{place:06d}.webp" if place < pictures - 1 else None
        if drawn is not None:
            colour = tuple(draw.randrange(256) for _ in range(3))
            Image.new("RGB", (3 * CELL, 200), colour).save(run / drawn, format="WEBP")
        counts = {key: draw.randrange(5) for key in ("tp", "fp", "fn")}
        records.append({"name": f"scene-{place:06d}.png", "pq": draw.random(), **counts, "drawn": drawn})
    (run / "examples.json").write_text(json.dumps({"split": "test", "pictures": records}))
