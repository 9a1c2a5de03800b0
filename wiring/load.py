"""How the load of a run goes, where the scenario has it go and not Locust."""

from __future__ import annotations

from typing import Any

from metrics import capacity
from metrics.criteria import judge
from reporting.collector import Collector
from users.clock import SECOND_NS, now_ns
from users.conductor import Conductor, Stand, Step
from users.options import conducted
from users.run import Run
from wiring.quitting import end_run
from wiring.talkers import Talkers


def conduct(environment: Any, run: Run, talkers: Talkers, collector: Collector) -> Conductor | None:
    """Have the load go as the scenario has it. None where Locust's own options say how it goes."""
    if not conducted(run) and not run.timed:
        return None
    steps: list[dict[str, Any]] = []
    begun_ns: dict[str, int] = {}

    def stage(name: str) -> None:
        begun_ns[name] = now_ns()
        run.stages.begin(begun_ns[name], name)
        collector.begin_stage(name)
        talkers.stage(name)

    def held(step: Step) -> capacity.Held:
        judged = [judge(criterion, collector.aggregate.stage(step.stage)) for criterion in run.criteria]
        span_s = ((begun_ns[step.stage] - run.began_ns) / SECOND_NS, (now_ns() - run.began_ns) / SECOND_NS)
        steps[:] = [tried for tried in steps if tried["stage"] != step.stage]  # it was judged when it was shorter
        steps.append(capacity.step(step.stage, step.talkers, judged, span_s))
        return capacity.held(judged)

    stand = Stand(
        order=lambda number, per_s: environment.runner.start(number + run.others, per_s),
        present=lambda: talkers.present(run),
        stage=stage,
        judge=held,
        found=lambda most, fewest, complete: collector.tell("capacity", capacity.found(most, fewest, complete, steps)),
        end=lambda: end_run(environment),
    )
    return Conductor(run.scenario.load, run.began_ns, stand)
