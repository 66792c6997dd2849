"""Puts together what five searches on generated scenes have learned: the controller `scenes` of the package.

python benchmarks/shipped_controller.py
"""

import results_file
from evidence import RING

from ada_segment import load_controller
from ada_segment.controller.stored import SHIPPED, save_controller

LEARNED = results_file.RESULTS / "controllers" / "scenes-ema" / "ada-segment"


def main() -> None:
    save_controller(SHIPPED["scenes"], load_controller(*(LEARNED / f"{seed}.safetensors" for seed in range(RING))))


if __name__ == "__main__":
    main()
