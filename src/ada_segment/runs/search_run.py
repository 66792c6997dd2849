"""A search or a training from settings to a finished run folder."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from ada_segment.config import SearchSettings, Settings
from ada_segment.controller.stored import FILE_NAME as CONTROLLER
from ada_segment.controller.stored import SHIPPED, load_controller, named
from ada_segment.errors import ConfigError, LossError, RunError
from ada_segment.panoptic.registry import LossTable, loss_table
from ada_segment.population.claim import claimed
from ada_segment.population.journal import FILE_NAME as JOURNAL
from ada_segment.population.observer import Observer, Several, Silent
from ada_segment.population.run_folder import checkpoints, refuse_used, strategy_state
from ada_segment.population.schedule import FILE_NAME as SCHEDULE
from ada_segment.population.search import SearchResult, Together, make_task, search
from ada_segment.population.strategies import make_strategy
from ada_segment.population.strategies.base import Strategy
from ada_segment.population.strategies.constant import Default
from ada_segment.population.strategies.replay import Replay, Transfer, known_beforehand
from ada_segment.report.tensorboard import FOLDER as BOARD
from ada_segment.report.tensorboard import TensorBoard
from ada_segment.runs.data import open_data
from ada_segment.runs.finish import finish_run
from ada_segment.runs.live_pictures import LivePictures
from ada_segment.runs.member import build_member, of_the_method
from ada_segment.runs.member_factory import MemberFactory, on_one_device
from ada_segment.runs.places import LOCAL, place_of
from ada_segment.runs.settings_file import FILE_NAME, check_same, forget_settings, write_settings
from ada_segment.runs.splits_file import check_names, names_of
from ada_segment.runs.weight_function import is_function, scheduled
from ada_segment.training.member import PanopticMember, build_fabric
from ada_segment.values import did_you_mean
from ada_segment.weighting.registry import WEIGHTINGS

PATIENCE = 10.0  # seconds for another command that looks at the run, which this one is about to finish


def run_search(
    settings: Settings,
    out: Path,
    *,
    resume: bool = False,
    observer: Observer | None = None,
    tensorboard: bool = False,
) -> SearchResult:
    """Search loss weights (or train one model) and finish the run folder: best model, thresholds, metrics, pictures.

    Args:
        settings: of the run.
        out: run folder.
        resume: go on with a run that was interrupted.
        observer: is told of every round.
        tensorboard: write curves and pictures for TensorBoard into the run folder, while it runs.

    Raises:
        AdaSegmentError: a setting, the data or the folder is not usable; raised before any training.
    """
    if known := resume and (out / FILE_NAME).is_file():
        settings = check_same(out, settings)
    losses = loss_table(settings.model)
    groups = _groups(settings.search, losses)
    # A search that goes on from a checkpoint needs nothing that lies elsewhere.
    goes_on = resume and bool(checkpoints(out))
    strategy = _strategy(settings, known_beforehand(strategy_state(out)) if goes_on else None)
    member_settings = _without_sources(settings) if goes_on else settings
    # The search does the same, but settings are written before it starts, and only those that it can work with.
    if not goes_on:
        _refuse_useless(settings)
        task = make_task(
            list(losses.defaults),
            settings.search.rounds,
            settings.search.members,
            defaults=losses.defaults,
            groups=groups,
            seed=settings.seed,
        )
        try:
            strategy.start(task)
        except LossError as error:
            if settings.search.weights is None:
                raise
            raise LossError(f"weights = {settings.search.weights}: {error}") from None
    place = place_of(settings)
    local = place.kind == LOCAL
    # With several devices for a member, each starts this command from its beginning; workers do that on their own.
    fabric = build_fabric(settings.training if local else on_one_device(settings, accelerator="cpu").training)
    first = fabric.is_global_zero
    if not known and resume and (out / JOURNAL).is_file():
        raise RunError(f"{out} holds no {FILE_NAME}; resume it in the program that has started it")
    if not known and first:
        refuse_used(out, resume=resume)
    fabric.barrier()
    splits = open_data(settings)
    names = names_of(splits, settings.data)
    if resume:
        check_names(out, names, source=settings.data.source)

    # Made before the folder is, since what is wrong with the settings shows here. A local search gets the same one;
    # where workers have members of their own, it takes no room on a GPU.
    one = member_settings if local else on_one_device(member_settings)
    member = build_member(one, splits, seed=settings.seed, fabric=fabric)

    def this_member(seed: int) -> PanopticMember:
        return member

    board = TensorBoard(out / BOARD, defaults=losses.defaults) if tensorboard and first else None
    display: Observer = observer or Silent()
    told = display
    if board is not None:
        show = partial(board.show, "what the best model so far sees")
        told = Several(display, board, LivePictures(out, member=member, dataset=splits.reward, show=show))
    new = first and write_settings(out, settings, names)
    if first:
        # On the display alone: a board would write into the folder, which is not the search's yet.
        counts = [len(part) for part in (splits.train, splits.reward, splits.test)]
        display.said("pictures: {} to learn from, {} for the reward, {} for the test".format(*counts))
    if first and member.fresh:
        display.said(
            f"{settings.training.start} gives all but {len(member.fresh)} parameters, which start fresh: "
            f"{', '.join(member.fresh[:5])}{', ...' if len(member.fresh) > 5 else ''}"
        )
    try:
        result = search(
            this_member if local else MemberFactory(member_settings),
            losses=list(losses.defaults),
            rounds=settings.search.rounds,
            members=settings.search.members,
            strategy=strategy,
            defaults=losses.defaults,
            groups=groups,
            seed=settings.seed,
            out=out if first or resume else None,
            resume=resume,
            executor=place,
            checkpoint_minutes=settings.search.checkpoint_minutes,
            observer=told if first else None,
            together=Together(first=first, barrier=fabric.barrier),
        )
    except Exception:
        # Workers that cannot be had, say: the next command may be another one.
        if new:
            forget_settings(out)
        raise
    if first:
        if not local:
            member = MemberFactory(on_one_device(member_settings))(settings.seed)
        member.load_state_dict(result.best_state)
        # A second command would do it all again, and remove as left over what is being written.
        with claimed(out, patience=PATIENCE):
            metrics = finish_run(out, member, result.best_state, splits, observer=told)
        if board is not None:
            board.finished(metrics, rounds=len(result.journal))
            board.close()
    # The others do not wait for it: what takes the first one longer than their patience would end in a time-out.
    return result


def _without_sources(settings: Settings) -> Settings:
    """Settings of a member whose state is there already: with no model to start from and no pretrained weights."""
    model, training = replace(settings.model, pretrained="none"), replace(settings.training, start=None)
    return replace(settings, model=model, training=training)


def _refuse_useless(settings: Settings) -> None:
    model = settings.model
    if model.hf and not model.name.startswith("hf:"):
        raise ConfigError(
            f"model.hf = {model.hf} does not go with model.name = {model.name}; name an hf: model, or leave it out"
        )


def _strategy(settings: Settings, kept: Strategy | None) -> Strategy:
    """The strategy of a search; for the training of one model, the one that its weights come from.

    Args:
        settings: of the run.
        kept: what its checkpoints keep of weights that are known beforehand; it takes the place of their source.
    """
    weights = settings.search.weights
    if weights is None:
        with of_the_method(settings.search.settings):
            return make_strategy(settings.search.strategy, settings.search.settings)
    if weights in WEIGHTINGS:  # the member's own weighting multiplies the defaults
        return Default()
    if settings.search.settings:
        raise ConfigError(
            f"search.settings = {settings.search.settings} means nothing with weights = {weights}; leave it out"
        )
    if weights == Default.name:
        return Default()
    if kept is not None:
        return kept
    if is_function(weights):
        rounds, epochs_per_round = settings.search.rounds, settings.training.epochs_per_round
        return Replay(scheduled(weights, rounds=rounds, epochs_per_round=epochs_per_round), source=weights)
    path = Path(weights)
    if path.suffix == ".py":
        raise ConfigError(f"weights = {weights}: which function of it? Name it as {weights}:FUNCTION")
    if paths := named(weights):
        return Transfer(load_controller(*paths))
    if not path.exists() and len(path.parts) == 1 and not path.suffix:
        known = [Default.name, *SHIPPED, *WEIGHTINGS]
        raise ConfigError(
            f"weights = {weights}: that is no file or folder, and no weighting{did_you_mean(weights, known)}"
        )
    if path.is_dir() and not (path / SCHEDULE).exists() and not (path / CONTROLLER).exists():
        raise RunError(
            f"weights = {weights}: that folder holds no run; name a run folder, a JSON file, default, or one "
            f"of {', '.join([*SHIPPED, *WEIGHTINGS])}"
        )
    if path.is_dir() and not (path / CONTROLLER).exists():
        raise RunError(f"{path} has learned no controller; name its {path / SCHEDULE} to replay its weights")
    stored = path.is_dir() or path.suffix == Path(CONTROLLER).suffix
    return Transfer(load_controller(path)) if stored else Replay.load(path)


def _groups(search_settings: SearchSettings, losses: LossTable) -> dict[str, str] | None:
    if search_settings.groups == "tied":
        return losses.groups
    if search_settings.groups == "free":
        return None
    raise ConfigError(f"search.groups = {search_settings.groups!r} is unknown; choose tied or free")
