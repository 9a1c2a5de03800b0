"""Since which run a metric is better or worse, and what stood out within one."""
