"""Network profiles as they are written, drawn and turned into numbers."""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter
from pathlib import Path

import pytest

from scenarios import ScenarioError, parse_scenario
from scenarios.docs import page
from scenarios.draws import Draw
from scenarios.network import NETWORKS, Network, Stalls, fate, network_of, numbers, profile_of, quantile

PAGE = (Path(__file__).parents[2] / "docs" / "networks.md").read_text(encoding="utf-8")
TRAIN = Network(delay_ms=40, resets_per_hour=2, half_open_per_hour=1)


def parsed(text: str) -> object:
    return parse_scenario(text, "x.yml", "x")


def test_without_a_word_there_is_none() -> None:
    assert parsed("{}").network is None
    assert network_of(1, 0, None) is None


def test_a_name_a_mix_and_a_network_of_ones_own() -> None:
    assert parsed("network: 3g").network == "3g"
    assert parsed("network: {3g: 0.25, wifi: 0.75}").network == {"3g": 0.25, "wifi": 0.75}
    own = parsed("network: train\nnetworks: {train: {delay_ms: 40, jitter_ms: {uniform: [0, 9]}, stalls: {per_min: 2, seconds: 1}}}")
    assert own.networks["train"] == Network(delay_ms=40, jitter_ms=Draw(uniform=(0, 9)), stalls=Stalls(per_min=2, seconds=Draw(fixed=1)))
    assert profile_of("train", own.networks) is own.networks["train"]
    assert profile_of("3g", {"3g": TRAIN}) is TRAIN, "a name of one's own goes first"
    assert profile_of("3g", own.networks) is NETWORKS["3g"]
    assert type(own).model_validate(own.model_dump(mode="json")) == own, "as a master sends it to its workers"


BAD = {
    "network: 5g": "line 1: network: no network '5g': there are ideal, wifi, 4g, 3g, lossy, satellite; or describe it under networks",
    "networks: {train: {}}\nnetwork: trian": "line 2: network: no network 'trian': there are ideal, wifi, 4g, 3g, lossy, satellite, train;",
    "network: {3g: 0.5, wifi: 0.4}": "network: the shares of a mix must add up to 1, these make 0.9",
    "network: {3g: 2, wifi: -1}": "network: write the name of a profile, or a mix of them such as {3g: 0.2, 4g: 0.8}",
    "network: {}": "network: write the name of a profile",
    "network: 3": "network: write the name of a profile",
    "networks: {t: {delay: 3}}": "line 1: unknown key networks.t.delay; did you mean delay_ms? allowed there: delay_ms, jitter_ms",
    "networks:\n  t:\n    loss: 3 %": "line 3: networks.t.loss: Input should be a valid number",
    "networks: {t: {loss: 0.6}}": "networks.t.loss: Input should be less than or equal to 0.5 (found 0.6)",
    "networks: {t: {up_kbit_s: 0}}": "networks.t.up_kbit_s: Input should be greater than or equal to 8 (found 0)",
    "networks: {t: {stalls: {per_min: 1}}}": "networks.t.stalls.seconds is missing",
    "networks: {t: {stalls: 1}}": "networks.t.stalls: write its keys below it",
    "networks: {t: {jitter_ms: fast}}": "networks.t.jitter_ms: write a number, or one of fixed, uniform, exponential, lognormal",
}


@pytest.mark.parametrize("text", BAD)
def test_mistakes_are_told_with_their_line(text: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        parsed(text)
    assert BAD[text] in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_mix_is_drawn_by_seed_and_number_alone() -> None:
    mix = {"3g": 0.2, "nobody": 0.0, "4g": 0.5, "wifi": 0.3}
    drawn = Counter(network_of(7, talker, mix) for talker in range(5000))
    assert set(drawn) == {"3g", "4g", "wifi"}
    for name, count in drawn.items():
        assert count / 5000 == pytest.approx(mix[str(name)], abs=4 * math.sqrt(0.25 / 5000))
    assert [network_of(7, t, mix) for t in range(20)] == [network_of(7, t, dict(mix)) for t in range(20)]
    assert [network_of(7, t, mix) for t in range(20)] != [network_of(8, t, mix) for t in range(20)]
    assert {network_of(1, t, {"a": 1.0, "b": 0.0}) for t in range(50)} == {"a"}


def test_numbers_by_hand() -> None:
    n = numbers(Network(delay_ms=20, jitter_ms=Draw(uniform=(0, 10)), up_kbit_s=800, down_kbit_s=8000, loss=0.25, reads_kbit_s=80))
    assert (n.base_ns, n.up_ps, n.down_ps, n.loss, n.rtt_ns, n.read_ps) == (20_000_000, 10_000_000, 1_000_000, 2**30, 50_000_000, 10**8)
    table = array("q", n.jitter)
    assert len(table) == 1024
    assert (table[0], table[512], table[1023]) == (4883, 5004883, 9995117)
    assert (n.gaps, n.lengths) == (b"", b"")
    stalled = numbers(Network(stalls=Stalls(per_min=6, seconds=Draw(fixed=2))))
    assert sum(array("q", stalled.gaps)) / 1024 == pytest.approx(10e9, rel=0.01)
    assert set(array("q", stalled.lengths)) == {2 * 10**9}


def test_quantiles_of_every_distribution() -> None:
    assert quantile(Draw(fixed=3), 0.9) == 3
    assert quantile(Draw(uniform=(1, 3)), 0.25) == 1.5
    assert quantile(Draw(exponential=2), 0.5) == pytest.approx(2 * math.log(2))
    lognormal = Draw.model_validate({"lognormal": {"median": 20, "p95": 80}})
    assert [quantile(lognormal, p) for p in (0.5, 0.95)] == pytest.approx([20, 80])


def test_the_fate_of_a_session() -> None:
    assert fate(1, 2, 3, TRAIN) == fate(1, 2, 3, TRAIN)
    assert fate(1, 2, 3, TRAIN).seed != fate(1, 2, 4, TRAIN).seed
    calm = fate(1, 2, 3, NETWORKS["3g"])
    assert (calm.reset_s, calm.half_open_s) == (None, None)
    fates = [fate(1, talker, 0, TRAIN) for talker in range(3000)]
    assert all((f.reset_s is None) is not (f.half_open_s is None) for f in fates), "the first of the two"
    firsts = [f.reset_s if f.reset_s is not None else f.half_open_s or 0.0 for f in fates]
    assert sum(firsts) / len(firsts) == pytest.approx(3600 / 3, rel=0.08)
    assert sum(f.reset_s is not None for f in fates) / len(fates) == pytest.approx(2 / 3, abs=0.04)


def test_the_page_has_each_key_with_its_description_and_default() -> None:
    rows = {m[1]: m[0] for m in re.finditer(r"^\| `([\w.]+)` \|.*$", PAGE, re.M)}
    expected = {**Network.model_fields, **{f"stalls.{name}": field for name, field in Stalls.model_fields.items()}}
    for name, field in expected.items():
        assert rows[name].endswith(f"| {field.description} |"), name
        if not field.is_required() and name not in ("jitter_ms", "stalls"):
            assert f"| `{'null' if field.default is None else f'{field.default:g}'}` |" in rows[name], name
    assert "(networks.md)" in page()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_page_has_each_profile_with_its_numbers(name: str) -> None:
    row = re.search(rf"^\| `{name}` \| (.*?) \| (.*?) \| (.*?) \|", PAGE, re.M)
    assert row is not None
    network = NETWORKS[name]
    if network.transparent:
        assert row.groups() == ("none", "unlimited", "0")
        return
    delays = ", ".join(f"{network.delay_ms + quantile(network.jitter_ms, p):.0f}" for p in (0.05, 0.5, 0.95))
    rates = f"{network.up_kbit_s:.0f}, {network.down_kbit_s:.0f}"
    assert row.groups() == (f"{delays} ms", rates, f"{network.loss * 100:g} %")
