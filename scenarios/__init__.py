"""What is run: the scenario file, its checks, and the talkers' plans. Pure."""

from scenarios.chaos import HAND, Action, Do, Garbage, Planned, action_from, garbage, hit, timetable
from scenarios.draws import Draw, generator
from scenarios.errors import ScenarioError
from scenarios.model import Scenario
from scenarios.plan import CallPlan, Planner, TurnPlan
from scenarios.read import load_scenario, names, parse_scenario

__all__ = [
    "HAND",
    "Action",
    "CallPlan",
    "Do",
    "Draw",
    "Garbage",
    "Planned",
    "Planner",
    "Scenario",
    "ScenarioError",
    "TurnPlan",
    "action_from",
    "garbage",
    "generator",
    "hit",
    "load_scenario",
    "names",
    "parse_scenario",
    "timetable",
]
