"""Network profiles: what lies between a talker and the assistant, as a user writes it and as numbers for `users/transit.py`."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from functools import cache
from random import Random
from statistics import NormalDist
from typing import Annotated, NamedTuple

from pydantic import Field

from scenarios.draws import Draw, Lognormal, generator
from scenarios.parts import NotNegative, Part, Positive, Share

QUANTILES = 1024
"""Entries of a table of quantiles; entry i is the quantile at (i + 0.5) / QUANTILES. What is drawn is one of them, each as likely."""

_NS_PER_MS, _NS_PER_S = 1_000_000, 1_000_000_000
_Z95 = NormalDist().inv_cdf(0.95)
_HOUR_S = 3600.0
_SLACK = 1e-6

Bandwidth = Annotated[float, Field(ge=8, le=10_000_000, strict=True)]


class Stalls(Part):
    """Times in which nothing passes, either way; what was sent meanwhile waits."""

    per_min: Annotated[Positive, Field(le=60)] = Field(description="stalls per minute that begin while there is none, on average")
    seconds: Draw = Field(description="how long one lasts, in seconds")


class Network(Part):
    """One network profile. What is left out is not emulated."""

    delay_ms: Annotated[NotNegative, Field(le=60_000)] = Field(0.0, description="least one-way delay, in each direction")
    jitter_ms: Draw = Field(Draw(fixed=0.0), description="delay on top of it, drawn for each message; messages never overtake one another")
    up_kbit_s: Bandwidth | None = Field(None, description="bandwidth from the talker to the assistant")
    down_kbit_s: Bandwidth | None = Field(None, description="bandwidth from the assistant to the talker")
    loss: Annotated[Share, Field(le=0.5)] = Field(0.0, description="share of TCP segments that are lost and sent again")
    stalls: Stalls | None = Field(None, description="times in which nothing passes either way: `{per_min: 1, seconds: 2}`")
    resets_per_hour: NotNegative = Field(0.0, description="connections reset per hour of a session, on average")
    half_open_per_hour: NotNegative = Field(
        0.0, description="connections per hour of a session on which nothing passes any more and nobody is told, on average"
    )
    reads_kbit_s: Bandwidth | None = Field(
        None, description="rate at which the talker reads its socket, so that the assistant feels backpressure"
    )

    @property
    def transparent(self) -> bool:
        """Whether nothing is emulated."""
        return self == Network()


def _lognormal(median: float, p95: float) -> Draw:
    return Draw(lognormal=Lognormal(median=median, p95=p95))


NETWORKS: Mapping[str, Network] = {
    "ideal": Network(),
    "wifi": Network(delay_ms=1, jitter_ms=_lognormal(7, 40), up_kbit_s=15_000, down_kbit_s=30_000, loss=0.001),
    "4g": Network(delay_ms=30, jitter_ms=_lognormal(5, 15), up_kbit_s=12_000, down_kbit_s=12_000, loss=0.002),
    "3g": Network(delay_ms=130, jitter_ms=_lognormal(20, 80), up_kbit_s=768, down_kbit_s=1600, loss=0.005),
    "lossy": Network(delay_ms=30, jitter_ms=_lognormal(5, 30), up_kbit_s=3000, down_kbit_s=4000, loss=0.05),
    "satellite": Network(delay_ms=280, jitter_ms=_lognormal(10, 30), up_kbit_s=3000, down_kbit_s=25_000, loss=0.0001),
}
"""The profiles that come with Doubletalk; `docs/networks.md` has the source of each number."""


def check_network(network: object, own: Mapping[str, Network]) -> None:
    """Whether it is None, the name of a profile, or a mix of profiles whose shares add up to 1. Raises ValueError with what to do."""
    if isinstance(network, str):
        names = [network]
    elif isinstance(network, dict) and network and all(_is_share(share) for share in network.values()):
        names = [str(name) for name in network]
        if abs(sum(network.values()) - 1.0) > _SLACK:
            raise ValueError(f"the shares of a mix must add up to 1, these make {sum(network.values()):g}")
    elif network is None:
        names = []
    else:
        raise ValueError("write the name of a profile, or a mix of them such as {3g: 0.2, 4g: 0.8}")
    for name in names:
        if name not in own and name not in NETWORKS:
            raise ValueError(f"no network {name!r}: there are {', '.join({**NETWORKS, **own})}; or describe it under networks")


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def network_of(seed: int, talker: int, network: str | Mapping[str, float] | None) -> str | None:
    """Name of a talker's profile: `network`, or drawn from its mix; None where there is none."""
    if network is None or isinstance(network, str):
        return network
    left = generator(seed, talker, "network").random() * sum(network.values())
    chosen = None
    for name, share in network.items():
        if share > 0 and left >= 0:
            chosen = name
        left -= share
    return chosen


def profile_of(name: str, own: Mapping[str, Network]) -> Network:
    """The profile with this name, a user's own before one that comes with Doubletalk. Raises KeyError."""
    return own[name] if name in own else NETWORKS[name]


class Numbers(NamedTuple):
    """A profile as `users/transit.py` and its twin in C take it. Rates are picoseconds per byte, 0: unlimited. `jitter`, `gaps`, `lengths`:
    tables of quantiles in ns, packed as native 64-bit integers; `gaps` from the end of a stall to the next, empty where there are none.
    `loss`: chance in 2^32."""

    base_ns: int
    up_ps: int
    down_ps: int
    jitter: bytes
    loss: int
    rtt_ns: int
    gaps: bytes
    lengths: bytes
    read_ps: int


@cache
def numbers(network: Network) -> Numbers:
    """The profile's numbers; the tables are shared by all sessions with it."""
    base_ns, mean_ns = round(network.delay_ms * _NS_PER_MS), round(_mean(network.jitter_ms) * _NS_PER_MS)
    stalls = network.stalls
    return Numbers(
        base_ns,
        _ps_per_byte(network.up_kbit_s),
        _ps_per_byte(network.down_kbit_s),
        _table(network.jitter_ms, _NS_PER_MS),
        round(network.loss * 2**32),
        2 * (base_ns + mean_ns),
        _table(Draw(exponential=60.0 / stalls.per_min), _NS_PER_S) if stalls else b"",
        _table(stalls.seconds, _NS_PER_S) if stalls else b"",
        _ps_per_byte(network.reads_kbit_s),
    )


class Fate(NamedTuple):
    """What happens to one session. `seed`: of its delays. Seconds from the session's opening; None: it does not happen."""

    seed: int
    reset_s: float | None
    half_open_s: float | None


def fate(seed: int, talker: int, session: int, network: Network) -> Fate:
    """Drawn from (run seed, talker number, session number) alone; of a reset and a half-open connection, the first one happens."""
    rng = generator(seed, talker, "network", session)
    bits, reset_s, half_open_s = rng.getrandbits(64), _first(network.resets_per_hour, rng), _first(network.half_open_per_hour, rng)
    return Fate(bits, reset_s if reset_s < half_open_s else None, half_open_s if half_open_s < reset_s else None)


def quantile(draw: Draw, share: float) -> float:
    """The value that `share` (above 0, below 1) of what is drawn stays below, in the unit of the distribution."""
    if draw.fixed is not None:
        return draw.fixed
    if draw.uniform is not None:
        low, high = draw.uniform
        return low + share * (high - low)
    if draw.exponential is not None:
        return -draw.exponential * math.log1p(-share)
    if draw.lognormal is None:
        raise AssertionError("a validated draw has one distribution")
    sigma = math.log(draw.lognormal.p95 / draw.lognormal.median) / _Z95
    return draw.lognormal.median * math.exp(sigma * NormalDist().inv_cdf(share))


def _mean(draw: Draw) -> float:
    return sum(quantile(draw, (i + 0.5) / QUANTILES) for i in range(QUANTILES)) / QUANTILES


def _table(draw: Draw, scale: int) -> bytes:
    return array("q", (round(quantile(draw, (i + 0.5) / QUANTILES) * scale) for i in range(QUANTILES))).tobytes()


def _ps_per_byte(kbit_s: float | None) -> int:
    return round(8e9 / kbit_s) if kbit_s else 0


def _first(per_hour: float, rng: Random) -> float:
    """Seconds to the first event; the draw is made in any case, so that it changes nothing that is drawn behind it."""
    unit = rng.expovariate(1.0)
    return unit * _HOUR_S / per_hour if per_hour else math.inf
