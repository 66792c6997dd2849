"""The stored model of a run on pictures without truth: overlays to look at, COCO panoptic files to work with."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from ada_segment.data.picture import read_picture
from ada_segment.data.sample import Sample
from ada_segment.data.writing import write_panoptic
from ada_segment.errors import DataError, RunError
from ada_segment.panoptic.merge import merge
from ada_segment.panoptic.panoptic_map import PanopticMap
from ada_segment.panoptic.recount import recount
from ada_segment.report.overlay import draw_overlay
from ada_segment.runs.stored_model import StoredModel, load_model
from ada_segment.storage import write_whole

JSON_NAME = "panoptic.json"


def predict_pictures(run: Path, pictures: Sequence[Path], out: Path) -> list[Path]:
    """Predict each picture with the run's best model and its tuned thresholds.

    Args:
        run: the run folder.
        pictures: files in any format that Pillow reads.
        out: folder for NAME.overlay.png, panoptic/NAME.png and panoptic.json; made when absent.

    Returns:
        The overlays.

    Raises:
        RunError: the run is not usable, or `out` holds predictions already.
        DataError: a picture cannot be read, or would be written over, or two have one name; raised before anything is
            written.
    """
    names = [path.stem for path in pictures]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"two pictures are called {twice[0]}; predict them into different folders")
    for path in pictures:
        read_picture(path)
    if (out / JSON_NAME).exists():
        raise RunError(f"{out / JSON_NAME} exists already; name another folder")
    _refuse_inputs(pictures, out)
    stored = load_model(run)
    overlays: list[Path] = []

    def maps() -> Iterator[tuple[str, PanopticMap]]:
        for path in pictures:
            panoptic = _predict(stored, path)
            overlays.append(_draw(stored, path, panoptic, out))
            yield path.name, panoptic

    write_panoptic(out / JSON_NAME, maps(), stored.categories)
    return overlays


def _refuse_inputs(pictures: Sequence[Path], out: Path) -> None:
    """Refuse to write over a picture that is to be predicted, by whatever name."""
    inputs = {(state.st_dev, state.st_ino): path for path in pictures for state in [path.stat()]}
    masks = (out / JSON_NAME).with_suffix("")
    for path in pictures:
        for target in (_overlay(path, out), masks / Path(path.name).with_suffix(".png")):
            with suppress(OSError):  # which is not there
                state = target.stat()
                if (known := inputs.get((state.st_dev, state.st_ino))) is not None:
                    raise DataError(
                        f"{known} would be written over, since what is predicted of {path} goes to {target}; name "
                        f"another folder with --out"
                    )


def _overlay(path: Path, out: Path) -> Path:
    return out / f"{path.stem}.overlay.png"


def _predict(stored: StoredModel, path: Path) -> PanopticMap:
    image = read_picture(path)
    size = (image.shape[-2], image.shape[-1])
    empty = recount(np.zeros(size, dtype=np.int32), ())
    small = stored.resize(Sample(image=image, truth=empty, name=path.name)).image
    with stored.autocast():
        (prediction,) = stored.network.predict([small.to(stored.device)], [size])
    return merge(prediction, stored.thresholds, stored.categories.thing_ids)


def _draw(stored: StoredModel, path: Path, panoptic: PanopticMap, out: Path) -> Path:
    overlay = draw_overlay(read_picture(path), panoptic, stored.categories)
    target = _overlay(path, out)
    write_whole(target, lambda temporary: overlay.save(temporary, format="PNG"))
    return target
