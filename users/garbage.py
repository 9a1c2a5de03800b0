"""Python's collector of reference circles, kept from holding up the talkers.

A full collection looks at every object of the process: a tenth of a second with a thousand talkers, in which nothing is sent or read.
What a session leaves behind forms no circle (a test keeps watch over that), so reference counts alone free it, and the collector can be
left to the little that libraries leave.
"""

from __future__ import annotations

import gc

_YOUNG = 5_000
"""Objects made and not freed that make the collector look at them: seven times Python's own, as it finds next to nothing here, and takes
4 ms for so many."""


def settle() -> None:
    """To be called once everything that lasts as long as the run is there, before the first talker: that is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 40, 1000)
