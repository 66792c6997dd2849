"""The stored model of a run on pictures without truth: overlays to look at, COCO panoptic files to work with."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from torch import Tensor

from ada_segment.data.picture import read_picture, read_picture_size, verify_picture
from ada_segment.data.picture_files import list_pictures
from ada_segment.data.writing import mask_name, write_panoptic
from ada_segment.errors import DataError, RunError
from ada_segment.panoptic.merge import merge
from ada_segment.panoptic.panoptic_map import PanopticMap
from ada_segment.report.overlay import draw_overlay
from ada_segment.runs.stored_model import StoredModel, load_model
from ada_segment.storage import write_whole

JSON_NAME = "panoptic.json"
LONGEST_NAME = 220  # bytes: what is predicted has longer names, and a file system takes 255


def predict_pictures(run: Path, pictures: Sequence[Path], out: Path) -> list[Path]:
    """Predict each picture with the run's best model and its tuned thresholds.

    Args:
        run: the run folder.
        pictures: files in any format that Pillow reads, or folders, whose pictures keep their places within them.
        out: folder for NAME.overlay.png, panoptic/NAME.png and panoptic.json; made when absent. Of two pictures whose
            names differ in their endings alone, the second's keeps its own in NAME.

    Returns:
        The overlays.

    Raises:
        RunError: the run is not usable, or `out` holds predictions already.
        DataError: a picture cannot be read, or would be written over, or two have one name, or a folder has none;
            raised before anything is written.
    """
    if (out / JSON_NAME).exists():
        raise RunError(f"{out / JSON_NAME} exists already; name another folder")
    stored = load_model(run)
    named = _named(pictures)
    masks: dict[str, None] = {}
    for name in named:
        masks[mask_name(name, masks)] = None
    overlays = [out / Path(mask).with_suffix(".overlay.png") for mask in masks]
    _refuse_inputs(list(named.values()), [*overlays, *((out / JSON_NAME).with_suffix("") / mask for mask in masks)])
    for path in named.values():
        verify_picture(path)

    def maps() -> Iterator[tuple[str, PanopticMap]]:
        for (name, path), overlay in zip(named.items(), overlays, strict=True):
            image = read_picture(path)
            panoptic = _predict(stored, image)
            _draw(stored, image, panoptic, overlay)
            yield name, panoptic

    write_panoptic(out / JSON_NAME, maps(), stored.categories)
    return overlays


def _named(pictures: Sequence[Path]) -> dict[str, Path]:
    """The pictures by their names in what is predicted, those of folders among them."""
    named: dict[str, Path] = {}
    for path in pictures:
        if path.is_dir():
            found = [(name, path / name) for name in list_pictures(path)]
        else:
            read_picture_size(path)  # which says what is wrong where it is missing
            found = [(path.name, path)]
        for name, file in found:
            if len(os.fsencode(Path(name).name)) > LONGEST_NAME:
                raise DataError(f"{file}: the name is too long for what is written beside it; rename the picture")
            if name in named and not file.samefile(named[name]):
                raise DataError(f"two pictures are called {name}: {named[name]} and {file}; predict them one by one")
            named[name] = file
    return named


def _refuse_inputs(pictures: Sequence[Path], targets: Sequence[Path]) -> None:
    """Refuse to write over a picture that is to be predicted, by whatever name."""
    inputs = {(state.st_dev, state.st_ino): path for path in pictures for state in [path.stat()]}
    for target in targets:
        with suppress(OSError):  # which is not there
            state = target.stat()
            if (known := inputs.get((state.st_dev, state.st_ino))) is not None:
                raise DataError(f"{known} would be written over, as {target}; name another folder with --out")


def _predict(stored: StoredModel, image: Tensor) -> PanopticMap:
    small = stored.resize.picture(image)
    with stored.autocast():
        (prediction,) = stored.network.predict([small.to(stored.device)], [(image.shape[-2], image.shape[-1])])
    return merge(prediction, stored.thresholds, stored.categories.thing_ids)


def _draw(stored: StoredModel, image: Tensor, panoptic: PanopticMap, target: Path) -> None:
    overlay = draw_overlay(image, panoptic, stored.categories)
    write_whole(target, lambda temporary: overlay.save(temporary, format="PNG"))
