"""Numbers on a page, each with where it comes from, so that a test or a reader can compute it again.

A number is `<data value="53.4412" data-run="0" data-from="pq" data-of='["tuned", "all", "pq"]'>53.4</data>`: in full
precision and in the unit shown, of the page's first run folder (`data-runs` of the body), the quantity `pq`, and which
of them. Quantities are named where they are used; tests/recomputed.py says how each follows from the files.
"""

import json
from dataclasses import dataclass

from ada_segment.report.markup import Html, element
from ada_segment.report.wording import duration, factor, percent, score, signed

DASH = Html("–")


@dataclass(frozen=True, slots=True)
class Numbers:
    """Writes the numbers of one run.

    Attributes:
        run: place of its folder among those of the page, from 0.
    """

    run: int = 0

    def text(self, written: str, value: float | None, what: str, *which: object) -> Html:
        """`written` stands for `value`, the quantity `what`; `which` says of what. A dash for None."""
        if value is None:
            return DASH
        of = json.dumps(which, ensure_ascii=False) if which else None
        return element("data", written, value=repr(value), data_run=str(self.run), data_from=what, data_of=of)

    def count(self, value: int | None, what: str, *which: object) -> Html:
        """A whole number."""
        return self.text(str(value), value, what, *which)

    def score(self, value: float | None, what: str, *which: object) -> Html:
        """A reward."""
        return self.text(score(value), value, what, *which)

    def percent(self, share: float | None, what: str, *which: object) -> Html:
        """A share in [0, 1], in percent with one decimal."""
        return DASH if share is None else self.text(percent(share), 100 * share, what, *which)

    def signed(self, value: float | None, what: str, *which: object, decimals: int = 2) -> Html:
        """A difference with its sign."""
        return DASH if value is None else self.text(signed(value, decimals), value, what, *which)

    def factor(self, value: float | None, what: str, *which: object) -> Html:
        """A weight relative to its default."""
        return DASH if value is None else self.text(factor(value), value, what, *which)

    def duration(self, seconds: float | None, what: str, *which: object) -> Html:
        """Seconds, in words."""
        return DASH if seconds is None else self.text(duration(seconds), seconds, what, *which)
