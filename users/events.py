"""Doubletalk's own Locust events. A locustfile listens to them as to Locust's:

    from users import events
    @events.turn.add_listener
    def on_turn(environment, record, **kwargs): ...

Each is fired with `environment` and `record`, in the talker's greenlet, after the thing is over.
"""

from __future__ import annotations

from locust.event import EventHook

token = EventHook()
"""A TokenRecord: a token was minted, or was not."""
session = EventHook()
"""A SessionRecord: a session ended, or never began."""
fault = EventHook()
"""A FaultRecord: a chaos action was done to talkers of this process, or a command of the scenario's was run."""
turn = EventHook()
"""A TurnRecord: an utterance, a barge-in or a false alarm has come to its end."""
