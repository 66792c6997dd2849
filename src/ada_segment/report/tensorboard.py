"""A search as TensorBoard shows it: scalars, histograms and pictures while it runs. An observer of `search`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ada_segment.errors import ConfigError
from ada_segment.report.figure_data import noise, shares, spread, surprise
from ada_segment.report.history import parse_round
from ada_segment.report.wording import relative

FOLDER = "tensorboard"


class TensorBoard:
    """Writes event files. Steps are rounds, from 1; those that a resumed run repeats replace the earlier ones.

    Args:
        folder: for the event files; made with the first round.
        defaults: default weight of each loss; weights are written relative to them.

    Raises:
        ConfigError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, *, defaults: Mapping[str, float]) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ConfigError(
                "--tensorboard needs an extra that is not installed; pip install 'ada-segment[tensorboard]'"
            ) from None
        self._make = SummaryWriter
        self.folder, self.defaults = folder, dict(defaults)
        self._writer: Any = None
        self._best: float | None = None
        self._step = 0

    def resumed(self, journal: Sequence[Mapping[str, Any]]) -> None:
        self._step = len(journal)
        # Events of later steps are of rounds that are trained again.
        self._writer = self._make(str(self.folder), purge_step=self._step + 1)
        stood = [parse_round(record).chosen for record in journal]
        self._best = max((one.reward for one in stood if one is not None and one.reward is not None), default=None)

    def round_started(self, round: int, rounds: int, weights: Sequence[Mapping[str, float]]) -> None:
        self._step = round + 1
        self._writer_or_new()

    def member_finished(self, round: int, index: int, record: Mapping[str, Any]) -> None:
        if record.get("reward") is not None:
            self._writer.add_scalar(f"reward of member {index}", record["reward"], round + 1)
            self._writer.flush()

    def round_finished(self, record: Mapping[str, Any]) -> None:
        """The member that stands for the round as scalars, all members as histograms."""
        done, step = parse_round(record), record["round"] + 1
        scalars: dict[str, float | None] = {
            "reward/spread of the members (SD)": spread(done),
            "reward/error of the predictions (RMS)": surprise(done),
            "reward/noise as estimated (SD)": noise(done),
            "seconds": done.seconds,
        }
        if done.chosen is not None and done.chosen.reward is not None:
            weights, losses = done.chosen.weights, done.chosen.losses
            self._best = done.chosen.reward if self._best is None else max(self._best, done.chosen.reward)
            scalars |= {"reward/its best": done.chosen.reward, "reward/best so far": self._best}
            scalars |= {
                f"weights, to default/{name}": value for name, value in relative(weights, self.defaults).items()
            }
            scalars |= {f"raw losses/{name}": value for name, value in losses.items()}
            scalars |= {f"shares of the total/{name}": value for name, value in shares(weights, losses).items()}
        wanted = relative(done.controller.get("mean") or {}, self.defaults)
        scalars |= {f"wanted weights, to default/{name}": value for name, value in wanted.items()}
        for tag, value in scalars.items():
            if value is not None:
                self._writer.add_scalar(tag, value, step)
        rewards = [member.reward for member in done.members if member.reward is not None]
        if rewards:
            self._writer.add_histogram("members/reward", np.array(rewards), step)
        for name in done.members[0].weights:
            tried = np.array([relative(member.weights, self.defaults)[name] for member in done.members])
            self._writer.add_histogram(f"members/weight of {name}, to default", tried, step)
        self._writer.flush()

    def said(self, text: str) -> None:
        self._writer_or_new().add_text("notes", text, self._step)

    def show(self, title: str, pictures: Mapping[str, Image.Image]) -> None:
        """Pictures by name, of the round that was last begun."""
        writer = self._writer_or_new()
        for name, picture in pictures.items():
            writer.add_image(f"{title}/{name}", np.asarray(picture.convert("RGB")), self._step, dataformats="HWC")
        writer.flush()

    def finished(self, metrics: Mapping[str, Any], *, rounds: int) -> None:
        """The figures of the test split, as metrics.json holds them, in percent, after so many rounds."""
        writer = self._writer_or_new()
        for key in ("tuned", "usual"):
            for group in ("all", "things", "stuff"):
                figures = (metrics.get(key) or {}).get(group)
                if figures is not None:
                    tag = f"PQ on the {metrics['split']} split, {key} thresholds/{group}"
                    writer.add_scalar(tag, 100 * figures["pq"], rounds)
        writer.flush()

    def close(self) -> None:
        """Finish the event files."""
        if self._writer is not None:
            self._writer.close()

    def _writer_or_new(self) -> Any:
        if self._writer is None:
            self._writer = self._make(str(self.folder))
        return self._writer
