"""Puts together what five searches on generated scenes have learned: the controller `scenes` of the package.

python benchmarks/shipped_controller.py
"""

from pathlib import Path

from evidence import RING, Job

from ada_segment import load_controller
from ada_segment.controller.stored import SHIPPED, save_controller


def main() -> None:
    searches = [Job("scenes-ema", "ada-segment", seed, out=Path()) for seed in range(RING)]
    save_controller(SHIPPED["scenes"], load_controller(*(search.kept for search in searches)))


if __name__ == "__main__":
    main()
