"""The page: complete for any state of a run, safe for any name, and made of numbers from the run folder alone."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from made_histories import DEFAULTS, make_metrics, make_rounds, with_failures, write_run
from PIL import Image

from ada_segment.errors import RunError
from ada_segment.report.page import render_page, write_page
from ada_segment.report.run_files import read_run

CLASSES = {"ball": True, "crate": True, "sky": False, "sand": False}
EVIL = '<script>alert("x")</script>&$x_y$'
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Tags, attributes and the text that a reader sees; refuses tags that do not close."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.pieces: list[str] = []
        self.feed(markup)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.pieces.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.pieces).split())


def made_run(folder: Path, *, rounds: int = 18, **identity: Any) -> Path:
    run = write_run(
        folder,
        with_failures(make_rounds(rounds=rounds), rounds=(1,)),
        metrics=make_metrics(CLASSES),
        config="training:\n  reward: pq-tuned\n",
    )
    (run / "checkpoints").mkdir(exist_ok=True)
    about = {"defaults": DEFAULTS, "rounds": rounds, "seed": 3, "strategy": "ada-segment", **identity}
    (run / "checkpoints" / "round-00017.json").write_text(json.dumps(about))
    Image.new("RGB", (1800, 300), "red").save(run / "overlays.png")
    return run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return made_run(tmp_path / "demo")


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    folder = write_run(
        tmp_path / "base",
        make_rounds(rounds=18, members=1, moving=False, seed=4),
        metrics=make_metrics(CLASSES, scale=0.9),
        config="search:\n  weights: default\n",
    )
    return folder


def check_safe(markup: str) -> Page:
    """No script, no address that a browser would ask for, everything closed."""
    page = Page(markup)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed", "form", "base"}
    for tag, attributes in page.tags:
        assert not [key for key in attributes if key.startswith("on")]
        for key, value in attributes.items():
            if key in ("src", "href", "xlink:href", "srcset", "action", "poster"):
                assert value is not None
                assert value.startswith(("data:image/webp;base64,", "#")), (tag, key, value[:60])
    assert all(target.startswith("#") for target in re.findall(r"url\([\"']?([^)\"']*)", markup))
    assert "@import" not in markup
    return page


def test_every_number_comes_from_the_run_folder(run: Path, baseline: Path) -> None:
    text = check_safe(render_page(read_run(run), baseline=read_run(baseline))).text
    metrics, theirs = (json.loads((folder / "metrics.json").read_text()) for folder in (run, baseline))
    for key in ("tuned", "usual"):
        gain = 100 * (metrics[key]["all"]["pq"] - theirs[key]["all"]["pq"])
        sign = "+" if gain >= 0 else "−"
        assert f"{100 * metrics[key]['all']['pq']:.1f}" in text
        assert f"{sign}{abs(gain):.2f} against default weights ({100 * theirs[key]['all']['pq']:.1f})" in text
    records = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    best, round = max((r["members"][r["best"]]["reward"], r["round"]) for r in records)
    assert f"best reward {best:.2f} of round {round + 1}" in text
    assert "5 × one training" in text
    assert "failures 1" in text
    last = records[-1]["members"][records[-1]["best"]]["weights"]
    for name, weight in last.items():
        assert f"{name} ×{weight / DEFAULTS[name]:.2f} {weight:.4g}" in text
    for name, figures in metrics["tuned"]["per_class"].items():
        gain = 100 * (figures["pq"] - theirs["tuned"]["per_class"][name]["pq"])
        row = f"{name} {100 * figures['pq']:.1f} {gain:+.1f} {100 * figures['sq']:.1f}".replace("-", "−")
        assert row in text
    for record in records:
        rewards = [m["reward"] for m in record["members"] if m["reward"] is not None]
        row = f"{record['round'] + 1} {max(rewards):.2f} – {record['best']} {sum(rewards) / len(rewards):.2f}"
        assert row in text
    assert "strategy ada-segment, seed 3, 18 rounds" in text
    assert "loss_mask = nan" in text
    assert f"--weights {run / 'schedule.json'}" in text
    assert "PQ on the reward split, tuned thresholds, %" in text  # label of the axis
    assert "reward: pq-tuned" in text


def test_the_controller_is_named_where_there_is_one(run: Path) -> None:
    (run / "controller.safetensors").touch()
    assert f"--weights {run} " in Page(render_page(read_run(run))).text


def test_what_the_controller_noted_is_shown(tmp_path: Path) -> None:
    records = make_rounds(rounds=3, members=2)
    for record in records:
        record["controller"] = {"mean": DEFAULTS, "step": 0.3, "predicted": [50.25, None], "noise": 0.1234}
        record["best"] = 0
    page = Page(render_page(read_run(write_run(tmp_path / "run", records))))
    assert "What the controller wanted" in page.text
    assert f"1 {records[0]['members'][0]['reward']:.2f} 50.25 0" in page.text
    assert "0.1234" in page.text


def test_a_run_still_going(tmp_path: Path) -> None:
    run = made_run(tmp_path / "going", rounds=2)
    about = {"defaults": DEFAULTS, "rounds": 12, "strategy": "pbt"}
    (run / "checkpoints" / "round-00017.json").write_text(json.dumps(about))
    (run / "metrics.json").unlink()
    (run / "overlays.png").unlink()
    with (run / "history.jsonl").open("a") as file:
        file.write('{"round": 2, "memb')
    page = check_safe(render_page(read_run(run)))
    assert "2 of 12 rounds so far" in page.text
    assert "Panoptic quality" not in page.text


def test_a_run_before_its_first_round_is_over(tmp_path: Path) -> None:
    page = check_safe(render_page(read_run(write_run(tmp_path / "new", []))))
    assert "no member has ended a round well yet" in page.text
    assert "first round is not over" in page.text


def test_a_run_in_which_everything_failed(tmp_path: Path) -> None:
    records = make_rounds(rounds=2, members=60)
    for record in records:
        record["best"] = None
        for member in record["members"]:
            member.update(reward=None, losses=dict.fromkeys(member["losses"]), status=f"failed: {EVIL}")
    page = check_safe(render_page(read_run(write_run(tmp_path / "bad", records))))
    assert "failures 120" in page.text
    assert page.text.count(EVIL) == 100
    assert "20 more are in history.jsonl" in page.text


def test_many_rounds_losses_classes_and_names_with_markup(tmp_path: Path) -> None:
    losses = (EVIL, *(f"_loss_{k}_layer" for k in range(29)))
    classes = {EVIL: True, **{f"class-{k}": k < 80 for k in range(132)}}
    records = with_failures(make_rounds(rounds=200, members=8, losses=losses), rounds=tuple(range(200)))
    run = write_run(tmp_path / EVIL.replace("/", "_"), records, metrics=make_metrics(classes), config=EVIL)
    out = tmp_path / "report.html"
    write_page(run, out, baseline=run)
    page = check_safe(out.read_text())
    assert page.text.count(EVIL) >= 4  # legend, weights, classes, settings
    assert "all 133 classes" in page.text
    assert out.stat().st_size < 5e6


def test_pictures_are_inside_the_page_and_not_too_large(run: Path) -> None:
    (run / "pictures").mkdir()
    Image.new("RGBA", (64, 64), (0, 0, 255, 100)).save(run / "pictures" / '"><b>.png')
    page = check_safe(render_page(read_run(run)))
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert [picture["width"] for picture in pictures] == ["1500", "64"]
    assert '"><b>.png' in page.text


def test_what_cannot_be_read_is_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"nowhere is no folder"):
        write_page(tmp_path / "nowhere", tmp_path / "report.html")
    (run / "overlays.png").write_bytes(b"no picture")
    with pytest.raises(RunError, match=r"overlays\.png is no picture"):
        write_page(run, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def chromium(*arguments: str, profile: Path) -> subprocess.CompletedProcess[str]:
    """Run headless Chromium, which may not reach out for anything of its own."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium here; install one to see the page as a browser does")
    own = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --enable-logging=stderr --allow-file-access-from-files"
    )
    command = [program, *own.split(), "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={profile}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)


def test_a_browser_shows_it_without_complaint(run: Path, baseline: Path, tmp_path: Path) -> None:
    page, shot = tmp_path / "report.html", tmp_path / "shot.png"
    write_page(run, page, baseline=baseline)
    view = [f"--screenshot={shot}", "--window-size=1280,2000"]
    assert "CONSOLE" not in chromium(*view, page.as_uri(), profile=tmp_path / "p").stderr
    with Image.open(shot) as picture:
        assert len(picture.convert("RGB").getcolors(maxcolors=2**20) or []) > 200
    # The page's own policy makes the browser complain of anything that it would have to ask for.
    page.write_text(page.read_text().replace("</body>", '<img src="http://example.invalid/x.png"></body>'))
    assert "CONSOLE" in chromium(*view, page.as_uri(), profile=tmp_path / "p").stderr


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_sticks_out_at_the_side(run: Path, baseline: Path, tmp_path: Path, width: int) -> None:
    write_page(run, tmp_path / "report.html", baseline=baseline)
    (tmp_path / "frame.html").write_text(
        f'<iframe id="f" width="{width}" height="900" src="report.html"></iframe><p id="answer"></p><script>'
        'f.onload = () => { answer.textContent = "width " + f.contentDocument.documentElement.scrollWidth; };</script>'
    )
    ended = chromium("--dump-dom", (tmp_path / "frame.html").as_uri(), profile=tmp_path / "p")
    found = re.search(r"width (\d+)", ended.stdout)
    assert found is not None, ended.stdout[-500:]
    assert int(found[1]) <= width
