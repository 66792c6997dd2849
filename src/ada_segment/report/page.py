"""A run as one page that opens anywhere: no script, no request to any address, light and dark, phone and desk."""

import base64
import io
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

from PIL import Image

from ada_segment.errors import RunError
from ada_segment.report.colours import loss_styles
from ada_segment.report.figure_files import inline_svg
from ada_segment.report.figure_style import INK_OF_PAGE
from ada_segment.report.figures import draw_all
from ada_segment.report.history import RoundRecord
from ada_segment.report.markup import Html, element, html, join, legend, table, track
from ada_segment.report.page_answer import answer, page_head
from ada_segment.report.run_files import Run, read_run
from ada_segment.report.tables import by_quality
from ada_segment.report.wording import duration, factor, percent, relative, score, signed
from ada_segment.storage import write_text

PICTURE_WIDTH = 1500  # px; wider ones are made smaller, so that the page stays light
MANY_CLASSES = 40  # more are folded away
FAILURES = 100  # most that are listed

CAPTIONS = {
    "reward": "Each dot is a member after its round. The line is the model that was carried on from round to round.",
    "weights": "Weights of the model that was carried on, relative to the defaults; the bands span all members.",
    "shares": "What each loss contributes to the total that is minimised: weight × loss, as a share of the sum.",
    "losses": "Unweighted losses of the model that was carried on, mean over each round.",
    "controller": "The weights that the controller thought best before each round; the band is how far it explored.",
}
TITLES = {
    "reward": "Reward by round",
    "weights": "The weights move",
    "shares": "Effective shares",
    "losses": "Raw losses",
    "controller": "What the controller wanted",
}


def write_page(run: Path, out: Path, *, baseline: Path | None = None) -> None:
    """Write the report of a run, finished or not, as one self-contained HTML file.

    Args:
        run: folder of the run.
        out: file to write.
        baseline: folder of a run to compare with, usually the same training under default weights.

    Raises:
        RunError: a folder holds no run, or a file in one is damaged; names it.
    """
    write_text(out, render_page(read_run(run), baseline=None if baseline is None else read_run(baseline)))


def render_page(run: Run, *, baseline: Run | None = None) -> str:
    """The page as text; see `write_page`."""
    title = f"{run.path.resolve().name} – Ada-Segment"
    parts = [
        page_head(run),
        answer(run, baseline),
        _figures(run, baseline),
        _weights(run),
        _pictures(run),
        _quality(run, baseline),
        _rounds(run),
        _failures(run),
        _settings(run),
    ]
    style = resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{html(title)}</title><style>{style}</style></head>\n<body>{join(parts)}</body></html>\n"
    )


def _figures(run: Run, baseline: Run | None) -> Html:
    if not run.history.rounds:
        return element("p", "The first round is not over yet; curves come with it.")
    drawn = draw_all(
        run.history,
        defaults=run.defaults,
        baseline=None if baseline is None else baseline.history,
        reward_label=run.reward_label,
        legend=False,
        ink=INK_OF_PAGE,
    )
    figures = [
        element(
            "figure",
            element("h3", TITLES[name]),
            Html(inline_svg(figure, described=CAPTIONS[name])),
            element("figcaption", CAPTIONS[name]),
        )
        for name, figure in drawn.items()
    ]
    styles = loss_styles(run.history.losses)
    return join([element("h2", "How it went"), legend(styles), element("div", *figures, class_="figures")])


def _weights(run: Run) -> Html:
    if not run.history.lineage:
        return Html("")
    record, member = run.history.lineage[-1]
    styles, compared = loss_styles(run.history.losses), relative(member.weights, run.defaults)
    rows = [
        (name, track(compared[name], styles[name].colour), factor(compared[name]), f"{weight:.4g}")
        for name, weight in member.weights.items()
    ]
    note = "" if run.defaults else " The defaults are not known here and count as 1."
    return join(
        [
            element("h2", f"Weights of round {record.round + 1}"),
            element("p", f"Bars reach from a quarter of the default to four times it.{note}", class_="faint"),
            table(("loss", "", "to default", "weight"), rows),
        ]
    )


def _pictures(run: Run) -> Html:
    if not run.pictures:
        return Html("")
    shown = [
        element(
            "figure",
            element("div", _image(path), class_="scroll"),
            None if path.stem == "overlays" else element("figcaption", path.name),
        )
        for path in run.pictures
    ]
    return element("section", element("h2", "What the best model sees"), *shown, class_="pictures")


def _quality(run: Run, baseline: Run | None) -> Html:
    metrics = run.metrics or {}
    key = "tuned" if metrics.get("tuned") else "usual"
    quality = metrics.get(key)
    if not quality:
        return Html("")
    other = (baseline.metrics or {}).get(key) if baseline else None
    headings = ["", "PQ", *(["gain"] if other else []), "SQ", "RQ", "TP", "FP", "FN"]
    groups, classes = {name: quality.get(name) for name in ("all", "things", "stuff")}, dict(by_quality(quality))
    theirs = (other or {}).get("per_class") or {}
    rows = [_quality_row(name, figures, (other or {}).get(name), bool(other)) for name, figures in groups.items()]
    details = [_quality_row(name, figures, theirs.get(name), bool(other)) for name, figures in classes.items()]
    how = "thresholds tuned on the reward split" if key == "tuned" else "usual thresholds"
    split = metrics.get("split", "test")
    note = f"In percent, on the {split} split, {how}. TP, FP, FN: segments matched, too many, missed."
    parts = [element("h2", "Panoptic quality by class"), element("p", note, class_="faint")]
    if len(classes) <= MANY_CLASSES:
        return join([*parts, table(headings, rows + details, groups=len(rows))])
    folded = element("details", element("summary", f"all {len(classes)} classes"), table(headings, details))
    return join([*parts, table(headings, rows, groups=len(rows)), folded])


def _quality_row(
    name: str, figures: Mapping[str, Any] | None, other: Mapping[str, Any] | None, compared: bool
) -> list[str]:
    figures = figures or {}
    label = f"{name} ({figures['n']} classes)" if "n" in figures else name
    row = [label, percent(figures.get("pq"))]
    if compared:
        known = other is not None and "pq" in figures
        row.append(signed(100 * (figures["pq"] - other["pq"]), 1) if known and other is not None else "–")
    row += [percent(figures.get(key)) for key in ("sq", "rq")]
    return row + [str(figures.get(key, "")) for key in ("tp", "fp", "fn")]


def _rounds(run: Run) -> Html:
    if not run.history.rounds:
        return Html("")
    rows = []
    for record in run.history.rounds:
        rewards = [member.reward for member in record.members if member.reward is not None]
        rows.append(
            (
                record.round + 1,
                score(record.chosen.reward) if record.chosen else "–",
                score(_predicted(record)),
                record.best if record.best is not None else "–",
                score(mean(rewards)) if rewards else "–",
                f"{pstdev(rewards):.2f}" if len(rewards) > 1 else "–",
                score(record.controller.get("noise")),
                len(record.members) - len(rewards),
                duration(record.seconds),
            )
        )
    seconds = [record.seconds for record in run.history.rounds]
    times = (
        f"{duration(sum(seconds))} in all; a round took {duration(mean(seconds))} on average, "
        f"{duration(min(seconds))} to {duration(max(seconds))}."
    )
    headings = (
        *("round", "reward of its best", "as predicted", "member", "mean of members", "their spread (SD)"),
        *("noise as estimated (SD)", "failed", "time"),
    )
    listed = element("details", element("summary", f"all {len(rows)} rounds"), table(headings, rows))
    return join([element("h2", "Times and rounds"), element("p", times), listed])


def _predicted(record: RoundRecord) -> float | None:
    """The reward that the controller predicts for the member that stands for the round, where it does."""
    predicted = record.controller.get("predicted") or []
    return predicted[record.best] if record.best is not None and record.best < len(predicted) else None


def _failures(run: Run) -> Html:
    failures = run.history.failures
    if not failures:
        return Html("")
    rows = [
        (round + 1, index, element("span", status, class_="bad wrap")) for round, index, status in failures[:FAILURES]
    ]
    more = f"{len(failures) - FAILURES} more are in history.jsonl." if len(failures) > FAILURES else ""
    note = "A member that failed is left out of the update and goes on from the best one."
    return join(
        [
            element("h2", "Failures"),
            element("p", note, class_="faint"),
            table(("round", "member", "what happened"), rows),
            more,
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
    return join([element("h2", "Settings"), element("details", element("summary", "all settings"), *parts)])


def _image(path: Path) -> Html:
    """The picture inside the page, as WebP."""
    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except OSError as error:
        raise RunError(f"{path} is no picture that can be read ({error}); delete it, or make it again") from None
    if picture.width > PICTURE_WIDTH:
        height = round(picture.height * PICTURE_WIDTH / picture.width)
        picture = picture.resize((PICTURE_WIDTH, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="WEBP", quality=82)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    size = f'width="{picture.width}" height="{picture.height}"'
    return Html(f'<img {size} alt="{html(path.stem)}" src="data:image/webp;base64,{data}">')
