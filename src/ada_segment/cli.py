"""The command line: one function a command."""

import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress

from ada_segment import config
from ada_segment.data.settings import SCENES
from ada_segment.errors import AdaSegmentError, ConfigError

app = typer.Typer(
    help="Automated multi-loss adaptation for panoptic segmentation.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)
data_app = typer.Typer(help="Generate, check and convert panoptic data.", no_args_is_help=True)
convert_app = typer.Typer(help="Make COCO panoptic data out of other formats.", no_args_is_help=True)
app.add_typer(data_app, name="data")
data_app.add_typer(convert_app, name="convert")

Data = Annotated[
    str | None, typer.Option("--data", help="'scenes' (generated, the default) or a folder in COCO panoptic format.")
]
Model = Annotated[str | None, typer.Option(help="panoptic-fpn, cascade-panoptic-fpn, hf:mask2former, hf:PATH, ...")]
Backbone = Annotated[str | None, typer.Option(help="thin-resnet, resnet50, mobilenet_v3_small, timm:NAME, ...")]
Preset = Annotated[str | None, typer.Option(help="tiny, small, r50-1x, r50-3x, r101-3x or mask2former.")]
Size = Annotated[int | None, typer.Option(help="Shorter side of the pictures in pixels.")]
Seed = Annotated[int | None, typer.Option(help="Of initial parameters, order, augmentation and search.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML file of settings.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Any setting, as training.lr=0.01; repeatable.")]
Executor = Annotated[
    str | None, typer.Option(help="Where members train: local, processes (on this machine) or ray (on any).")
]
Workers = Annotated[int | None, typer.Option(help="Members trained at the same time; one a GPU or core if not given.")]
RayAddress = Annotated[str | None, typer.Option(help="A Ray cluster, auto or HOST:PORT; one of our own if not given.")]
Board = Annotated[
    bool, typer.Option("--tensorboard", help="Write curves and pictures to RUN/tensorboard while it runs.")
]
Start = Annotated[str | None, typer.Option(help="A run folder whose best model the training starts from.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")]
Out = Annotated[Path, typer.Option(help="Run folder.")]
Run = Annotated[Path, typer.Argument(help="Run folder.")]
NewData = Annotated[Path, typer.Argument(help="Folder to write, in COCO panoptic format.")]


@app.command(epilog="Example: ada-segment search --data scenes --preset tiny --members 2 --rounds 3 --out runs/first")
def search(
    out: Out,
    data: Data = None,
    model: Model = None,
    backbone: Backbone = None,
    preset: Preset = None,
    size: Size = None,
    start: Start = None,
    members: Annotated[int | None, typer.Option(help="K, models in the population.")] = None,
    rounds: Annotated[int | None, typer.Option(help="T, intervals between changes of the weights.")] = None,
    strategy: Annotated[
        str | None, typer.Option(help="ada-segment, published, pbt, random, select-only or default.")
    ] = None,
    learned: Annotated[
        str | None,
        typer.Option(
            help="A run folder, or several with commas between them, or scenes, which comes with the package: the "
            "search begins with what they learned."
        ),
    ] = None,
    executor: Executor = None,
    workers: Workers = None,
    ray_address: RayAddress = None,
    seed: Seed = None,
    config_file: ConfigFile = None,
    resume: Resume = False,
    tensorboard: Board = False,
    settings: Set = None,
) -> None:
    """Find the weights of a panoptic model's losses while a small population of it trains."""
    flags = _flags(
        settings,
        data__source=data,
        model__name=model,
        model__backbone=backbone,
        augmentation__size=size,
        training__start=start,
        seed=seed,
        search__members=members,
        search__rounds=rounds,
        search__strategy=strategy,
        search__settings__learned=learned,
        search__executor=executor,
        search__workers=workers,
        search__ray_address=ray_address,
    )
    found = _resolve(preset, config_file, flags)
    if found.search.weights is not None:
        raise ConfigError(
            f"search.weights = {found.search.weights} is for one model, whose weights are known; train it with "
            f"`ada-segment train`, or search with --set search.weights=null"
        )
    _run(found, out, resume, tensorboard)


@app.command(epilog="Example: ada-segment train --data scenes --weights runs/first --epochs 3 --out runs/second")
def train(
    out: Out,
    weights: Annotated[
        str | None,
        typer.Option(
            help="default (if not given), scenes (the controller that comes with the package steers), a run folder "
            "(its own does; of several, with commas between them, one that has learned from all), a JSON file of "
            "weights, a weighting (uncertainty, uw-so, dwa, rlw, famo, gradnorm, pcgrad, ...), or your function of the "
            "epoch as FILE.py:FUNCTION."
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs; rounds x epochs_per_round if not given.")] = None,
    data: Data = None,
    model: Model = None,
    backbone: Backbone = None,
    preset: Preset = None,
    size: Size = None,
    start: Start = None,
    seed: Seed = None,
    config_file: ConfigFile = None,
    resume: Resume = False,
    tensorboard: Board = False,
    settings: Set = None,
) -> None:
    """Train one model under default weights, a stored controller, or a recorded schedule."""
    flags = _flags(
        settings,
        data__source=data,
        model__name=model,
        model__backbone=backbone,
        augmentation__size=size,
        training__start=start,
        seed=seed,
        search__weights=weights,
    )
    if "search.strategy" in flags or flags.get("search.members", 1) != 1:
        raise ConfigError(
            "search.strategy and search.members are for a population, and this trains one model; leave them out, or "
            "use `ada-segment search`"
        )
    if epochs is not None and "search.rounds" in flags:
        raise ConfigError(
            f"--epochs {epochs} and search.rounds = {flags['search.rounds']} both say how long the training is; leave "
            "out one of them"
        )
    flags["search.members"] = 1
    if _resolve(preset, config_file, flags).search.weights is None:
        flags["search.weights"] = "default"
    _run(_resolve(preset, config_file, flags, epochs=epochs), out, resume, tensorboard)


@app.command(epilog="Example: ada-segment evaluate runs/first --split val")
def evaluate(
    run: Run,
    data: Annotated[str | None, typer.Option(help="Other data than the run's own, with the same classes.")] = None,
    split: Annotated[str, typer.Option(help="train, reward or val.")] = "val",
    predictions: Annotated[
        Path | None, typer.Option(help="JSON file to write the predictions to, COCO panoptic.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where to write the figures; RUN/metrics.json by default, RUN/metrics-SPLIT-DATA.json for another "
            "split or other data."
        ),
    ] = None,
) -> None:
    """Score a run's best model: PQ, SQ, RQ of all, things, stuff and every class."""
    from ada_segment.report.tables import metrics_tables
    from ada_segment.runs.evaluation import evaluate_run, figures_file
    from ada_segment.storage import write_json

    out = figures_file(run, out, data=data, split=split)
    metrics = evaluate_run(run, data=data, split=split, predictions_to=predictions)
    Console().print(metrics_tables(metrics))
    write_json(out, metrics)
    typer.echo(str(out))


@app.command(epilog="Example: ada-segment pq --truth panoptic_val.json --prediction predictions.json --json")
def pq(
    truth: Annotated[Path, typer.Option(help="COCO panoptic JSON of the truth; PNGs in the folder of its name.")],
    prediction: Annotated[Path, typer.Option(help="COCO panoptic JSON of the prediction, likewise.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    processes: Annotated[int, typer.Option(help="Worker processes.", min=1)] = 1,
) -> None:
    """Panoptic quality of COCO panoptic files."""
    from ada_segment.data.file_quality import quality_of_files
    from ada_segment.report.tables import quality_table
    from ada_segment.training.metrics import reference_json, result_to_json

    quality = quality_of_files(truth, prediction, processes=processes)
    if as_json:
        typer.echo(json.dumps(reference_json(quality.compute()), indent=1))
    else:
        Console().print(quality_table(result_to_json(quality.compute(), quality.categories)))


@app.command(epilog="Example: ada-segment predict runs/first photo.jpg --out seen")
def predict(
    run: Run,
    images: Annotated[list[Path], typer.Argument(help="Pictures, or folders of pictures.")],
    out: Annotated[Path, typer.Option(help="Folder for overlays and COCO panoptic files.")],
) -> None:
    """Show what a run's best model sees: overlays, and COCO panoptic PNG + JSON."""
    from ada_segment.runs.prediction import predict_pictures

    for overlay in predict_pictures(run, images, out):
        typer.echo(str(overlay))


@app.command(epilog="Example: ada-segment report runs/first --out report.html")
def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run folders; several are compared.")],
    out: Annotated[
        Path | None, typer.Option(help="Page to write; RUN/report.html by default, ./report.html for several runs.")
    ] = None,
    baseline: Annotated[Path | None, typer.Option(help="A run with default weights to compare one run with.")] = None,
    figures: Annotated[Path | None, typer.Option(help="Folder for the figures as SVG, PNG and CSV.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Write the page anew until the run ends, or Ctrl-C.")] = False,
) -> None:
    """Write one page that shows a run: PQ, weights, losses, what the model sees; of several runs, how they compare."""
    from ada_segment.report.page import write_page
    from ada_segment.report.page_arms import write_arm_figures, write_arms_page
    from ada_segment.report.run_figures import write_figures
    from ada_segment.report.tables import arms_table, comparison
    from ada_segment.report.watch import watch_run
    from ada_segment.runs.settings_file import usual_settings

    if len(runs) > 1:
        if baseline is not None or watch:
            raise ConfigError("--baseline and --watch go with one run; of several, name the baseline among them")
        usual = usual_settings()
        write_arms_page(runs, out or Path("report.html"), usual=usual)
        if figures is not None:
            write_arm_figures(runs, figures, usual=usual)
        Console().print(arms_table(runs, usual=usual))
        typer.echo(str(out or Path("report.html")))
        return
    (run,) = runs
    page = out or run / "report.html"
    if watch:
        watch_run(run, page, baseline=baseline, say=typer.echo)
    else:
        write_page(run, page, baseline=baseline)
    if figures is not None:
        write_figures(run, figures, baseline=baseline)
    if baseline is not None:
        Console().print(comparison(run, baseline))
    typer.echo(str(page))


@data_app.command("scenes", epilog="Example: ada-segment data scenes scenes-64 --size 64 --train 100 --val 20")
def data_scenes(
    out: Annotated[Path, typer.Argument(help="Folder to write, in COCO panoptic format.")],
    size: Annotated[int, typer.Option(help="Side in pixels.", min=16)] = 64,
    seed: Annotated[int, typer.Option(help="Of the scenes.", min=0)] = 0,
    train_count: Annotated[int, typer.Option("--train", help="Scenes for training.", min=1)] = 500,
    val_count: Annotated[int, typer.Option("--val", help="Scenes for the test.", min=1)] = 200,
) -> None:
    """Write generated scenes as a COCO panoptic dataset."""
    from ada_segment.data.writing import write_scenes

    write_scenes(out, size=size, seed=seed, train=train_count, test=val_count)
    named = out if str(out) != SCENES else f"./{out}"  # the word alone stands for scenes made on the way
    typer.echo(f"{train_count} + {val_count} scenes in {out}; use them with --data {named}")


@data_app.command("check", epilog="Example: ada-segment data check scenes-64 --statistics --picture sheet.png")
def data_check(
    folder: Annotated[Path, typer.Argument(help="Folder in COCO panoptic format, or one JSON file with --images.")],
    images: Annotated[Path | None, typer.Option(help="Folder of the pictures of one JSON file.")] = None,
    statistics: Annotated[bool, typer.Option("--statistics", help="Print how often each class occurs.")] = False,
    picture: Annotated[Path | None, typer.Option(help="PNG or JPEG to draw some pictures and their truth on.")] = None,
    fix: Annotated[
        Path | None, typer.Option(help="New folder for mended JSON files: areas, boxes, isthing, stated sizes.")
    ] = None,
) -> None:
    """Find everything that is wrong with a dataset; exit status 1 when anything is."""
    from ada_segment.data.check import check_file, check_folder
    from ada_segment.data.mending import mend_folder, refuse_mended
    from ada_segment.data.statistics import Tally
    from ada_segment.report.data_sheet import draw_data_sheet, sheet_kind
    from ada_segment.report.tables import mended_table, problems_table, statistics_tables

    if images is not None and not (picture is None and fix is None):
        raise ConfigError(
            "--picture and --fix are for a folder, and --images for one JSON file; leave out one or the other"
        )
    if images is None and folder.is_file():
        raise ConfigError(f"{folder} is one file; say with --images where its pictures are, or name its folder")
    if picture is not None:
        sheet_kind(picture)
    if fix is not None:
        refuse_mended(folder, fix)
    tallies: dict[str, Tally] = {}
    with _progress("files") as progress:
        if images is None:
            problems = check_folder(folder, progress=progress, tallies=tallies)
        else:
            problems = check_file(folder, images, progress=progress, tallies=tallies)
    if statistics:
        Console().print(statistics_tables(tallies))
    if problems:
        Console().print(problems_table(problems))
    if fix is not None:
        mended = mend_folder(folder, fix)
        Console().print(mended_table(mended) if mended else "nothing could be mended")
    if picture is not None:
        draw_data_sheet(folder, picture)
        typer.echo(str(picture))
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{folder}: nothing wrong")


@convert_app.command(
    "masks",
    epilog="Example: ada-segment data convert masks --images photos/train --semantic classes/train "
    "--instances numbers/train --classes classes.json --split train mine",
)
def convert_masks(
    out: NewData,
    images: Annotated[Path, typer.Option(help="Folder of the pictures.")],
    semantic: Annotated[Path, typer.Option(help="Folder of masks of class ids, NAME.png for each picture.")],
    instances: Annotated[Path, typer.Option(help="Folder of masks of instance numbers, or a COCO instances JSON.")],
    classes: Annotated[str, typer.Option(help="coco, ade20k, cityscapes, or a JSON file of id, name, isthing.")],
    split: Annotated[str, typer.Option(help="train, val or test.")],
    overlap: Annotated[
        str, typer.Option(help="Of two instances of a JSON the smaller one lies on top (area), or the later (order).")
    ] = "area",
    void: Annotated[list[int] | None, typer.Option(help="Values of no class; repeatable, 0 and 255 if none.")] = None,
) -> None:
    """Semantic masks with instance masks, or with a COCO instances JSON; one split a call."""
    from ada_segment.data.class_table import read_classes
    from ada_segment.data.convert.compose import read_overlap
    from ada_segment.data.convert.masks import convert_masks

    with _progress("pictures") as progress:
        converted = convert_masks(
            out,
            split,
            images=images,
            semantic=semantic,
            instances=instances,
            categories=read_classes(classes),
            overlap=read_overlap(overlap),
            void=void or (0, 255),
            progress=progress,
        )
    _show_converted([converted], out)


@convert_app.command("ade20k", epilog="Example: ada-segment data convert ade20k ADEChallengeData2016 ade20k")
def convert_ade20k(
    root: Annotated[Path, typer.Argument(help="ADEChallengeData2016, with annotations_instance.")], out: NewData
) -> None:
    """ADE20K, 100 things and 50 stuff; stuff from the semantic masks, instances over it."""
    from ada_segment.data.convert.ade20k import convert_ade20k

    with _progress("pictures") as progress:
        converted = convert_ade20k(root, out, progress=progress)
    _show_converted(converted, out)


@convert_app.command("cityscapes", epilog="Example: ada-segment data convert cityscapes Cityscapes cityscapes")
def convert_cityscapes(
    root: Annotated[Path, typer.Argument(help="Folder that holds leftImg8bit and gtFine.")], out: NewData
) -> None:
    """Cityscapes from gtFine_instanceIds, 8 things and 11 stuff; groups become crowds."""
    from ada_segment.data.convert.cityscapes import convert_cityscapes

    with _progress("pictures") as progress:
        converted = convert_cityscapes(root, out, progress=progress)
    _show_converted(converted, out)


def _show_converted(parts: Sequence[Any], out: Path) -> None:
    from ada_segment.report.tables import converted_tables

    Console().print(converted_tables(parts))
    typer.echo(f"written to {out}; look at it with: ada-segment data check {out} --picture sheet.png")
    typer.echo("its pictures are hard links to the originals where the disk allows them: change a copy, or both change")


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on the terminal, to be told how many are done, and of how many."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, of: progress.update(task, completed=done, total=of)


def _flags(settings: Sequence[str] | None, **flags: Any) -> dict[str, Any]:
    """Given flags by dotted key (__ stands for the dot), then what --set says, which has the last word."""
    found = {key.replace("__", "."): value for key, value in flags.items() if value is not None}
    for setting in settings or []:
        key, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set {setting!r} is not KEY=VALUE; write for example --set training.lr=0.01")
        found[key] = config.parse_value(value, key)
    return found


def _resolve(
    preset: str | None, file: Path | None, flags: dict[str, Any], *, epochs: int | None = None
) -> config.Settings:
    """The settings of a run; without a preset, over the one for the data that file or flags name."""
    if preset is None:
        preset = config.default_preset(config.resolve(file=file, flags=flags).data.source)
    return config.resolve(preset=preset, file=file, flags=flags, epochs=epochs)


def _run(settings: config.Settings, out: Path, resume: bool, tensorboard: bool) -> None:
    from ada_segment.panoptic.registry import loss_table
    from ada_segment.report.display import LastingConsole, make_display
    from ada_segment.report.run_files import METRICS
    from ada_segment.runs.search_run import run_search
    from ada_segment.runs.summary import show

    # With several devices this command runs once on each; the first one speaks.
    console = LastingConsole(quiet=os.environ.get("LOCAL_RANK", "0") != "0")
    try:
        with make_display(console, defaults=loss_table(settings.model).defaults) as display:
            run_search(settings, out, resume=resume, observer=display, tensorboard=tensorboard)
    except KeyboardInterrupt:
        console.print(f"interrupted; the same command with --resume goes on where {out} is", markup=False)
        raise typer.Exit(130) from None
    if (out / METRICS).exists():  # else this is another rank, and the first one is still at it
        show(out, console)


def main() -> None:
    """Run the command line; errors that a user can act on are one line, never a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name that the terminal cannot show must not end a command
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except AdaSegmentError as error:
        _end(str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _end(f"{where}{error.strerror or error}")
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # torch's, which not every command imports
            raise
        _end(str(error))


def _end(text: str) -> NoReturn:
    typer.secho(f"error: {text}", fg="red", err=True)
    sys.exit(1)
