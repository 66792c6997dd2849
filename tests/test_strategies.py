"""Each strategy's own rule, and schedules and controllers as files."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_members import NAMES, QuadraticMember

from ada_segment.controller.stored import load_controller, save_controller
from ada_segment.errors import ConfigError, LossError, RunError
from ada_segment.population.schedule import load_schedule
from ada_segment.population.search import make_task, search
from ada_segment.population.seeds import derive_seed
from ada_segment.population.strategies import STRATEGIES, make_strategy
from ada_segment.population.strategies.base import Strategy, Trial
from ada_segment.population.strategies.replay import Replay, Transfer
from ada_segment.storage import save_state


def started(
    name: str,
    *,
    losses: tuple[str, ...] = NAMES,
    members: int = 8,
    rounds: int = 6,
    seed: int = 5,
    **settings: Any,
) -> Strategy:
    strategy = make_strategy(name, settings)
    strategy.start(make_task(losses, rounds, members, defaults=None, groups=None, seed=seed))
    return strategy


def judged(strategy: Strategy, round: int, rewards: list[float | None]) -> Any:
    plan = strategy.plan(round)
    ones = dict.fromkeys(NAMES, 1.0)
    return strategy.judge(
        round,
        [
            Trial(index=k, weights=plan.weights[k], losses=ones, reward=reward)
            for k, reward in enumerate(rewards)
            if reward is not None
        ],
    )


def test_derived_seeds_are_stable_and_differ() -> None:
    assert derive_seed(0, "round", 0) == derive_seed(0, "round", 0) == 1527649277
    assert len({derive_seed(seed, "round", round) for seed in range(30) for round in range(30)}) == 900


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_a_plan_asked_twice_is_the_same_also_after_a_resume(name: str) -> None:
    strategy = started(name)
    for round in range(3):
        assert strategy.plan(round) == strategy.plan(round)
        judged(strategy, round, [float((3 * k + round) % 8) for k in range(8)])
    other = started(name)
    other.load_state_dict(strategy.state_dict())
    assert other.plan(3) == strategy.plan(3)


def test_random_keeps_its_draw_and_its_state() -> None:
    strategy = started("random")
    first = strategy.plan(0).weights
    assert judged(strategy, 0, [1.0, 5.0, 2.0, None, 0.0, 0.0, 0.0, 0.0]).parents == (0, 1, 2, 1, 4, 5, 6, 7)
    assert strategy.plan(4).weights == first
    assert len({tuple(weights.values()) for weights in first}) == 8


def test_pbt_replaces_the_worst_quarter_by_the_best_and_perturbs_its_weights() -> None:
    strategy = started("pbt")
    before = strategy.plan(0).weights
    verdict = judged(strategy, 0, [8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    assert verdict.best == 0
    assert verdict.parents[:6] == (0, 1, 2, 3, 4, 5)
    assert set(verdict.parents[6:]) <= {0, 1}
    after = strategy.plan(1).weights
    assert after[:6] == before[:6]
    for k in (6, 7):
        for name in NAMES:
            assert after[k][name] / before[verdict.parents[k]][name] == pytest.approx(1.2) or after[k][name] / before[
                verdict.parents[k]
            ][name] == pytest.approx(0.8)
    for round in range(1, 40):
        judged(strategy, round, [float(k) for k in range(8)])
        for weights in strategy.plan(round + 1).weights:
            assert all(0.25 - 1e-9 <= weight <= 4 + 1e-9 for weight in weights.values())


def test_published_starts_with_defaults_and_draws_around_its_mean() -> None:
    strategy = started("published", members=400)
    assert all(weights == dict.fromkeys(NAMES, 1.0) for weights in strategy.plan(0).weights)
    judged(strategy, 0, [0.0] * 400)
    ratios = np.array([list(weights.values()) for weights in strategy.plan(1).weights])
    assert ratios.mean(0) == pytest.approx(np.ones(3), abs=0.05)
    assert ratios.std(0) == pytest.approx(np.full(3, 0.2), abs=0.03)


def test_ada_segment_has_a_member_at_the_mean_and_antithetic_pairs_on_request() -> None:
    strategy = started("ada-segment", antithetic=True)
    for round in range(3):
        plan = strategy.plan(round)
        mean = np.log(list(plan.notes["mean"].values()))
        x = np.log([list(weights.values()) for weights in plan.weights])
        assert x[0] == pytest.approx(mean)
        if round == 0:
            assert x[1::2][:3] + x[2::2] == pytest.approx(np.zeros((3, 3)), abs=1e-12)
        judged(strategy, round, (-((x - 0.3) ** 2).sum(1)).tolist())
    alone = started("ada-segment", members=1)
    assert alone.plan(0).weights == [dict.fromkeys(NAMES, 1.0)]


def test_ada_segment_goes_slower_after_failures() -> None:
    strategy, careless = started("ada-segment"), started("ada-segment")
    rewards: list[float | None] = [0.1, 0.5, -0.5, 0.3, -0.2, 0.2, -0.1, 0.4]
    judged(strategy, 0, [*rewards[:4], None, None, None, None])
    judged(careless, 0, rewards)
    assert strategy.plan(1).notes["step"] == pytest.approx(0.5 * careless.plan(1).notes["step"])


def test_trust_decides_between_prediction_and_observation() -> None:
    target = {"mask": 0.6, "box": -0.6}
    for trust, share in ((0.0, "predicted"), (1.0, "reward")):
        member = QuadraticMember(target=target, noise=0.5)
        result = search(lambda _, m=member: m, losses=NAMES, rounds=4, members=8, trust=trust)
        for record in result.journal:
            rewards = [entry["reward"] for entry in record["members"]]
            predicted = record["controller"]["predicted"]
            wanted = predicted if share == "predicted" else rewards
            if share == "reward":
                limit = 2.5 * record["controller"]["noise"]
                if max(abs(r - p) for r, p in zip(rewards, predicted, strict=True)) > limit:
                    continue
            assert record["best"] == int(np.argmax(wanted))


def test_it_learns_on_a_noisy_quadratic_and_beats_no_learning() -> None:
    target = {"mask": 0.7, "box": -0.7}
    names = (*NAMES, "d", "e")
    x_star = np.array([target.get(name, 0.0) for name in names])

    def distance(strategy: str) -> float:
        member = QuadraticMember(names=names, target=target, noise=0.3)
        result = search(lambda _: member, losses=names, rounds=8, members=6, strategy=strategy, seed=1)
        last = np.log([result.schedule[-1][name] for name in names])
        return float(np.linalg.norm(last - x_star))

    assert distance("ada-segment") < 0.4 < distance("select-only")


@pytest.mark.parametrize("name", ["ada-segment", "published"])
def test_weights_without_effect_drift_by_chance_alone(name: str) -> None:
    """Whole searches of pure noise: over the seeds, the last mean is not above or below the defaults."""
    finals = []
    for seed in range(40):
        strategy = make_strategy(name, {})
        strategy.start(make_task(NAMES, 8, 4, defaults=None, groups=None, seed=seed))
        random = np.random.default_rng(seed)
        for round in range(8):
            judged(strategy, round, random.standard_normal(4).tolist())
        ratios = np.array(list(strategy.plan(7).notes["mean"].values()))
        finals.append(np.log(ratios) if name == "ada-segment" else ratios - 1)
    errors = np.std(finals, 0) / math.sqrt(len(finals))
    assert np.all(np.abs(np.mean(finals, 0)) < 4 * errors)


# -- files -------------------------------------------------------------------------------------------------------------


def test_replay_stretches_or_stays() -> None:
    entries = [{name: float(i) for name in NAMES} for i in range(1, 4)]
    for stretch, expected in ((True, [1, 1, 2, 2, 3, 3]), (False, [1, 2, 3, 3, 3, 3])):
        replay = Replay(entries, stretch=stretch)
        replay.start(make_task(NAMES, 6, 1, defaults=None, groups=None, seed=0))
        assert [replay.plan(t).weights[0]["box"] for t in range(6)] == expected
    same = Replay(entries)
    same.start(make_task(NAMES, 3, 2, defaults=None, groups=None, seed=0))
    assert [same.plan(t).weights for t in range(3)] == [[entry, entry] for entry in entries]


def test_fixed_weights_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.json"
    path.write_text('{"mask": 2, "box": 0, "class": 0.5}')
    assert load_schedule(path) == [{"mask": 2.0, "box": 0.0, "class": 0.5}]


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        (None, RunError, "is missing"),
        ("{", RunError, "JSON"),
        ("[1]", RunError, "no weights"),
        ("{}", LossError, "is not an object"),
        ('{"mask": -1}', LossError, "-1.* of mask"),
        ('{"mask": NaN}', LossError, "mask"),
        ('{"mask": "1"}', LossError, "mask"),
        ('{"mask": true}', LossError, "mask"),
        ('{"losses": ["mask"], "schedule": []}', LossError, "empty"),
        ('{"losses": ["mask"], "schedule": 3}', RunError, "must be lists"),
        ('{"losses": ["mask"], "schedule": [{"mask": 1}, {"box": 1}]}', LossError, "entry 1.*missing: mask"),
        ('{"losses": ["mask", "box"], "schedule": [{"mask": 1}]}', LossError, "entry 0.*missing: box"),
    ],
)
def test_unusable_schedules(tmp_path: Path, text: str | None, error: type[Exception], says: str) -> None:
    path = tmp_path / "weights.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(error, match=says) as caught:
        Replay.load(path)
    assert "weights.json" in str(caught.value)


@pytest.mark.parametrize("name", ["ada-segment", "published"])
def test_controllers_are_stored_and_loaded(tmp_path: Path, name: str) -> None:
    strategy = started(name)
    for round in range(4):
        judged(strategy, round, [math.sin(3 * k + round) for k in range(8)])
    assert strategy.controller is not None
    path = tmp_path / "controller.safetensors"
    save_controller(path, strategy.controller)
    history = [{"mask": 1.0, "box": 2.0, "class": 0.3}, {"mask": 0.5, "box": 1.8, "class": 0.3}]
    loaded = load_controller(tmp_path)
    assert loaded.weights(history, round=2, rounds=6) == strategy.controller.weights(history, round=2, rounds=6)
    about = json.loads((tmp_path / "controller.json").read_text())
    assert about["losses"] == list(NAMES)
    assert about["format"] == 1
    assert {"kind", "version", "defaults", "settings"} <= about.keys()


def searched(folder: Path, *, best: float, rounds: int, seed: int, noise: float = 0.3) -> Path:
    """A search whose reward is highest where log(weight / default) of the mask is `best`, by noisy rewards."""
    random = np.random.default_rng(seed)
    strategy = started("ada-segment", rounds=rounds, seed=seed)
    for round in range(rounds):
        plan = strategy.plan(round)
        rewards = [-((math.log(w["mask"]) - best) ** 2) + noise * random.normal() for w in plan.weights]
        judged(strategy, round, rewards)
    assert strategy.controller is not None
    folder.mkdir()
    save_controller(folder / "controller.safetensors", strategy.controller)
    return folder


def test_a_controller_learns_from_several_searches(tmp_path: Path) -> None:
    """Together they are nearer to the best weights than most of them alone, and no order of them matters much."""
    best = 0.8
    folders = [searched(tmp_path / str(seed), best=best, rounds=4 + seed % 2, seed=seed) for seed in range(5)]

    def error(*paths: Path) -> float:
        weights = load_controller(*paths).weights([], round=0, rounds=5)
        return abs(math.log(weights["mask"]) - best)

    alone = [error(folder) for folder in folders]
    assert error(*folders) < np.mean(alone)
    assert error(*folders) == pytest.approx(error(*folders[::-1]), abs=0.05)
    save_controller(tmp_path / "all.safetensors", load_controller(*folders))
    assert error(tmp_path / "all.safetensors") == error(*folders)
    about = json.loads((tmp_path / "all.json").read_text())
    assert about["rounds_learned"] == 22


def test_a_search_begins_with_what_others_have_learned(tmp_path: Path) -> None:
    """Its first mean is where they ended; it goes on learning, and its state says all that it has learned."""
    folders = [searched(tmp_path / str(seed), best=0.8, rounds=8, seed=seed) for seed in range(2)]
    begun = started("ada-segment", rounds=8, learned=",".join(map(str, folders)))
    first = begun.plan(0).notes["mean"]["mask"]
    assert math.log(first) == pytest.approx(0.8, abs=0.3)
    for round in range(8):
        judged(begun, round, [-((math.log(weights["mask"]) + 0.8) ** 2) for weights in begun.plan(round).weights])
    assert begun.controller is not None
    assert begun.controller.weights([], round=7, rounds=8)["mask"] < 0.75 < 1 < first
    save_controller(tmp_path / "again.safetensors", begun.controller)
    again = load_controller(tmp_path / "again.safetensors")
    assert again.weights([], round=0, rounds=8) == begun.controller.weights([], round=0, rounds=8)
    resumed = started("ada-segment", rounds=8, learned=",".join(map(str, folders)))
    resumed.load_state_dict(begun.state_dict())
    assert resumed.plan(8).weights == begun.plan(8).weights


def test_what_a_search_cannot_begin_with_says_so(tmp_path: Path) -> None:
    published = started("published")
    assert published.controller is not None
    save_controller(tmp_path / "published.safetensors", published.controller)
    with pytest.raises(ConfigError, match=r"learned = .* has learned only"):
        started("ada-segment", learned=str(tmp_path / "published.safetensors"))
    with pytest.raises(RunError, match="is missing"):
        started("ada-segment", learned=str(tmp_path / "nowhere"))
    other = started("ada-segment", losses=("left", "right"))
    assert other.controller is not None
    save_controller(tmp_path / "other.safetensors", other.controller)
    with pytest.raises(ConfigError, match=r"learned = .* knows the groups left, right"):
        started("ada-segment", learned=str(tmp_path / "other.safetensors"))


@given(seed=st.integers(0, 99), noise=st.floats(0.2, 2.0))
def test_who_believes_the_best_weights_far_off_goes_farther(seed: int, noise: float) -> None:
    draw, far = np.random.default_rng(seed), []
    rewards = [float(reward) for reward in draw.normal(0, noise, 8)]
    for spread in (0.1, 0.5, 2.0):
        strategy = started("ada-segment", spread=spread, seed=seed, bound=50.0)
        judged(strategy, 0, rewards)
        mean = strategy.plan(1).notes["mean"]
        far.append(max(abs(math.log(weight)) for weight in mean.values()))
    assert far[0] < far[1] < far[2]


def test_controllers_that_do_not_go_together_say_so(tmp_path: Path) -> None:
    ours = searched(tmp_path / "ours", best=0.5, rounds=2, seed=0)
    other = started("ada-segment", bound=0.7)
    judged(other, 0, [float(k) for k in range(8)])
    assert other.controller is not None
    (tmp_path / "other").mkdir()
    save_controller(tmp_path / "other" / "controller.safetensors", other.controller)
    with pytest.raises(RunError, match=r"ours, .*other: .* other settings"):
        load_controller(ours, tmp_path / "other")
    published = started("published")
    assert published.controller is not None
    (tmp_path / "published").mkdir()
    save_controller(tmp_path / "published" / "controller.safetensors", published.controller)
    with pytest.raises(RunError, match="only controllers of ada-segment"):
        load_controller(ours, tmp_path / "published")
    with pytest.raises(RunError, match="is missing"):
        load_controller(ours, tmp_path / "nowhere")


def test_what_is_no_controller_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is missing"):
        load_controller(tmp_path)
    path = tmp_path / "best.safetensors"
    save_state(path, {"x": torch.zeros(2)}, about={"what": "state of the best member"})
    with pytest.raises(RunError, match="no controller"):
        load_controller(path)
    save_state(path, {"x": 1}, about={"kind": "bayesian", "format": 1})
    with pytest.raises(RunError, match="damaged"):
        load_controller(path)
    save_state(path, {"x": 1}, about={"kind": "bayesian", "format": 99, "version": "9"})
    with pytest.raises(RunError, match="format 99"):
        load_controller(path)


def test_settings_are_checked_by_name_and_value() -> None:
    with pytest.raises(ConfigError, match="did you mean quantile"):
        make_strategy("pbt", {"quantil": 0.3})
    for name, settings in (
        ("pbt", {"quantile": 0.7}),
        ("random", {"sigma": 0.0}),
        ("published", {"sigma": math.nan}),
        ("pbt", {"factor": 2.0}),
        ("published", {"hidden": 2.5}),
        ("published", {"weight_decay": -1.0}),
        ("ada-segment", {"memory": 0}),
        ("ada-segment", {"memory": 2.5}),
        ("ada-segment", {"memory": math.inf}),
        ("ada-segment", {"fixed_scale": "maybe"}),
        ("ada-segment", {"antithetic": "no"}),
        ("ada-segment", {"spread": 0}),
        ("ada-segment", {"learned": 3}),
    ):
        with pytest.raises(ConfigError, match=next(iter(settings))):
            make_strategy(name, settings)
    for what in (Transfer, None):
        with pytest.raises(ConfigError, match="give a name, or an object rather than its class"):
            make_strategy(what, {})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="did you mean executor"):
        make_strategy("ada-segment", {"executer": "ray"}, beside=["executor", "workers"])
