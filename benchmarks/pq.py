"""What PQ costs: a pair of 640x480 maps in memory and from files, beside decoding alone and torchmetrics.

    python benchmarks/pq.py

torchmetrics, opencv-python-headless and pyspng take part where they are installed; the package needs none of them.
All contestants take turns, so that a machine that slows down slows all. The least time is what the work takes; the
median is what a busy machine makes of it. One JSON line goes to benchmarks/results/pq.jsonl.
"""

import argparse
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import results_file
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from ada_segment.data.file_quality import quality_of_files
from ada_segment.data.scene_painter import CATEGORIES, paint
from ada_segment.data.writing import write_panoptic
from ada_segment.panoptic.panoptic_map import MAX_ID, PanopticMap
from ada_segment.panoptic.quality import PanopticQuality
from ada_segment.panoptic.recount import recount

HEIGHT, WIDTH = 480, 640
KINDS = ("smooth", "ragged edges", "5 % noise", "25 % noise", "64 px")
Pair = tuple[PanopticMap, PanopticMap]


def make_pair(kind: str, seed: int) -> Pair:
    """(prediction, truth) of a scene: the prediction is the truth, moved by a few pixels and spoilt as `kind` says."""
    random = np.random.default_rng([seed, 7])
    size = 64 if kind == "64 px" else WIDTH
    _, scene = paint(size=size, seed=(0, 0, seed))
    ids = scene.ids if kind == "64 px" else scene.ids[:HEIGHT]
    table = np.zeros(64, dtype=np.int32)
    segments = []
    for segment in scene.segments:  # ids as scattered as colours
        table[segment.id] = random.integers(1, MAX_ID + 1)
        segments.append(replace(segment, id=int(table[segment.id])))
    truth = table[ids]
    if kind == "ragged edges":
        truth = shake(random, truth)
    prediction = np.roll(truth, (3, 4), axis=(0, 1))
    if kind == "ragged edges":
        prediction = shake(random, prediction)
    if "noise" in kind:
        hit = random.random(prediction.shape) < float(kind.split()[0]) / 100
        prediction[hit] = random.choice([segment.id for segment in segments], int(hit.sum()))
    return recount(prediction, segments), recount(truth, segments)


def shake(random: np.random.Generator, ids: NDArray[np.int32]) -> NDArray[np.int32]:
    """Each pixel from up to 2 pixels away: edges as ragged as hand-drawn ones, insides as they are."""
    ys, xs = np.indices(ids.shape)
    ys = np.clip(ys + random.integers(-2, 3, ids.shape), 0, ids.shape[0] - 1)
    xs = np.clip(xs + random.integers(-2, 3, ids.shape), 0, ids.shape[1] - 1)
    return ids[ys, xs]


Times = dict[str, dict[str, float]]
"""Milliseconds a pair, least and median, and median ratio to the first contestant, by contestant."""


def take_turns(contestants: dict[str, Callable[[int], object]], *, pairs: int, rounds: int, share: int = 1) -> Times:
    """Times of each contestant, which is told the index of the pair; `share`: pairs that it counts at once."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for index in range(pairs):
            for name, contestant in contestants.items():
                start = time.perf_counter()
                contestant(index)
                if turn:  # the first round warms up
                    times[name].append(1000 * (time.perf_counter() - start) / share)
    return {
        name: {
            "least": min(values),
            "median": statistics.median(values),
            # turn by turn, so that a machine that slows down slows both
            "to_first": statistics.median(
                mine / first for mine, first in zip(values, times[next(iter(times))], strict=True)
            ),
        }
        for name, values in times.items()
    }


def in_memory(kind: str, *, pairs: int, rounds: int) -> Times:
    drawn = [make_pair(kind, seed) for seed in range(min(pairs, 10))]
    pairs = len(drawn)
    quality = PanopticQuality(CATEGORIES)
    contestants: dict[str, Callable[[int], object]] = {"ours": lambda index: quality.update(*drawn[index])}
    times = take_turns(contestants, pairs=pairs, rounds=rounds)
    if importlib.util.find_spec("torchmetrics"):
        times |= take_turns({"torchmetrics": torchmetrics_update(drawn)}, pairs=min(pairs, 3), rounds=1)
    return times


def torchmetrics_update(drawn: list[Pair]) -> Callable[[int], object]:
    from torchmetrics.detection import PanopticQuality as Theirs

    metric = Theirs(
        things={category.id for category in CATEGORIES.things},
        stuffs={0} | {category.id for category in CATEGORIES.stuff},
        allow_unknown_preds_category=True,
    )

    def tensor(panoptic_map: PanopticMap) -> torch.Tensor:
        """[1, H, W, 2]: category and instance of each pixel, as it wants them; void is made a class of stuff."""
        values, local = np.unique(panoptic_map.ids, return_inverse=True)
        category = {segment.id: segment.category_id for segment in panoptic_map.segments}
        labels = np.array([[category.get(int(value), 0), number] for number, value in enumerate(values)])
        return torch.from_numpy(labels[local.reshape(panoptic_map.ids.shape)])[None]

    tensors = [(tensor(prediction), tensor(truth)) for prediction, truth in drawn]
    return lambda index: metric.update(*tensors[index])


def from_files(kind: str, *, pairs: int, rounds: int, folder: Path) -> Times:
    """PQ of two PNGs, and decoding alone by each decoder at hand."""
    drawn = [make_pair(kind, seed) for seed in range(pairs)]
    for number, name in enumerate(("prediction", "truth")):
        maps = ((f"{index}.png", pair[number]) for index, pair in enumerate(drawn))
        write_panoptic(folder / f"{name}.json", maps, CATEGORIES)
    paths = [folder / name / f"{index}.png" for index in range(pairs) for name in ("prediction", "truth")]

    def decode(read: Callable[[Path], object]) -> Callable[[int], object]:
        def all_of_them(index: int) -> None:
            for path in paths:
                read(path)  # and dropped at once: fresh memory for each would cost a third more

        return all_of_them

    contestants: dict[str, Callable[[int], object]] = {
        "ours, decoding included": lambda index: quality_of_files(folder / "truth.json", folder / "prediction.json")
    }
    if importlib.util.find_spec("pyspng"):
        import pyspng

        contestants["pyspng"] = decode(lambda path: pyspng.load(path.read_bytes()))
    if importlib.util.find_spec("cv2"):
        import cv2

        contestants["OpenCV"] = decode(lambda path: cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
    contestants["Pillow"] = decode(lambda path: Image.open(path).load())
    return take_turns(contestants, pairs=1, rounds=rounds, share=pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=50, help="different pairs of maps")
    parser.add_argument("--rounds", type=int, default=10, help="how often each is counted")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings = {"pairs": arguments.pairs, "rounds": arguments.rounds}
    results = {}
    console = Console()
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            memory = in_memory(kind, **settings)
            files = from_files(kind, **settings, folder=Path(folder))
        results[kind] = {"memory": memory, "files": files}
        table = Table(kind, "least ms a pair", "median", "ours over this")
        for name, value in memory.items():
            table.add_row(f"in memory: {name}", f"{value['least']:.3f}", f"{value['median']:.3f}")
        for name, value in files.items():
            ours = f"{1 / value['to_first']:.2f}"
            table.add_row(f"two files: {name}", f"{value['least']:.3f}", f"{value['median']:.3f}", ours)
        console.print(table)
    results_file.append("pq", {"settings": {**settings, "size": [HEIGHT, WIDTH]}, "ms": results})


if __name__ == "__main__":
    main()
