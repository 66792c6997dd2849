"""Automated multi-loss adaptation for panoptic segmentation."""

from ada_segment.controller.stored import load_controller
from ada_segment.errors import AdaSegmentError
from ada_segment.loops.balancer import LossBalancer
from ada_segment.panoptic.quality import PanopticQuality
from ada_segment.population.member import Member
from ada_segment.population.search import SearchResult, search
from ada_segment.population.strategies.replay import Replay, Transfer

__all__ = [
    "AdaSegmentError",
    "LossBalancer",
    "Member",
    "PanopticQuality",
    "Replay",
    "SearchResult",
    "Transfer",
    "load_controller",
    "search",
]
