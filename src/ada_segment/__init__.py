"""Automated multi-loss adaptation for panoptic segmentation."""

from ada_segment.controller.stored import load_controller, save_controller
from ada_segment.errors import AdaSegmentError
from ada_segment.loops.balancer import LossBalancer
from ada_segment.panoptic.categories import Categories, Category
from ada_segment.panoptic.panoptic_map import PanopticMap, Segment
from ada_segment.panoptic.quality import PanopticQuality, PanopticResult, Quality
from ada_segment.population.member import Member
from ada_segment.population.search import SearchResult, search
from ada_segment.population.strategies.replay import Replay, Transfer

__all__ = [
    "AdaSegmentError",
    "Categories",
    "Category",
    "LossBalancer",
    "Member",
    "PanopticMap",
    "PanopticQuality",
    "PanopticResult",
    "Quality",
    "Replay",
    "SearchResult",
    "Segment",
    "Transfer",
    "load_controller",
    "save_controller",
    "search",
]
