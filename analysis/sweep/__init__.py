"""A scenario over a grid of settings: what is to be run, the running of it, and the list of what came of it, which `paper` reads."""
