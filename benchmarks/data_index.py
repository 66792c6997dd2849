"""What the annotations of a split of COCO train's size cost: the first start, every later one, and each loader worker.

    python benchmarks/data_index.py

Writes 118,287 pictures (links to a few small files) with about 11 segments each into a temporary folder. Each step runs
in a process of its own, so that its peak memory is its own. One JSON line goes to benchmarks/results/data_index.jsonl.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import results_file
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader, Dataset

from ada_segment.data.coco import CocoPanoptic
from ada_segment.data.index import CACHE_VARIABLE, open_index

PICTURES, SEGMENTS = 118_287, 11
LINKS = 30_000  # file systems bound the number of links to one file


def write_split(folder: Path, pictures: int) -> None:
    """A split in the official layout. Segments have the fields that COCO's have."""
    random = np.random.default_rng(0)
    masks, photos = folder / "annotations" / "panoptic_train2017", folder / "train2017"
    masks.mkdir(parents=True)
    photos.mkdir()
    counts = random.poisson(SEGMENTS - 1, pictures) + 1
    categories = [{"id": 1 + i, "name": f"class {i}", "isthing": int(i < 80), "supercategory": "x"} for i in range(133)]
    images, annotations = [], []
    for number, count in enumerate(counts.tolist()):
        if number % LINKS == 0:
            first = f"{number:012d}"
            Image.new("RGB", (4, 3)).save(photos / f"{first}.jpg")
            Image.new("RGB", (4, 3)).save(masks / f"{first}.png")
        else:
            os.link(photos / f"{first}.jpg", photos / f"{number:012d}.jpg")
            os.link(masks / f"{first}.png", masks / f"{number:012d}.png")
        name = f"{number:012d}"
        images.append({"id": number, "file_name": f"{name}.jpg", "height": 3, "width": 4, "license": 3,
                       "coco_url": f"http://images.example.org/train2017/{name}.jpg",
                       "date_captured": "2013-11-14 11:18:45"})  # fmt: skip
        ids = random.choice(2**24 - 1, count, replace=False) + 1
        labels = random.integers(1, 134, count)
        boxes = random.integers(1, 640, (count, 4)).tolist()
        segments = [
            {"id": i, "category_id": c, "iscrowd": 0, "bbox": box, "area": box[2] * box[3]}
            for i, c, box in zip(ids.tolist(), labels.tolist(), boxes, strict=True)
        ]
        annotations.append({"image_id": number, "file_name": f"{name}.png", "segments_info": segments})
    root = {"info": {}, "images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations" / "panoptic_train2017.json").write_text(json.dumps(root))


class Annotations(Dataset[int]):
    """The segments of each picture, without its files: what a worker holds is what the annotations cost it."""

    def __init__(self, split: CocoPanoptic) -> None:
        self.split = split

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> int:
        return len(self.split.pictures[index].segments)


def peak_megabytes() -> float:
    """Of this program alone: getrusage would count what the process that started it once had."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def private_megabytes(process: int) -> float:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def workers_memory(split: CocoPanoptic, workers: int) -> tuple[float, int]:
    """Private memory of all loader workers after a whole pass, and the number of segments they saw."""
    loader = DataLoader(Annotations(split), batch_size=64, num_workers=workers, persistent_workers=True)
    batches = iter(loader)
    seen = sum(int(batch.sum()) for batch in batches)
    return sum(private_megabytes(worker.pid) for worker in batches._workers), seen  # type: ignore[attr-defined]


def step(name: str, folder: Path) -> dict[str, float]:
    path = folder / "annotations" / "panoptic_train2017.json"
    # How much memory the process has had before; the same imports in each, so only what comes now differs.
    before = peak_megabytes()
    started = time.perf_counter()
    if name == "json.load":
        with path.open() as file:
            json.load(file)
    elif name == "first build":
        open_index(path)
    elif name == "open":
        CocoPanoptic(folder, "train")
    else:
        split = CocoPanoptic(folder, "train")
        one, seen = workers_memory(split, 1)
        four, seen_by_four = workers_memory(split, 4)
        assert seen == seen_by_four
        return {"one_mb": one, "four_mb": four, "four_over_one_mb": four - one, "segments": seen}
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "peak_mb": peak_megabytes(), "before_mb": before}


def steps(folder: Path, repeats: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Each step in a new process; json.load and first build take turns."""
    cache = folder / "cache"
    environment = {**os.environ, CACHE_VARIABLE: str(cache)}

    def run(name: str) -> tuple[str, dict[str, float]]:
        command = [sys.executable, __file__, "--step", name, "--folder", str(folder)]
        ran = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        return name, json.loads(ran.stdout)

    for _ in range(repeats):
        for file in cache.glob("*"):
            file.unlink()
        yield run("json.load")
        yield run("first build")
    yield "first look at all headers", run("open")[1]
    for _ in range(repeats):
        yield "later start", run("open")[1]
    yield run("workers")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        print(json.dumps(step(arguments.step, arguments.folder)))
        return
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        write_split(Path(name), arguments.pictures)
        size = (Path(name) / "annotations" / "panoptic_train2017.json").stat().st_size
        for label, result in steps(Path(name), arguments.repeats):
            found.setdefault(label, []).append({key: round(value, 3) for key, value in result.items()})
            Console().print(label, found[label][-1])
    least = {
        label: {key: min(result[key] for result in results) for key in results[0]} for label, results in found.items()
    }
    summary = {
        "first_build_over_json_load": round(least["first build"]["seconds"] / least["json.load"]["seconds"], 3),
        "first_build_peak_over_json_load": round(least["first build"]["peak_mb"] / least["json.load"]["peak_mb"], 3),
        "later_start_seconds": max(result["seconds"] for result in found["later start"]),
        "four_workers_over_one_mb": least["workers"]["four_over_one_mb"],
    }
    table = Table("figure", "value")
    for key, value in summary.items():
        table.add_row(key, f"{value:.3g}")
    Console().print(table)
    results_file.append(
        "data_index", {"pictures": arguments.pictures, "json_mb": size / 2**20, "summary": summary, "runs": found}
    )


if __name__ == "__main__":
    main()
