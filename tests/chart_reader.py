"""Charts of a page, read back from their SVG: where lines and dots stand, in the units of the axes."""

import math
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from itertools import pairwise

SVG = "{http://www.w3.org/2000/svg}"
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Axis:
    """Pixels to values by two ticks and their labels; a log axis where the labels grow by factors."""

    ticks: tuple[tuple[float, float], ...]
    logarithmic: bool

    def value(self, pixel: float) -> float:
        (p0, v0), *_, (p1, v1) = self.ticks
        share = (pixel - p0) / (p1 - p0)
        if self.logarithmic:
            return math.exp(math.log(v0) + share * (math.log(v1) - math.log(v0)))
        return v0 + share * (v1 - v0)


class Chart:
    """One figure of a page.

    Args:
        markup: the page.
        name: of the figure, which the ids of its parts begin with.
    """

    def __init__(self, markup: str, name: str) -> None:
        (found,) = (svg for svg in re.findall(r"<svg.*?</svg>", markup, re.DOTALL) if f'id="{name}-figure_1"' in svg)
        self.root, self.name = ET.fromstring(found), name
        self.x, self.y = self._axis("xtick", "x"), self._axis("ytick", "y")

    def line(self, part: str) -> list[Point]:
        """The corners of the line with the id `part`."""
        (path,) = self._group(part).iter(f"{SVG}path")
        corners = re.findall(r"[ML] (\S+) (\S+)", path.get("d") or "")
        return [(self.x.value(float(x)), self.y.value(float(y))) for x, y in corners]

    def dots(self, part: str) -> list[Point]:
        """The middle of each dot of the group with the id `part`."""
        uses = [node for node in self._group(part).iter() if node.tag == f"{SVG}use"]
        return [(self.x.value(float(u.get("x", ""))), self.y.value(float(u.get("y", "")))) for u in uses]

    def has(self, part: str) -> bool:
        return any(node.get("id") == f"{self.name}-{part}" for node in self.root.iter())

    def _group(self, part: str) -> ET.Element:
        (group,) = (node for node in self.root.iter() if node.get("id") == f"{self.name}-{part}")
        return group

    def _axis(self, kind: str, side: str) -> Axis:
        ticks = []
        for node in self.root.iter():
            if re.fullmatch(rf"{self.name}-{kind}_\d+", node.get("id") or ""):
                texts = ["".join(text.itertext()).strip() for text in node.iter(f"{SVG}text")]
                uses = [use.get(side) for use in node.iter(f"{SVG}use")]
                if texts and texts[0] and uses:
                    label = texts[0].replace("×", "").replace("−", "-")
                    named = not re.fullmatch(r"-?[\d.]+", label)  # rows of a table, from 0
                    ticks.append((float(uses[0] or ""), float(len(ticks) if named else label)))
        gaps = [(p1 - p0) / (v1 - v0) for (p0, v0), (p1, v1) in pairwise(ticks)]
        return Axis(tuple(ticks), logarithmic=len(gaps) > 1 and max(map(abs, gaps)) > 1.1 * min(map(abs, gaps)))
