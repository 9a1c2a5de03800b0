"""The windows, in seconds, by which barge-ins and false alarms are judged."""

YIELD_WINDOW_S = 2.0
"""A barge-in is yielded to when the assistant's audio stops within this (tau2-bench, interaction metrics)."""
FALSE_STOP_S = 0.5
"""A false alarm has stopped the assistant when that is inaudible for longer than this, its response unfinished."""
FALSE_STOP_WINDOW_S = 1.0
"""The silence of a false stop begins between the false alarm's onset and this after its end."""
RESUME_WINDOW_S = 3.0
"""A false stop is resumed from when the assistant is audible again within this of the false alarm's end."""
SPURIOUS_WINDOW_S = 2.0
"""A turn stays open for this long after a false alarm's end, so that an answer to it opens within the turn that it disturbed, and is not
taken for the answer to the next utterance (longer than usual endpointing and the time to open a response)."""
