"""A run of a master and three workers that ends by its time: whole, and with the talkers of a run of one process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cluster import DEMO, TALKERS, WORKERS, Cluster, cluster, started, whole

LENGTH = ("--run-time", "13s")


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Cluster]]:
    """The run of three workers, and that of one process, made at once."""
    with cluster(tmp_path_factory.mktemp("three")) as three, cluster(tmp_path_factory.mktemp("one")) as one:
        one.start("master", "--headless", *DEMO, *LENGTH, "--host", one.host)
        started(three, *LENGTH)
        for c in (three, one):
            c.ended("master")
        yield three, one


def test_it_ends_by_time(clusters: tuple[Cluster, Cluster]) -> None:
    c, _ = clusters
    assert c.ended("master") == (0 if c.run["valid"] else 1)
    assert [c.ended(name) for name in WORKERS] == [0, 0, 0]
    turns, run = whole(c), c.run
    assert (run["ended"], run["talkers_max"]) == ("complete", TALKERS)
    assert {worker["name"] for worker in run["workers"]} == {"worker-0", "worker-1", "worker-2"}
    assert {worker["pid"] for worker in run["workers"]} == {c.processes[name].pid for name in WORKERS}
    assert sum(worker["turns"] for worker in run["workers"]) == run["totals"]["turns"]
    for worker in run["workers"]:
        assert (worker["state"], worker["talkers_max"], worker["lost_at_s"]) == ("left", 3, None)
        assert abs(worker["clock_offset_s"]) <= worker["clock_error_s"] + 0.001 < 0.2, "one machine has one clock"
        assert worker["turns"] == ((turns["worker"] == worker["name"]) & (turns["kind"] != "false_alarm")).sum()
    assert c.table("timeline")["workers"].max() == 3
    assert "Aggregated" in c.told("master"), "Locust's own statistics"
    counted = sum(int(line.split()[2]) for line in c.told("master").splitlines() if line.startswith("TURN "))
    cut = sum(count for name, count in run["totals"].items() if name.endswith(".cut_by_run_end"))
    assert counted >= run["totals"]["turns"] - cut, "nor do they lose the end"


def questions(c: Cluster) -> dict[int, list[tuple[int, str, str]]]:
    """What each talker asked: turn, clip and voice."""
    turns = whole(c)
    asked = turns[turns["kind"] == "utterance"].sort_values(["talker", "turn"])
    return {talker: list(zip(rows["turn"], rows["clip"], rows["voice"], strict=True)) for talker, rows in asked.groupby("talker")}


def test_the_same_talkers_say_the_same_things_in_one_process_and_in_three(clusters: tuple[Cluster, Cluster]) -> None:
    said = [questions(c) for c in clusters]
    assert len(said[0]) >= TALKERS - 2
    both = set(said[0]) & set(said[1])
    assert len(both) >= TALKERS - 4
    for talker in both:
        common = {turn for turn, *_ in said[0][talker]} & {turn for turn, *_ in said[1][talker]}
        assert common, "each has asked something in both"
        pick = [[one for one in asked[talker] if one[0] in common] for asked in said]
        assert pick[0] == pick[1]
