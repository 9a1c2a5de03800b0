"""What is run: the scenario file, its checks, and the talkers' plans. Pure."""

from scenarios.draws import Draw, generator
from scenarios.errors import ScenarioError
from scenarios.model import Scenario
from scenarios.plan import CallPlan, Planner, TurnPlan
from scenarios.read import load_scenario, names, parse_scenario

__all__ = ["CallPlan", "Draw", "Planner", "Scenario", "ScenarioError", "TurnPlan", "generator", "load_scenario", "names", "parse_scenario"]
