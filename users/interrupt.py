"""Ctrl-C reaches Locust, and cuts nothing of ours in two."""

from __future__ import annotations

import signal

import gevent


def interrupt_between_callbacks() -> None:
    """From now on SIGINT raises KeyboardInterrupt in the main greenlet alone, where Locust waits for it.

    Python raises it in whatever runs, most likely a callback of the event loop: the pacer's or the inbox's, which then never sends or reads
    again, while the talkers are to finish their turns. Where SIGINT is ignored or handled already, it stays so. To be called on the thread
    of the event loop that is to run the talkers.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    hub = gevent.get_hub()
    gevent.signal_handler(signal.SIGINT, lambda: hub.loop.run_callback(hub.parent.throw, KeyboardInterrupt))
