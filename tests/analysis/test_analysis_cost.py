"""What calls cost: on records whose sums can be made by hand."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from analysis_runs import finished

from analysis import RunError, load
from analysis.__main__ import main
from analysis.cost.bill import DAYS_PER_MONTH, bill, per_month
from analysis.cost.prices import UNITS, Price, Prices, read
from analysis.cost.told import document
from analysis.cost.usage import unheard_s, usage
from analysis.document import Text
from analysis.statistics import estimate
from benchmarks.made import make

DAY = datetime.date(2026, 11, 28)
EXAMPLES = Path(__file__).parent.parent.parent / "docs" / "prices"


def prices(*given: tuple[str, float]) -> Prices:
    each = tuple(Price(component=per, price=price, per=per) for per, price in given)
    return Prices(as_of=DAY, source="a test", prices=each)


def rewritten(path: Path, table: str, **columns: Any) -> None:
    """Give columns of a table of the run other values."""
    file = path / f"{table}.parquet"
    frame = pq.read_table(file).to_pandas().assign(**columns)
    pq.write_table(pa.Table.from_pandas(frame, pq.read_schema(file), preserve_index=False), file)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("runs") / "made", 800)


def test_what_was_used_is_what_the_records_say(folder: Path) -> None:
    run = load(folder)
    used, turns, sessions = usage(run), run.turns, run.sessions
    sums = used.calls.sum()
    owed = turns[turns["kind"] != "false_alarm"]
    assert list(used.calls) == list(UNITS)
    assert sums["call"] == sessions["session"].nunique()
    assert sums["request"] == len(owed) == 800
    assert sums["session_hour"] * 3600 == pytest.approx((sessions["closed_s"] - sessions["ready_s"]).sum())
    assert sums["minute_sent"] * 60 == pytest.approx(sessions["frames_sent"].sum() * run.info["frame_ms"] / 1000)
    assert sums["minute_spoken"] * 60 == pytest.approx(((turns["speech_offset_ns"] - turns["speech_onset_ns"]) / 1e9).sum())
    tokens = turns[["input_tokens", "output_tokens", "input_audio_tokens", "cached_tokens", "output_audio_tokens"]].sum()
    assert sums["million_input_tokens"] * 1e6 == pytest.approx(tokens["input_tokens"])
    parts = ["input_text", "input_audio", "cached_text", "cached_audio"]
    assert sum(sums[f"million_{part}_tokens"] for part in parts) * 1e6 == pytest.approx(tokens["input_tokens"])
    assert sums["million_cached_text_tokens"] * 1e6 == pytest.approx(tokens["cached_tokens"])
    assert sums["million_output_audio_tokens"] * 1e6 == pytest.approx(tokens["output_audio_tokens"])
    assert sums["million_output_text_tokens"] * 1e6 == pytest.approx(tokens["output_tokens"] - tokens["output_audio_tokens"])


def test_the_bill_is_prices_times_usage(folder: Path) -> None:
    used = usage(load(folder))
    made = bill(prices(("call", 0.01), ("million_output_audio_tokens", 64.0), ("minute_sent", 0.0)), used)
    calls, audio = made.lines[0], made.lines[1]
    assert calls.cost == pytest.approx(0.01 * len(used.calls))
    assert calls.per_call.value == pytest.approx(0.01)
    assert made.lines[2].cost == 0.0
    assert audio.cost == pytest.approx(64e-6 * load(folder).turns["output_audio_tokens"].sum())
    assert made.total.cost == pytest.approx((calls.cost or 0) + (audio.cost or 0))
    assert made.total.per_1000_requests.value == pytest.approx((made.total.cost or 0) / 800 * 1000)
    assert made.total.per_hour.value == pytest.approx((made.total.cost or 0) / used.calls["session_hour"].sum())
    assert made.whole
    one = made.total.per_call
    assert one.low is not None and one.value is not None and one.high is not None
    assert one.low < one.value < one.high
    assert one.n == used.ended.sum() < len(used.calls), "calls that the run cut are not whole"
    ((load_of, month), (_, by_minutes)) = per_month(1000, 60, made.total)
    assert load_of == "1,000 calls a day"
    assert month.value == pytest.approx(one.value * 1000 * DAYS_PER_MONTH)
    assert by_minutes.value == pytest.approx((made.total.per_hour.value or 0) * DAYS_PER_MONTH)


def test_an_interval_of_a_cost_holds_whatever_the_currency() -> None:
    """Of 300 samples of 60 calls each, whose true cost an hour is known; a price in cents has the same interval, a hundred times."""
    rng = np.random.default_rng(8)
    held = 0
    for _ in range(300):
        hours = rng.lognormal(-4, 0.5, 60)
        cost = hours * 3.0 * rng.lognormal(-0.08, 0.4, 60)
        found, in_cents = (estimate.amount(factor * cost, hours, np.arange(60)) for factor in (1.0, 100.0))
        assert found.low is not None and found.high is not None and in_cents.high is not None
        assert in_cents.high == pytest.approx(100 * found.high)
        held += found.low <= 3.0 <= found.high
    assert 273 <= held <= 297


def test_the_documents_table_comes_back(tmp_path: Path) -> None:
    """The voice bot's STT costs $0.0048 a minute and $0.48 per 1,000 requests, so that a request is 6 s of speech."""
    path = make(tmp_path / "bot", 300)
    onset = pq.read_table(path / "turns.parquet").to_pandas()["speech_onset_ns"]
    kinds = pq.read_table(path / "turns.parquet").to_pandas()["kind"]
    rewritten(path, "turns", speech_offset_ns=onset + np.where(kinds == "false_alarm", 0, 6_000_000_000))
    made = bill(read(EXAMPLES / "voice-bot.yml"), usage(load(path)))
    assert [line.price.component for line in made.lines] == ["Deepgram STT", "Groq LLM", "gTTS"]
    assert [round(line.per_1000_requests.value or 0.0, 4) for line in made.lines] == [0.48, 0.0, 0.0]
    upgraded = bill(prices(("minute_spoken", 0.0048), ("request", 0.0003)), usage(load(path)))
    assert upgraded.total.per_1000_requests.value == pytest.approx(0.78)


def turn(**given: Any) -> pd.DataFrame:
    """An answer of 5 s of audio that arrives at 10 s, is played 60 ms later, and is silenced at 12.06 s, after 2 s of it."""
    plain = {"first_audio_ns": 10e9, "playout_end_ns": 12.06e9, "underrun_s": 0.0, "audio_s": 5.0, "outcome": "interrupted"}
    return pd.DataFrame([{**plain, **given}])


@pytest.mark.parametrize(
    ("given", "left_s"),
    [
        ({}, 3.0),
        ({"underrun_s": 0.5}, 3.5),
        ({"playout_end_ns": np.nan}, 5.0),  # silenced before anything was due
        ({"playout_end_ns": 10.01e9}, 5.0),
        ({"playout_end_ns": 15.06e9}, 0.0),
        ({"outcome": "connection_lost"}, 0.0),
        ({"audio_s": 0.0, "first_audio_ns": np.nan, "playout_end_ns": np.nan}, 0.0),
    ],
)
def test_what_nobody_heard(given: dict[str, Any], left_s: float) -> None:
    assert unheard_s(turn(**given), 0.06).tolist() == pytest.approx([left_s])


def test_audio_that_nobody_heard_costs_its_minutes_and_its_share_of_tokens(folder: Path) -> None:
    run = load(folder)
    used = usage(run)
    left_s = unheard_s(run.turns, 0.06)
    assert used.unheard_s == pytest.approx(left_s.sum())
    assert used.unheard_s > 0
    made = bill(prices(("minute_received", 0.06), ("million_output_tokens", 20.0), ("million_input_tokens", 5.0)), used)
    assert made.lines[0].unheard == pytest.approx(left_s.sum() / 60 * 0.06)
    cut = run.turns[left_s > 0]
    share = left_s[left_s > 0] / cut["audio_s"]
    assert made.lines[1].unheard == pytest.approx((cut["output_tokens"] * share).sum() * 20e-6)
    assert made.lines[2].unheard == 0.0


def texts(path: Path, given: Prices) -> str:
    made = document(load(path), given)
    blocks = [*made.lead, *(block for section in made.sections for block in section.blocks)]
    return "\n".join("\n".join([block.text, *block.items]) for block in blocks if isinstance(block, Text))


def test_what_was_not_told_is_not_known_and_never_nothing(tmp_path: Path) -> None:
    path = make(tmp_path / "made", 200)
    rewritten(path, "turns", output_tokens=None, output_audio_tokens=None)
    given = prices(("million_output_tokens", 20.0), ("call", 0.01))
    made = bill(given, usage(load(path)))
    assert (made.lines[0].cost, made.lines[0].why) == (None, "the assistant told no such usage")
    assert made.total.cost == made.lines[1].cost
    assert not made.whole
    told = texts(path, given)
    assert "**Less than all**" in told
    assert "million_output_tokens per million output tokens: the assistant told no such usage" in told
    alone = bill(prices(("million_output_tokens", 20.0)), usage(load(path)))
    assert (alone.total.cost, alone.total.per_call.value) == (None, None)


def test_what_was_told_in_part_says_so(tmp_path: Path) -> None:
    path = make(tmp_path / "made", 200)
    before = pq.read_table(path / "turns.parquet").to_pandas()["output_tokens"]
    answered = np.flatnonzero(before.notna())
    half = before.where(~before.index.isin(answered[::2]))
    rewritten(path, "turns", output_tokens=half)
    (line,) = bill(prices(("million_output_tokens", 20.0)), usage(load(path))).lines
    assert line.cost == pytest.approx(half.sum() * 20e-6)
    assert line.part == pytest.approx(half.notna().sum() / load(path).turns["response_id"].notna().sum())
    assert "told by 50 % of the answers" in texts(path, prices(("million_output_tokens", 20.0)))


def test_the_load_that_an_hour_is_told_of_is_the_runs_mean(folder: Path) -> None:
    run, given = load(folder), prices(("session_hour", 3.0))
    callers = float((run.sessions["closed_s"] - run.sessions["ready_s"]).sum()) / run.info["duration_s"]
    assert f"Per hour at {callers:.1f} callers, the run's mean: {given.money(3.0 * callers)}" in texts(folder, given)


def test_a_run_that_cut_many_calls_says_that_per_call_is_too_low(folder: Path, tmp_path: Path) -> None:
    path = make(tmp_path / "made", 200)
    outcomes = load(path).sessions["outcome"].to_list()
    assert "calls were cut" not in texts(folder, prices(("call", 1.0))), "16 talkers, of whom each had its last call cut"
    cut = ["cut_by_run_end" if at % 2 else outcome for at, outcome in enumerate(outcomes)]
    rewritten(path, "sessions", outcome=cut)
    used = usage(load(path))
    assert f"{(~used.ended).sum()} of {len(used.ended)} calls were cut by the run's end." in texts(path, prices(("call", 1.0)))


def test_a_run_that_cut_all_calls_does_not_know_what_one_costs(tmp_path: Path) -> None:
    path = make(tmp_path / "made", 200)
    rewritten(path, "sessions", outcome="cut_by_run_end")
    made = bill(prices(("minute_sent", 0.01)), usage(load(path)))
    assert made.total.per_call.value is None
    assert made.total.per_hour.value is not None
    assert "Per call is not known: the run ended before any call did." in texts(path, prices(("minute_sent", 0.01)))


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (
            "as_of: 2026-01-01\nsource: x\nprices:\n  - {component: a, price: 1, per: fortnight}",
            "prices.yml, line 4: prices.0.per: use one of call",
        ),
        (
            "as_of: 2026-01-01\nsource: x\nprices:\n  - {component: a, price: -1, per: call}",
            "line 4: prices.0.price: input should be greater",
        ),
        ("as_of: 2026-01-01\nsource: x\nprices: []", "prices"),
        ("as_of: soon\nsource: x\nprices:\n  - {component: a, price: 1, per: call}", "as_of"),
        ("as_of: 2026-01-01\nprices:\n  - {component: a, price: 1, per: call}", "source is missing"),
        (
            "as_of: 2026-01-01\nsource: x\ncurency: EUR\nprices:\n  - {component: a, price: 1, per: call}",
            "line 3: unknown key curency; did you mean currency?",
        ),
        ("as_of: 2026-01-01\nsource: x\nsource: y", "line 3: source is there twice"),
        ("source: x\nprices: [a\n", "prices.yml, line 3: broken YAML"),
        ("", "a mapping of keys to values"),
        ("- a list", "a mapping of keys to values"),
    ],
)
def test_a_mistake_in_the_prices_is_told_in_a_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], written: str, says: str
) -> None:
    path = tmp_path / "prices.yml"
    path.write_text(written)
    assert main(["cost", str(folder), "--prices", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert str(path) in line


def test_prices_that_are_not_there() -> None:
    with pytest.raises(RunError, match="no such file of prices"):
        read(Path("nowhere.yml"))


def test_the_command_prints_and_writes_it(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["cost", str(folder), "--prices", str(EXAMPLES / "realtime.yml"), "--calls-per-day", "1000"]
    assert main([*given, "--html", str(tmp_path / "page.html")]) == 0
    told = capsys.readouterr().out
    assert "Prices of 2025-08-28" in told
    assert "1,000 calls a day" in told
    assert "OpenAI" in (tmp_path / "page.html").read_text()
    with pytest.raises(SystemExit) as stopped:
        main([*given, "--minutes-per-day", "-3"])
    assert stopped.value.code == 2


def test_a_run_without_usage_and_one_that_is_invalid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = finished(tmp_path)
    info = json.loads((path / "run.json").read_text())
    info.update(valid=False, faults=["loop_lag p99 40.0 ms is over 20 ms"])
    (path / "run.json").write_text(json.dumps(info))
    assert main(["cost", str(path), "--prices", str(EXAMPLES / "realtime.yml")]) == 0
    told = capsys.readouterr().out
    assert told.index("**INVALID") < told.index("1 calls")
    assert "Per call: - (the assistant told no such usage)" in told


@pytest.mark.parametrize(
    ("amount", "shown"), [(None, "-"), (0.0, "$0.00"), (0.48, "$0.48"), (1234.5, "$1,234.50"), (0.0048, "$0.0048"), (0.000052, "$0.000052")]
)
def test_money(amount: float | None, shown: str) -> None:
    assert prices(("call", 1.0)).money(amount) == shown
    assert (
        Prices(currency="EUR", as_of="2026-11-28", source="", prices=(Price(component="a", price=1, per="call"),)).money(2.0) == "EUR 2.00"
    )
