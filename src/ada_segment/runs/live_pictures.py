"""What the best model so far sees on a few reward pictures, while a search runs. An observer of `search`."""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from ada_segment.data.sample import PanopticDataset
from ada_segment.data.subset import Subset
from ada_segment.panoptic.merge import Thresholds, merge
from ada_segment.population.observer import Silent
from ada_segment.population.run_folder import BEST
from ada_segment.report.overlay import contact_sheet, sheet_row
from ada_segment.storage import load_state, printable
from ada_segment.training.evaluation import predict_all
from ada_segment.training.member import PanopticMember, network_state

PICTURES = 4


class LivePictures(Silent):
    """After each round in which the stored best model changed, draws what it sees.

    The model is a copy on the CPU, so that members in training are left alone; it costs the time of a few pictures.

    Args:
        run: the run folder, where the best model is.
        member: a member like those of the search.
        dataset: pictures to draw from, spread evenly.
        show: is given pictures by name.
    """

    def __init__(
        self,
        run: Path,
        *,
        member: PanopticMember,
        dataset: PanopticDataset,
        show: Callable[[Mapping[str, Image.Image]], object],
    ) -> None:
        self._file, self._show, self._resize = run / BEST, show, member.resize
        self._network = copy.deepcopy(member.network).to("cpu")
        count = min(PICTURES, len(dataset))
        self._pictures = Subset(dataset, [place * len(dataset) // count for place in range(count)])
        self._seen: tuple[int, int] | None = None

    def round_finished(self, record: Mapping[str, Any]) -> None:
        if not self._file.exists():
            return
        status = self._file.stat()
        now = (status.st_mtime_ns, status.st_size)
        if now != self._seen:
            self._seen = now
            self._show(self._draw())

    def _draw(self) -> dict[str, Image.Image]:
        self._network.load_state_dict(network_state(load_state(self._file)))
        with torch.random.fork_rng(devices=[]):
            predictions, truths = predict_all(self._network, self._pictures, self._resize, batch_size=1)
        categories = self._pictures.categories
        drawn = {}
        for place, (prediction, truth) in enumerate(zip(predictions, truths, strict=True)):
            sample = self._pictures[place]
            merged = merge(prediction, Thresholds(), categories.thing_ids)
            drawn[printable(sample.name)] = contact_sheet(
                [sheet_row(sample.image, [truth, merged], categories)], cell=320
            )
        return drawn
