"""HTML by small pieces, each escaped where it is made."""

from collections.abc import Iterable, Sequence
from html import escape

from ada_segment.report.colours import BLUE, LineStyle
from ada_segment.report.wording import LIMIT, log_factor


class Html(str):
    """Text that is markup already; everything else is escaped when it is put on a page."""

    __slots__ = ()


def html(value: object) -> Html:
    """`value` as markup: itself if it is, nothing for None, otherwise its text, escaped."""
    if value is None:
        return Html("")
    return value if isinstance(value, Html) else Html(escape(str(value)))


def element(name: str, *children: object, **attributes: str | None) -> Html:
    """`<name attribute="...">children</name>`; `class_` stands for class, `data_x` for data-x; None leaves one out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def join(parts: Iterable[object]) -> Html:
    return Html("".join(html(part) for part in parts))


def table(headings: Sequence[object], rows: Iterable[Sequence[object]], *, groups: int = 0) -> Html:
    """A table that scrolls sideways on a narrow screen; the first `groups` rows are set off."""
    head = element("tr", *(element("th", heading) for heading in headings))
    body = (
        element("tr", *(element("td", cell) for cell in row), class_="group" if place < groups else None)
        for place, row in enumerate(rows)
    )
    return element("div", element("table", element("thead", head), element("tbody", *body)), class_="scroll")


def track(value: float, colour: str) -> Html:
    """A weight relative to its default as a bar from the middle, log scale; left is less."""
    share = 50 * log_factor(value) / LIMIT
    place = f"left:{50 + min(0.0, share):.1f}%;width:{abs(share):.1f}%;background:{_on_page(colour)}"
    return element("span", element("i", style=place), element("b"), class_="track")


def meter(share: float | None) -> Html:
    """A share in [0, 1] as a bar; nothing for None."""
    if share is None:
        return Html("")
    return element("span", element("i", style=f"left:0;width:{100 * share:.1f}%"), class_="track meter")


def _on_page(colour: str) -> str:
    return f"var(--blue, {BLUE})" if colour == BLUE else colour


def legend(styles: dict[str, LineStyle]) -> Html:
    """Names with the lines they have in every figure."""
    entries = []
    for name, style in styles.items():
        dash = f' stroke-dasharray="{" ".join(f"{3 * length:g}" for length in style.dash)}"' if style.dash else ""
        line = Html(
            f'<svg viewBox="0 0 26 10" aria-hidden="true"><path d="M0 5H26" style="stroke:{_on_page(style.colour)}" '
            f'stroke-width="3"{dash}/></svg>'
        )
        entries.append(element("li", line, name))
    return element("ul", *entries, class_="legend")
