"""COCO panoptic files of predictions and of generated data."""

from collections.abc import Container, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ada_segment.data.coco import CocoPanoptic
from ada_segment.data.picture import write_picture
from ada_segment.data.png import write_ids
from ada_segment.data.sample import PanopticDataset
from ada_segment.data.scenes import Scenes
from ada_segment.data.subset import Subset
from ada_segment.errors import DataError
from ada_segment.panoptic.categories import Categories
from ada_segment.panoptic.panoptic_map import PanopticMap
from ada_segment.panoptic.recount import areas, boxes
from ada_segment.storage import write_json


def write_panoptic(
    path: Path,
    maps: Iterable[tuple[str, PanopticMap]],
    categories: Categories,
    *,
    image_ids: Mapping[str, int] | None = None,
) -> None:
    """Write maps as COCO panoptic: a JSON file at `path`, and PNGs in the folder of that name without its ending.

    Maps may come from a generator: each PNG is written at once, the JSON at the end. A PNG has the name of its picture
    with another ending; where two pictures differ in their endings alone, the second's keeps its own before it.

    Args:
        path: ends in .json.
        maps: file name of the picture, and its map.
        categories: the classes.
        image_ids: id of each picture by file name, as the truth has it; None numbers them from 1.

    Raises:
        DataError: a file name comes twice, leaves its folder, or `image_ids` lacks it.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    names: set[str] = set()
    masks: set[str] = set()
    for name, panoptic_map in maps:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise DataError(f"file name {name!r} leaves its folder; give the name within the folder of pictures")
        if name in names:
            raise DataError(f"two pictures are called {name}; give each its own name")
        if image_ids is not None and name not in image_ids:
            raise DataError(f"picture {name} has no image id; predict pictures of the truth only")
        mask = mask_name(name, masks)
        names.add(name)
        masks.add(mask)
        number = len(images) + 1 if image_ids is None else image_ids[name]
        height, width = panoptic_map.ids.shape
        write_ids(path.with_suffix("") / mask, panoptic_map.ids)
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        annotations.append({"image_id": number, "file_name": mask, "segments_info": _segments(panoptic_map)})
    write_json(path, {"images": images, "annotations": annotations, "categories": categories.to_json()})


def mask_name(name: str, taken: Container[str]) -> str:
    """The name of the PNG for the picture of that name, where others have `taken` theirs before it.

    Raises:
        DataError: it would have the name of one of those.
    """
    mask = str(PurePosixPath(name).with_suffix(".png"))
    if mask in taken:
        mask = f"{name}.png"
    if mask in taken:
        raise DataError(f"{mask} would be written twice; give pictures names that differ in more than their ending")
    return mask


def picture_names(dataset: PanopticDataset) -> list[str]:
    """File name of each picture of a dataset, without reading it where its annotations tell."""
    if isinstance(dataset, Subset):
        names = picture_names(dataset.dataset)
        return [names[index] for index in dataset.indices]
    if isinstance(dataset, CocoPanoptic):
        return [dataset.pictures.file_name(index) for index in range(len(dataset))]
    return [dataset[index].name for index in range(len(dataset))]


def image_ids(dataset: PanopticDataset) -> dict[str, int]:
    """Image id of each picture of a dataset by its file name: the annotations' own, else numbers from 1."""
    if isinstance(dataset, Subset):
        ids = image_ids(dataset.dataset)
        return {name: ids[name] for name in picture_names(dataset)}
    if isinstance(dataset, CocoPanoptic):
        return dataset.image_ids
    return {name: number for number, name in enumerate(picture_names(dataset), start=1)}


def write_split(folder: Path, split: str, dataset: PanopticDataset) -> None:
    """Write pictures and truth as "train" or "val" in the simple layout: `folder` can be opened as a dataset then."""

    def maps() -> Iterable[tuple[str, PanopticMap]]:
        for index in range(len(dataset)):
            sample = dataset[index]
            write_picture(folder / "images" / split / sample.name, sample.image)
            yield sample.name, sample.truth

    write_panoptic(folder / f"panoptic_{split}.json", maps(), dataset.categories)


def write_scenes(folder: Path, *, size: int = 64, seed: int = 0, train: int = 500, test: int = 200) -> None:
    """Write generated scenes as a dataset with the splits train and val; val holds the test scenes.

    Raises:
        DataError: the folder exists and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} exists already; name a new or empty folder")
    write_split(folder, "train", Scenes(size=size, count=train, seed=seed, split="train"))
    write_split(folder, "val", Scenes(size=size, count=test, seed=seed, split="test"))


def _segments(panoptic_map: PanopticMap) -> list[dict[str, Any]]:
    counted, drawn = areas(panoptic_map.ids), boxes(panoptic_map.ids)
    return [
        {
            "id": segment.id,
            "category_id": segment.category_id,
            "area": counted[segment.id],
            "bbox": list(drawn[segment.id]),
            "iscrowd": int(segment.iscrowd),
            **({"score": round(segment.score, 6)} if segment.score != 1 else {}),
        }
        for segment in panoptic_map.segments
    ]
