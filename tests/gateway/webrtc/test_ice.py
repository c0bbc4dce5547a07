"""How STUN and TURN servers are written, and that aiortc understands what comes of it."""

from __future__ import annotations

import pytest
from aiortc.rtcicetransport import connection_kwargs

from voiceserver.errors import VoiceserverError
from voiceserver.gateway.webrtc.ice import ice_servers


def test_urls_become_what_the_library_wants() -> None:
    turn = "turn:joe:se:cret@turn.example.org:3478?transport=tcp"
    told = connection_kwargs(ice_servers(["stun:stun.example.org:3479", turn]))
    assert told["stun_server"] == ("stun.example.org", 3479)
    assert told["turn_server"] == ("turn.example.org", 3478)
    assert (told["turn_username"], told["turn_password"]) == ("joe", "se:cret")
    assert (told["turn_transport"], told["turn_ssl"]) == ("tcp", False)
    assert ice_servers([]) == []


@pytest.mark.parametrize("url", ["", "host:1", "http://host", "turn:host:1", "stun:a:b@host:1"])
def test_what_is_no_such_url_is_named_without_its_password(url: str) -> None:
    with pytest.raises(VoiceserverError, match="not of the form") as caught:
        ice_servers([url])
    assert "b@" not in str(caught.value)
