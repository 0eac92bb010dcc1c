"""One random drill: break a day, run it again, compare.

In: a seed and a bench. Out: which points were hit in which step, and what differs. The seed
decides everything but the hair's breadth by which a kill by the clock hits.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from tests.drills.bench import DAYS, Bench
from tests.drills.killer import METHODS, Kill
from tests.drills.processes import Ending
from tests.drills.proxy import ANSWERS, Fault

WORLDS = 4
_WEIGHTS = {"kill": 12, "terminate": 2, "interrupt": 2, "disconnect": 3, "crash": 2, "sleep": 1}
_PAGES = {"users": 4, "tracks": 3, "listen_history": 4}


@dataclass
class Outcome:
    """What a drill did and found.

    Attributes:
        seed: What replays it.
        kind: `load` or `build`.
        hits: How often something struck, by step and how.
        survived: Attempts that succeeded in spite of what struck them.
        differences: What is not as a clean run leaves it.
        notes: What was done, in order.
    """

    seed: int
    kind: str
    hits: Counter[tuple[str, str]] = field(default_factory=Counter)
    survived: int = 0
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def world_of(seed: int) -> int:
    """The world that a drill is about."""
    return seed % WORLDS


def run_drill(bench: Bench, seed: int) -> Outcome:
    """Runs one drill.

    Args:
        bench: Where.
        seed: Decides what happens.
    """
    random = Random(seed)  # noqa: S311 (chance, no secret)
    world = world_of(seed)
    if random.random() < 0.2:
        return _drill_build(bench, random, world, Outcome(seed, "build"))
    return _drill_load(bench, random, world, Outcome(seed, "load"))


def _drill_load(bench: Bench, random: Random, world: int, outcome: Outcome) -> Outcome:
    day = random.choice((0, 1, 1, 2))
    bench.clean(world, min(day + 1, DAYS - 1))
    clean = bench.clean(world, day)
    bench.begin(world, day)
    outcome.notes.append(f"world {world}, day {day}")
    for _ in range(random.choice((1, 1, 2, 3))):
        if random.random() < 0.25:
            _break_source(bench, random, world, day, outcome)
        else:
            if random.random() < 0.2:
                bench.proxy.plan(_transient(random))
            kill = _plan_kill(random, clean.points, clean.seconds)
            ending = bench.load(day, kill, clock=_clock_jump(random))
            bench.proxy.plan()
            _note(outcome, kill, ending)
        outcome.differences += bench.compare_landing(world, at_rest=False)
        if random.random() < 0.15:
            bench.lose_dlt_directory()
            outcome.notes.append("dlt directory lost")
    _finish_day(bench, world, day, outcome)
    if random.random() < 0.2:
        outcome.notes.append("the same day again")
        _finish_day(bench, world, day, outcome)
    if random.random() < 0.4 and day + 1 < DAYS:
        outcome.notes.append("the next day")
        _next_day(bench, world, day + 1, outcome)
    return outcome


def _drill_build(bench: Bench, random: Random, world: int, outcome: Outcome) -> Outcome:
    day = random.choice((0, 1, 2))
    following = min(day + 1, DAYS - 1)
    bench.clean(world, following)
    bench.built(world, following)
    clean, built = bench.clean(world, day), bench.built(world, day)
    bench.begin(world, day, built=True)
    outcome.notes.append(f"world {world}, day {day}")
    if random.random() < 0.4:
        kill = _plan_kill(random, clean.points, clean.seconds)
        _note(outcome, kill, bench.load(day, kill))
        outcome.differences += bench.compare_landing(world, at_rest=False)
    _finish_day(bench, world, day, outcome)
    for _ in range(random.choice((1, 1, 2))):
        kill = _plan_kill(random, Counter(built.nodes), built.seconds)
        _note(outcome, kill, bench.build(kill))
    if random.random() < 0.25 and day + 1 < DAYS:
        # nobody ran the broken build again: the next day has to make up for it
        outcome.notes.append("the next day")
        _next_day(bench, world, day + 1, outcome)
    rebuilt = bench.build()
    if rebuilt.code != 0:
        outcome.differences.append(f"the build after it failed: {rebuilt.message}")
    outcome.differences += bench.compare_marts(world)
    return outcome


def _next_day(bench: Bench, world: int, day: int, outcome: Outcome) -> None:
    bench.serve(world, day)
    _finish_day(bench, world, day, outcome)


def _finish_day(bench: Bench, world: int, day: int, outcome: Outcome) -> None:
    """Runs a load that nothing breaks; it has to succeed, and to leave what a clean one does."""
    ending = bench.load(day)
    if ending.code != 0 or ending.hung:
        outcome.differences.append(f"the load after it failed ({ending.code}): {ending.message}")
        return
    outcome.differences += bench.compare_landing(world, at_rest=True)


def _break_source(bench: Bench, random: Random, world: int, day: int, outcome: Outcome) -> None:
    """A load whose source fails, for a moment or for good."""
    lasting = random.random() < 0.4
    fault = _transient(random)
    if lasting:
        # a time-out at every attempt takes its time
        kinds = [kind for kind in ANSWERS if kind not in {"time-out", "hanging body"}]
        kind = random.choice([*(k for k in kinds if "429" not in k), "insert", "delete"])
        fault = Fault(kind, fault.endpoint, fault.page, None)
    committed = len(bench.days)
    bench.proxy.plan(fault)
    ending = bench.load(day)
    struck = bench.proxy.hits[fault]
    bench.proxy.plan()
    outcome.hits["crawl", f"{fault.kind}, {'lasting' if lasting else 'transient'}"] += 1
    outcome.notes.append(f"{fault}: exit {ending.code} {ending.message[:300]}")
    if not struck:
        outcome.differences.append(f"{fault} never struck")
    if lasting:
        if ending.code != 1 or f"/{fault.endpoint}" not in ending.message:
            outcome.differences.append(f"{fault} ended with {ending.code}: {ending.message}")
        if len(bench.days) != committed:
            outcome.differences.append(f"{fault}: a crawl was committed nevertheless")
    elif ending.code != 0:
        outcome.differences.append(f"{fault} ended with {ending.code}: {ending.message}")
    else:
        outcome.survived += 1
        outcome.differences += bench.compare_landing(world, at_rest=True)


def _transient(random: Random) -> Fault:
    endpoint = random.choice(list(_PAGES))
    if random.random() < 0.2:
        return Fault(random.choice(("insert", "delete", "reorder")), endpoint)
    return Fault(
        random.choice(ANSWERS),
        endpoint,
        random.randint(1, _PAGES[endpoint] - 1),
        random.choice((1, 2)),
    )


def _plan_kill(random: Random, points: Counter[str], seconds: float) -> Kill:
    method = random.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
    assert method in METHODS
    if random.random() < 0.5:
        return Kill(method, seconds=random.uniform(0, 0.95 * seconds))
    point = random.choice(sorted(points))
    return Kill(method, point, random.randint(1, points[point]))


def _clock_jump(random: Random) -> timedelta:
    return timedelta(hours=random.uniform(-72, 0)) if random.random() < 0.1 else timedelta()


def _note(outcome: Outcome, kill: Kill, ending: Ending) -> None:
    # a process that was not killed outright goes on for a moment: it is the point that counts
    step = ending.step
    if kill.point is not None:
        step = next((step for step, point in ending.trail if point == kill.point), step)
    outcome.hits[step, kill.method] += 1
    outcome.survived += ending.code == 0
    outcome.notes.append(f"{kill}: exit {ending.code} in {ending.step} {ending.message[:300]}")
    if ending.hung:
        outcome.differences.append(f"{kill}: the process hung in {ending.trail[-1:]}")
    if ending.code == 2 and not ending.message.startswith("KeyboardInterrupt"):
        outcome.differences.append(f"{kill}: no message for people: {ending.message[:300]}")
