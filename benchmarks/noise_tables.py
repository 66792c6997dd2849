"""Tables on noise: what one round's reward is worth (benchmarks/noise.py), how far members that are alike end up apart
(benchmarks/noise_of_searches.py), how far seeds do, and what of it all searches foretell for each other
(benchmarks/held_out.py)."""

import itertools
import statistics

import results_file
from evidence_tables import BASELINE, of_regime, pq
from held_out import BELIEFS
from markdown_table import latest, table, where


def of_rounds() -> str:
    """What is luck in the reward of one round, and what members that share their order are spared."""
    lines = latest(results_file.read("noise"), "after", "model")
    rows: list[list[object]] = []
    for line in lines:
        default, moved = line["rewards"]["default"], line["rewards"]["moved"]
        gaps = [other - one for one, other in zip(default, moved, strict=True)]
        apart = (statistics.variance(default) + statistics.variance(moved)) ** 0.5
        together = statistics.stdev(gaps)
        rows.append(
            [
                f"{line['after']} of {line['rounds']}",
                line["model"],
                len(default),
                f"{statistics.stdev(default):.2f}",
                f"{statistics.mean(gaps):+.2f}",
                f"{apart:.2f}",
                f"{together:.2f}",
                f"{100 * (1 - (together / apart) ** 2):.0f} %",
                f"{statistics.mean(line['resampled']):.2f}",
                f"{statistics.mean(line['resampled_difference']):.2f}",
            ]
        )
    headings = ["rounds before", "evaluated", "orders", "reward, other orders", "mean difference of two weightings"]
    headings += ["difference, own orders", "difference, same order", "variance that the same order removes"]
    headings += ["reward, other pictures", "difference, other pictures"]
    device = f"{where(lines[-1])}." if lines else ""
    return f"{device}\n\n{table(headings, rows)}"


def of_searches() -> str:
    """Standard deviation of the rewards of members that differ by luck alone, over thirds of a training."""
    rows: list[list[object]] = []
    for line in latest(results_file.read("noise_of_searches"), "regime"):
        rounds = len(line["spreads"][0])
        cuts = [round(rounds * third / 3) for third in range(4)]
        by_third = []
        for first, last in itertools.pairwise(cuts):
            variances = [spread**2 for search in line["spreads"] for spread in search[first:last]]
            by_third.append(f"{statistics.mean(variances) ** 0.5:.2f}")
        rows.append([line["regime"], len(line["spreads"]), rounds, *by_third])
    return table(["regime", "searches", "rounds", "first third", "second", "last"], rows)


FIRST = "the first version"


def foretold() -> str:
    """By searches whose rewards they are, and by what is believed of rewards."""
    rows: list[list[object]] = []
    lines = [line for line in results_file.read("held_out") if line["beliefs"] in (FIRST, *BELIEFS)]
    lines = latest(lines, "regime", "arm", "beliefs")
    for line in sorted(lines, key=lambda line: (line["regime"], line["arm"], line["beliefs"] != FIRST)):
        told = [line.get(teacher) for teacher in ("itself", "one", "all")]
        shares = (f"{100 * figures['explained']:.0f} %" if figures else "" for figures in told)
        correlations = (f"{figures['correlation']:.2f}" if figures else "" for figures in told)
        rows.append([line["arm"], line["regime"], line["searches"], line["beliefs"], *shares, *correlations])
    headings = ["searches", "regime", "how many", "beliefs", "variance that a search foretells of its next rounds"]
    headings += ["of another search", "all others together", "correlation, itself", "another", "all others"]
    return table(headings, rows)


def of_seeds(regimes: dict[str, str]) -> str:
    """Standard deviation over seeds of the test PQ under the default weights. regimes: what the tables call each."""
    rows: list[list[object]] = []
    for regime, name in regimes.items():
        lines = [line for line in of_regime(regime) if line["arm"] == BASELINE]
        if len(lines) > 1:
            by_how = ([pq(line, how, group) for line in lines] for how, group in SEEN)
            rows.append([name, len(lines), *(f"{statistics.stdev(values):.2f}" for values in by_how)])
    return table(["trainings", "seeds", "PQ", "things", "stuff", "PQ, usual thresholds"], rows)


SEEN = (("tuned", "all"), ("tuned", "things"), ("tuned", "stuff"), ("usual", "all"))
