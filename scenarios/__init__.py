"""What is run: the scenario file, its checks, and the talkers' plans. Pure."""

from scenarios.draws import Draw, generator
from scenarios.errors import ScenarioError
from scenarios.model import Scenario, load_scenario, names, parse_scenario
from scenarios.plan import CallPlan, Planner, TurnPlan

__all__ = ["CallPlan", "Draw", "Planner", "Scenario", "ScenarioError", "TurnPlan", "generator", "load_scenario", "names", "parse_scenario"]
