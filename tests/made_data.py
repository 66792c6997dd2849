"""Small folders in COCO panoptic format, drawn by the tests; and the real ones, where they are at hand."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SHARED = Path(__file__).parents[1].parent / "shared"
CATEGORIES = [
    {"id": 3, "name": "cat", "isthing": 1},
    {"id": 5, "name": "dog", "isthing": 1},
    {"id": 9, "name": "sky", "isthing": 0},
    {"id": 90, "name": "grass", "isthing": 0},
]
HEIGHT, WIDTH = 12, 16


def colours(ids: np.ndarray) -> np.ndarray:
    """[H, W, 3] uint8, written out from the format's definition."""
    return np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1).astype(np.uint8)


def draw_ids(number: int) -> np.ndarray:
    """A cat, a dog, a crowd of dogs, sky, grass, void; ids need all three channels."""
    ids = np.full((HEIGHT, WIDTH), 70_000 + number)
    ids[HEIGHT // 2 :] = 300
    ids[2:6, 1:5] = 1
    ids[5:9, 8:13] = 16_777_215
    ids[9:, 9:] = 513
    ids[0, :3] = 0
    return ids


def segments(ids: np.ndarray, number: int) -> list[dict[str, Any]]:
    classes = {70_000 + number: 9, 300: 90, 1: 3, 16_777_215: 5, 513: 5}
    found = []
    for value, label in classes.items():
        ys, xs = np.nonzero(ids == value)
        box = [int(xs.min()), int(ys.min()), int(np.ptp(xs)) + 1, int(np.ptp(ys)) + 1]
        crowd = int(value == 513)
        found.append({"id": value, "category_id": label, "area": len(xs), "bbox": box, "iscrowd": crowd})
    return found


def write_split(folder: Path, split: str, *, pictures: int = 3, official: bool = False, seed: int = 0) -> None:
    """Write one split, in the simple or in the official layout."""
    random = np.random.default_rng([seed, sum(split.encode())])
    stem = f"panoptic_{split}2017" if official else f"panoptic_{split}"
    masks = folder / ("annotations" if official else "") / stem
    images = folder / f"{split}2017" if official else folder / "images" / split
    masks.mkdir(parents=True)
    images.mkdir(parents=True)
    root: dict[str, Any] = {"images": [], "annotations": [], "categories": CATEGORIES}
    for number in range(pictures):
        name, ids = f"{number:04d}", draw_ids(number)
        Image.fromarray(random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)).save(images / f"{name}.jpg")
        Image.fromarray(colours(ids)).save(masks / f"{name}.png")
        root["images"].append({"id": 50 + number, "file_name": f"{name}.jpg", "height": HEIGHT, "width": WIDTH})
        root["annotations"].append(
            {"image_id": 50 + number, "file_name": f"{name}.png", "segments_info": segments(ids, number)}
        )
    masks.with_suffix(".json").write_text(json.dumps(root))


def write_folder(folder: Path, *, official: bool = False, train: int = 3, val: int = 2) -> Path:
    """Write train and val; returns the folder."""
    write_split(folder, "train", pictures=train, official=official)
    write_split(folder, "val", pictures=val, official=official)
    return folder


def few(source: Path, target: Path, **counts: int) -> None:
    """Copy the first pictures of each split."""
    for split, count in counts.items():
        content = json.loads((source / f"panoptic_{split}.json").read_text())
        content["annotations"] = content["annotations"][:count]
        kept = {annotation["image_id"] for annotation in content["annotations"]}
        content["images"] = [image for image in content["images"] if image["id"] in kept]
        for folder, entries in ((f"images/{split}", content["images"]), (f"panoptic_{split}", content["annotations"])):
            (target / folder).mkdir(parents=True)
            for entry in entries:
                shutil.copy(source / folder / entry["file_name"], target / folder)
        (target / f"panoptic_{split}.json").write_text(json.dumps(content))
