"""Pictures on a page: where the run improved most, where it fails worst, and some as they come."""

import base64
import io
from pathlib import Path

from PIL import Image

from ada_segment.errors import RunError
from ada_segment.report.example_files import Example, best, improved, worst
from ada_segment.report.markup import Html, element, html, join
from ada_segment.report.numbers import Numbers
from ada_segment.report.page_shell import section
from ada_segment.report.run_files import Run

ROWS = 4  # pictures of each kind
PICTURE_WIDTH = 1500  # px; wider ones are made smaller, so that the page stays light


def pictures(run: Run, baseline: Run | None) -> Html:
    """All pictures that the run has kept, with the PQ of each."""
    parts: list[Html] = []
    if run.examples:
        if baseline is not None and baseline.examples:
            parts.append(_improved(run, baseline))
        else:
            parts.append(_rows("Where it does best", best(run.examples, ROWS // 2)))
        parts.append(_rows("Where it fails worst", worst(run.examples, ROWS)))
    if run.overlays is not None:
        sheet = _sheet(run.overlays)
        parts.append(element("details", element("summary", "some pictures as they come"), sheet) if parts else sheet)
    return section("What the best model sees", *parts)


def _improved(run: Run, baseline: Run) -> Html:
    pairs = improved(run.examples, baseline.examples, ROWS)
    title = f"Where it improved most over {baseline.called}"
    if not pairs:
        return element("p", "No picture that both runs drew has a higher PQ than under ", baseline.called, ".")
    say, them, rows = Numbers(), Numbers(1), []
    for ours, theirs in pairs:
        gain = say.signed(100 * (ours.pq - theirs.pq), "example-gain", ours.name, decimals=1)
        captions = (
            ours.name,
            "truth",
            join([baseline.called, ": PQ ", them.percent(theirs.pq, "example", theirs.place)]),
        )
        mine = join(["this run: PQ ", say.percent(ours.pq, "example", ours.place), " (", gain, ")"])
        cells = ours.cells()
        rows.append(_row([*cells[:2], theirs.cells()[2], cells[2]], [*captions, mine]))
    return join([element("h3", title), *rows])


def _rows(title: str, examples: list[Example]) -> Html:
    say, rows = Numbers(), []
    for one in examples:
        pq = join(["prediction: PQ ", say.percent(one.pq, "example", one.place)])
        rows.append(_row(one.cells(), [one.name, "truth", pq]))
    return join([element("h3", title), *rows]) if rows else Html("")


def _row(cells: list[Image.Image], captions: list[object]) -> Html:
    shown = [
        element("figure", _inside(cell, str(place)), element("figcaption", caption))
        for place, (cell, caption) in enumerate(zip(cells, captions, strict=True))
    ]
    return element("div", *shown, class_=f"strip of-{len(shown)}")


def _sheet(path: Path) -> Html:
    """A picture file inside the page."""
    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except OSError as error:
        raise RunError(f"{path} is no picture that can be read ({error}); delete it, or make it again") from None
    if picture.width > PICTURE_WIDTH:
        height = round(picture.height * PICTURE_WIDTH / picture.width)
        picture = picture.resize((PICTURE_WIDTH, height), Image.Resampling.LANCZOS)
    return element("figure", element("div", _inside(picture, path.stem), class_="scroll wide"))


def _inside(picture: Image.Image, name: str) -> Html:
    """The picture as WebP in the page itself."""
    buffer = io.BytesIO()
    picture.save(buffer, format="WEBP", quality=82, method=2)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    size = f'width="{picture.width}" height="{picture.height}"'
    return Html(f'<img {size} alt="{html(name)}" src="data:image/webp;base64,{data}">')
