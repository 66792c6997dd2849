"""Results as JSON lines under benchmarks/results/, each with what is needed to know what was measured where."""

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"


def append(name: str, result: dict[str, Any]) -> None:
    """Add one line to results/NAME.jsonl. Nothing that is there is changed."""
    RESULTS.mkdir(exist_ok=True)
    line = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {platform.machine()}",
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "versions": {package: version(package) for package in ("ada-segment", "torch", "torchvision")},
        **result,
    }
    with (RESULTS / f"{name}.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def processor() -> str:
    """Model of the CPU: another one adds in another order, and a training with the same seed becomes another."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    named = [
        line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "cpu family", "model\t"))
    ]
    return ", ".join(dict.fromkeys(named))


def read(name: str) -> list[dict[str, Any]]:
    """All lines of results/NAME.jsonl; none when it is absent."""
    file = RESULTS / f"{name}.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
