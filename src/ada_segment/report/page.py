"""One run as one page; see page_shell.py for what makes it open anywhere."""

from pathlib import Path

from ada_segment.report.colours import loss_styles
from ada_segment.report.figure_data import shares
from ada_segment.report.figure_style import INK_OF_PAGE, LEGEND_ROWS
from ada_segment.report.markup import Html, element, join, legend, table, track
from ada_segment.report.numbers import Numbers
from ada_segment.report.page_answer import answer, page_head
from ada_segment.report.page_examples import pictures
from ada_segment.report.page_quality import quality
from ada_segment.report.page_rounds import failures, rounds
from ada_segment.report.page_shell import section, shown, wrap
from ada_segment.report.run_figures import draw_all
from ada_segment.report.run_files import Run, read_pair
from ada_segment.report.wording import relative
from ada_segment.storage import write_text

CAPTIONS = {
    "reward": "Each dot is a member after its round. The line is the model that was carried on from round to round.",
    "weights": "Weights of the model that was carried on, relative to the defaults; the bands span all members.",
    "shares": "What each loss contributes to the total that is minimised: weight × loss, as a share of the sum.",
    "losses": "Unweighted losses of the model that was carried on, mean over each round.",
    "controller": "The weights that the controller thought best before each round. The band is how unsure it was, one "
    "standard deviation either way; where it does not tell, how far it explored.",
    "noise": "How far members differed, how wrong the controller's predictions were, and how much of a reward it takes "
    "for chance. Where the spread is no larger than the noise, a round taught little.",
}
TITLES = {
    "reward": "Reward by round",
    "weights": "The weights move",
    "shares": "Effective shares",
    "losses": "Raw losses",
    "controller": "What the controller wanted",
    "noise": "How noisy the rewards were",
}


def write_page(run: Path, out: Path, *, baseline: Path | None = None, refresh: int | None = None) -> None:
    """Write the report of a run, finished or not, as one self-contained HTML file.

    Args:
        run: folder of the run.
        out: file to write.
        baseline: folder of a run to compare with, usually the same training under default weights.
        refresh: seconds after which an open page loads itself again; None for a page that stays.

    Raises:
        RunError: a folder holds no run, a file in one is damaged, or the baseline is on other data; names it.
    """
    found, other = read_pair(run, baseline)
    write_text(out, render_page(found, baseline=other, refresh=refresh))


def render_page(run: Run, *, baseline: Run | None = None, refresh: int | None = None) -> str:
    """The page as text; see `write_page`."""
    parts = [
        page_head(run),
        answer(run, baseline),
        _figures(run, baseline),
        _weights(run),
        pictures(run, baseline),
        quality(run, baseline),
        rounds(run),
        failures(run),
        _settings(run),
    ]
    title = f"{run.path.resolve().name} – Ada-Segment"
    return wrap(title, parts, runs=[run.path, *([baseline.path] if baseline else [])], refresh=refresh)


def _figures(run: Run, baseline: Run | None) -> Html:
    if not run.history.rounds:
        return element("p", "The first round is not over yet; curves come with it.")
    drawn = draw_all(run, baseline=baseline, only=TITLES, legend=False, ink=INK_OF_PAGE)
    captions = dict(CAPTIONS)
    if len(run.history.losses) > LEGEND_ROWS:
        for name in ("weights", "controller"):
            captions[name] += " The lines that end farthest from the defaults stand out."
    figures = [shown(figure, name=name, title=TITLES[name], caption=captions[name]) for name, figure in drawn.items()]
    styles = loss_styles(run.history.losses)
    return join([element("h2", "How it went"), legend(styles), element("div", *figures, class_="figures")])


def _weights(run: Run) -> Html:
    if not run.history.lineage:
        return Html("")
    record, member = run.history.lineage[-1]
    t, say = record.round, Numbers()
    styles, compared = loss_styles(run.history.losses), relative(member.weights, run.defaults)
    parts = shares(member.weights, member.losses)
    rows = [
        (
            name,
            track(compared[name], styles[name].colour),
            say.factor(compared[name], "to-default", t, name),
            say.text(f"{weight:.4g}", weight, "weight", t, name),
            say.percent(parts.get(name), "share", t, name),
        )
        for name, weight in member.weights.items()
    ]
    note = "" if run.defaults else " The defaults are not known here and count as one."
    return join(
        [
            element("h2", "Weights of round ", say.count(t + 1, "round", t)),
            element("p", f"Bars reach from a quarter of the default to four times it.{note}", class_="faint"),
            table(("loss", "", "to default", "weight", "share of the total, %"), rows),
        ]
    )


def _settings(run: Run) -> Html:
    parts = []
    if run.identity:
        asked = [f"{key}: {value}" for key, value in run.identity.items()]
        parts.append(element("pre", "\n".join(asked)))
    if run.config is not None:
        parts.append(element("pre", run.config))
    if not parts:
        return Html("")
    return section("Settings", element("details", element("summary", "all settings"), *parts))
