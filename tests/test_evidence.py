"""A cell of the results' tables is made again in little time: what searches have learned lies beside the lines."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ada_segment.controller.space import LogWeights
from ada_segment.storage import load_state

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import evidence
import results_file

LINES = [
    line
    for line in results_file.read(evidence.NAME)
    if not line.get("repeat") and line["regime"] in evidence.REGIMES and line["arm"] in evidence.ARMS
]


def job_of(line: dict[str, Any], out: Path) -> evidence.Job:
    return evidence.Job(line["regime"], line["arm"], line["seed"], out)


@pytest.mark.parametrize("arm", sorted(evidence.FROM_SEARCHES))
def test_what_an_arm_takes_from_searches_needs_no_search(
    arm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    monkeypatch.setattr(evidence, "train", lambda job: trained.append(job.arm))
    for line in LINES:
        if line["arm"] == arm:
            evidence.ARMS[arm](job_of(line, tmp_path))
    assert set(trained) <= {evidence.SHORT_SEARCH}  # which its arm pays for


def test_what_is_kept_was_learned_in_the_training_behind_the_line(tmp_path: Path) -> None:
    compared = 0
    for line in LINES:
        kept = job_of(line, tmp_path).kept
        if not kept.exists():
            continue
        learned = load_state(kept)
        space = LogWeights(**learned["learned"])
        assert len(learned["rounds"]) == len(line["schedule"])
        for round, weights in zip(learned["rounds"], line["schedule"], strict=True):
            assert np.abs(np.array(round["x"]) - space.from_weights(weights)).max(1).min() < 1e-9
            compared += 1
    assert compared
