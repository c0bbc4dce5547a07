from __future__ import annotations

import json
import os

import pytest

from voiceserver.bench.cost import cpu_s
from voiceserver.bench.report import Goal, Report, quantile
from voiceserver.errors import VoiceserverError


def _report() -> Report:
    report = Report("things", "how it was done", ("what", "ms"))
    report.rows = [("first", 12.3), ("second", None)]
    report.goals = [Goal("speed", 300.0, 250, "ms"), Goal("never measured", None, 1, "ms")]
    report.numbers = {"values": [1, 2]}
    return report


@pytest.mark.parametrize("as_json", [True, False])
def test_the_last_line_is_json(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    _report().show(as_json)
    lines = capsys.readouterr().out.strip().splitlines()
    facts = json.loads(lines[-1])
    assert facts["bench"] == "things"
    assert facts["values"] == [1, 2]
    assert facts["goals"]["speed"] == {"value": 300.0, "at_most": 250}
    assert {"cpu", "cores", "commit", "date"} <= set(facts["machine"])
    assert (len(lines) == 1) == as_json
    assert as_json or "missed" in lines[-2]


def test_quantiles() -> None:
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile([], 0.5) is None


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs Linux's /proc")
def test_cpu_time_of_a_process_grows_with_work() -> None:
    before_s = cpu_s(os.getpid())
    assert before_s > 0
    while cpu_s(os.getpid()) < before_s + 0.02:
        sum(range(100_000))
    with pytest.raises(VoiceserverError):
        cpu_s(2**22 + 1)
