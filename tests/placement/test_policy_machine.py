"""The policy in random clusters: models, cards, requests, deaths, losses and restarts, every decision checked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from deployments.placement import policy
from deployments.placement.facts import FOREVER, Card, Footprint, Phase, Rules, State
from deployments.placement.simulation.requests import Request
from deployments.placement.simulation.world import World
from tests.placement.checked import UNHELPED, Checked, Decide, Steered

LONGEST = 2.0
STOP = 0.25
INTERVAL = 0.1

FOOTPRINT = st.builds(
    Footprint,
    need=st.integers(1, 11),
    load_seconds=st.sampled_from([0.25, 1.0, 3.0]),
    concurrency=st.integers(1, 2),
    max_replicas=st.sampled_from([1, 1, 2, 3]),
    keep_alive=st.sampled_from([FOREVER, FOREVER, 0.0, 2.0]),
    pinned=st.sampled_from([False] * 6 + [True]),
    prewarm=st.sampled_from([False] * 4 + [True]),
)


class Cluster(RuleBasedStateMachine):
    """Ray does here what the policy expects: a replica starts on the card that it was meant for."""

    decide: Decide = staticmethod(policy.decide)
    faithful = True

    @initialize(
        budgets=st.lists(st.integers(4, 10), min_size=1, max_size=4),
        footprints=st.lists(FOOTPRINT, min_size=2, max_size=6),
        turn=st.sampled_from([0.5, 2.0, 5.0]),
        data=st.data(),
    )
    def build(self, budgets: list[int], footprints: list[Footprint], turn: float, data: st.DataObject) -> None:
        rules = Rules(turn=turn, turn_per_load=0.5, linger=0.2, start_limit=20.0)
        self.data = data
        self.names = [f"model-{i}" for i in range(len(footprints))]
        self.policy = Checked(
            rules, self.decide, faithful=self.faithful, longest_request=LONGEST, stop_seconds=STOP, interval=INTERVAL
        )
        self.steered = Steered(self.policy)
        self.world = World(
            [Card(f"card-{i}", budget) for i, budget in enumerate(budgets)],
            dict(zip(self.names, footprints, strict=True)),
            self.steered,
            interval=INTERVAL,
            stop_seconds=STOP,
            choose=self.choose,
            tells_cards=self.faithful,
        )
        self.asked: list[Request] = []
        self.cards = len(budgets)

    def choose(self, deployment: str, fitting: Sequence[str], free: Mapping[str, int]) -> str:
        return self.steered.choose(deployment, fitting, free)

    @rule(model=st.integers(0, 5), count=st.integers(1, 4), seconds=st.floats(0.05, LONGEST))
    def ask(self, model: int, count: int, seconds: float) -> None:
        name = self.names[model % len(self.names)]
        for _ in range(count):
            request = Request(name, self.world.clock, seconds)
            self.asked.append(request)
            self.world.arrive(request)

    @rule(seconds=st.sampled_from([0.0, 0.05, 0.3, 1.0, 4.0, 15.0]))
    def wait(self, seconds: float) -> None:
        self.world.step(self.world.clock + seconds)

    @rule(jobs=st.lists(st.lists(st.integers(0, 5), max_size=3), max_size=2))
    def plan_jobs(self, jobs: list[list[int]]) -> None:
        self.world.hints = [[self.names[i % len(self.names)] for i in job] for job in jobs]

    @precondition(lambda self: any(self.world.processes.values()))
    @rule(pick=st.integers(0, 100))
    def kill(self, pick: int) -> None:
        living = [process for some in self.world.processes.values() for process in some]
        self.disturb()
        self.world.kill(living[pick % len(living)])

    @precondition(lambda self: len(self.world.cards) > 1)
    @rule(pick=st.integers(0, 3))
    def lose_card(self, pick: int) -> None:
        self.disturb()
        self.world.lose(sorted(self.world.cards)[pick % len(self.world.cards)])

    @precondition(lambda self: len(self.world.cards) < 4)
    @rule(budget=st.integers(4, 10))
    def add_card(self, budget: int) -> None:
        self.disturb()
        self.cards += 1
        self.world.join(Card(f"card-{self.cards}", budget))

    @rule()
    def restart_controller(self) -> None:
        self.disturb()
        self.world.state = State()

    def disturb(self) -> None:
        self.policy.disturbed = self.world.clock

    @invariant()
    def within_budget(self) -> None:
        held: dict[str, int] = defaultdict(int)
        for name, processes in self.world.processes.items():
            for process in processes:
                if process.card is not None:
                    held[process.card] += self.world.footprints[name].need
        for card in self.world.cards.values():
            assert held[card.id] <= card.budget

    @invariant()
    def no_start_hangs(self) -> None:
        """As long as Ray does what is expected, whatever is asked for has a card."""
        if self.faithful and self.policy.disturbed < self.world.clock:
            for processes in self.world.processes.values():
                for process in processes:
                    assert process.card is not None or process.phase is not Phase.STARTING

    def teardown(self) -> None:
        """Left alone, every request is answered that can be, and no deployment waits for ever."""
        if not hasattr(self, "world"):
            return
        self.disturb()
        self.world.step(self.world.clock + 3000.0)
        decision = self.world.decide()
        unhelped = {wait.deployment for wait in decision.waiting if wait.cause in UNHELPED}
        for request in self.asked:
            assert request.done is not None or request.deployment in unhelped, f"{request} was never answered"
        for name in unhelped:
            footprint, free = self.world.footprints[name], dict.fromkeys(self.world.cards, 0)
            for card in self.world.cards.values():
                free[card.id] = card.budget
            for other, processes in self.world.processes.items():
                if self.world.footprints[other].pinned and other != name:
                    for process in processes:
                        free[str(process.card)] -= self.world.footprints[other].need
            assert all(room < footprint.need for room in free.values()), f"{name} would fit"


class CapriciousCluster(Cluster):
    """Ray puts replicas on any card that has room, and says where only once they run."""

    faithful = False

    def choose(self, deployment: str, fitting: Sequence[str], free: Mapping[str, int]) -> str:
        return fitting[self.data.draw(st.integers(0, len(fitting) - 1)) if self.drawing else 0]

    drawing = True

    def teardown(self) -> None:
        self.drawing = False  # hypothesis has no more to give
        super().teardown()


LIMITS = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
TestCluster = Cluster.TestCase
TestCluster.settings = LIMITS
TestCapriciousCluster = CapriciousCluster.TestCase
TestCapriciousCluster.settings = settings(LIMITS, max_examples=40)
