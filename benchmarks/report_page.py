"""How long a page takes, and how large it is: made-up journals of real size, with pictures, 133 classes and failures.

python benchmarks/report_page.py
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import results_file

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # the journals that the tests make up

from made_histories import (  # noqa: E402
    DEFAULTS,
    SIX,
    make_metrics,
    make_rounds,
    with_controller,
    with_failures,
    write_examples,
    write_run,
)
from PIL import Image  # noqa: E402

from ada_segment.report.page import write_page  # noqa: E402

CASES = ((50, 8, 6), (50, 8, 30), (200, 8, 30))  # rounds, members, losses
REPEATS = 5


def main() -> None:
    """Measure all cases and append one line to results/report_page.jsonl."""
    with tempfile.TemporaryDirectory() as folder:
        cases = [measure(Path(folder) / f"{case}", *case) for case in CASES]
    results_file.append("report_page", {"cases": cases})
    for case in cases:
        print(case)


def measure(folder: Path, rounds: int, members: int, losses: int) -> dict[str, Any]:
    """Seconds of a core and of the clock in a program that runs already, and of the command from its start; size in MB.

    The clock also counts what else the machine does; the core does not.
    """
    run, base = made_run(folder / "run", rounds, members, losses), made_run(folder / "base", rounds, 1, losses)
    core, clock = [], []
    for _ in range(REPEATS):
        started = time.process_time(), time.perf_counter()
        write_page(run, folder / "page.html", baseline=base)
        core.append(time.process_time() - started[0])
        clock.append(time.perf_counter() - started[1])
    began = time.perf_counter()
    command = ["-m", "ada_segment", "report", str(run), "--baseline", str(base), "--out", str(folder / "page.html")]
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    return {
        "rounds": rounds,
        "members": members,
        "losses": losses,
        "core_seconds": statistics.median(core),
        "clock_seconds": statistics.median(clock),
        "command_clock_seconds": time.perf_counter() - began,
        "mb": (folder / "page.html").stat().st_size / 1e6,
    }


def made_run(folder: Path, rounds: int, members: int, losses: int) -> Path:
    names = SIX if losses == len(SIX) else tuple(f"layer{k}.loss" for k in range(losses))
    records = make_rounds(rounds=rounds, members=members, losses=names)
    if members > 1:
        records = with_controller(with_failures(records, rounds=tuple(range(0, rounds, 10))))
    classes = {f"class {k}": k < 80 for k in range(133)}
    defaults = {name: DEFAULTS.get(name, 1.0) for name in names}
    run = write_run(
        folder, records, metrics=make_metrics(classes), config="seed: 0\n", defaults=defaults, rounds=rounds
    )
    write_examples(run, seed=members, pictures=70)
    with Image.open(ROOT / "docs" / "pictures" / "overlays.jpg") as sheet:
        sheet.resize((sheet.width, 2 * sheet.height)).save(run / "overlays.png")
    return run


if __name__ == "__main__":
    main()
