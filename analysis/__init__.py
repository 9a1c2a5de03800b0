"""Afterwards: pandas over run files. Needs neither Locust nor gevent, and reads a run folder from anywhere.

from analysis import load
run = load("runs/20261120-115112-demo")
run.turns.query("kind == 'barge_in'").stop_by_byte_s.describe()
"""

from analysis.load import Loaded, RunError, load

__all__ = ["Loaded", "RunError", "load"]
