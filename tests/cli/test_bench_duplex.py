from __future__ import annotations

import pytest

from voiceserver.cli.bench_duplex import duplex
from voiceserver.errors import VoiceserverError

USUAL = {
    "scenes": 1,
    "sessions": 1,
    "kinds": "",
    "seed": 0,
    "turn_taking": [],
    "timeline": None,
    "scene": "",
    "url": "ws://127.0.0.1:9",
    "as_json": True,
}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"turn_taking": ["energy"]}, "leave out --url"),
        ({"scene": "pause:1"}, "belong together"),
        ({"kinds": "pause,silence"}, "no such kind"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(VoiceserverError, match=words):
        duplex(**(USUAL | options))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["pause", "pause:x", ":3", "silence:1"])
def test_a_scene_has_a_kind_and_a_number(name: str, tmp_path: object) -> None:
    options = USUAL | {"scene": name, "timeline": f"{tmp_path}/scene.svg"}
    with pytest.raises(VoiceserverError, match=r"is named like pause:3|no such kind"):
        duplex(**options)  # type: ignore[arg-type]
