"""Small pictures and masks in the layouts of public datasets."""

from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 8, 10


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def photo(path: Path, seed: int = 0, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> None:
    save(path, np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8))


def draw_ade(root: Path) -> None:
    for theirs, name in (("training", "ADE_train_00000001"), ("validation", "ADE_val_00000001")):
        photo(root / "images" / theirs / f"{name}.jpg", seed=len(theirs))
        classes = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
        classes[:4] = 1  # wall
        classes[4:] = 4  # floor
        classes[2:6, 2:5] = 8  # bed
        classes[2:6, 6:8] = 13  # person
        classes[0, 0] = 0
        save(root / "annotations" / theirs / f"{name}.png", classes)
        numbers = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
        numbers[2:6, 2:5] = (1, 1, 0)  # bed is thing 1
        numbers[2:6, 6:7] = (4, 2, 0)  # person is thing 4
        numbers[2:5, 7:8] = (4, 3, 0)
        numbers[7, 7:9] = (100, 4, 0)  # flag, over the floor
        save(root / "annotations_instance" / theirs / f"{name}.png", numbers)


def draw_cityscapes(root: Path) -> None:
    for split, city in (("train", "aachen"), ("val", "lindau")):
        stem = f"{city}_000000_000019"
        photo(root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png", seed=len(split))
        values = np.full((HEIGHT, WIDTH), 7, dtype=np.uint16)  # road
        values[:3] = 23  # sky
        values[3:5, :3] = 26001  # cars
        values[3:5, 3:5] = 26000
        values[3, 6:8] = 24  # a group of persons
        values[4, 6] = 1  # ego vehicle
        values[7] = 9  # parking, which the benchmark ignores
        values[6, :2] = 29002  # a caravan, likewise
        save(root / "gtFine" / split / city / f"{stem}_gtFine_instanceIds.png", values)
        save(root / "gtFine" / split / city / f"{stem}_gtFine_labelIds.png", values.astype(np.uint8))
