"""What all tests share: fixed seeds, one thread, property tests that repeat."""

import os
import random
import signal
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

# The same examples every time, so that a red build means a changed program; `HYPOTHESIS_PROFILE=explore pytest` looks
# for new ones. No deadline: other work on the machine would decide what passes.
settings.register_profile("repeat", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))

# Tests run side by side, one process a core.
torch.set_num_threads(1)

# A script's background job ignores Ctrl-C, and so do the commands it starts: tests that press it would fail.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _fixed_seeds() -> None:
    """A test that draws random numbers draws the same ones alone and in the whole set, in any order."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  the legacy state is what libraries draw from
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Indices of annotations made by tests do not stay in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADA_SEGMENT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs end without their page and their sheet of pictures: a quarter of so short a run, and other tests' matter."""
    from ada_segment.runs import finish  # with all it draws with, which few tests need

    monkeypatch.setattr(finish, "write_page", lambda run, out: None)
    monkeypatch.setattr(finish, "_draw", lambda *args: None)
