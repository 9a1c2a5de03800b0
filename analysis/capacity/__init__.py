"""How many callers a target holds, where it bends, and what gives in first."""
