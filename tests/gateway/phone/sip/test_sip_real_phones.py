"""Real calls, from baresip and sipp, to the gateway with the scripted engine."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from gateway_calls import Gateway
from real_phones import baresip, needs, own_address, sipp
from sip_phone import ALAW, ULAW, tone

from voiceserver.audio import g711
from voiceserver.engine.messages import Respond
from voiceserver.gateway.phone.sip.sip_call import SipCall

Start = Callable[..., AbstractContextManager[Gateway]]
SPOKEN = g711.ulaw_to_pcm16(tone(0.8))


def address_of(gateway: Gateway) -> str:
    assert gateway.state.config.sip is not None
    return gateway.state.config.sip.address


def loud_s(sound: np.ndarray) -> float:
    frames = sound[: len(sound) // 160 * 160].reshape(-1, 160).astype(float)
    return float((np.sqrt((frames**2).mean(axis=1)) > 1000).sum() * 0.02)


def empty(gateway: Gateway, patience_s: float = 10.0) -> bool:
    """Whether everybody has gone, after a while."""
    for _ in range(round(patience_s / 0.02)):
        if not gateway.state.connections:
            return True
        time.sleep(0.02)
    return False


def journal(file: BinaryIO) -> Iterator[object]:
    """Everything the engine was told."""
    with contextlib.suppress(EOFError):
        while True:
            yield pickle.load(file)


@needs("baresip")
@pytest.mark.parametrize(("codec", "payload_type"), [("PCMU", ULAW), ("PCMA", ALAW)])
def test_baresip_is_heard_and_answered(
    start_sip: Start, tmp_path: Path, codec: str, payload_type: int
) -> None:
    host = own_address()
    with start_sip(host=host) as gateway:
        uri = f"sip:bot@{address_of(gateway)}"
        with baresip(tmp_path, host, uri, SPOKEN, 4.0, codec) as phone:
            phone.until("Call established")
            [line] = gateway.state.connections
            phone.until("terminated (duration")  # it hangs up when its file is at its end
            assert empty(gateway)
        dialogue = gateway.told(line.session_id, Respond)[-1].dialogue
    assert f"RTP/AVP {payload_type} 101" in phone.log()
    assert dialogue[-1].text == "turn 1"
    assert abs(loud_s(phone.heard()) - 4 * 0.4) < 0.1  # "I heard turn 1."


@needs("baresip")
def test_baresip_is_hung_up_on_and_presses_keys(start_sip: Start, tmp_path: Path) -> None:
    host = own_address()
    with start_sip(host=host) as gateway:
        uri = f"sip:bot@{address_of(gateway)}"
        with baresip(tmp_path, host, uri, SPOKEN[:0], 30.0, "PCMU") as phone:
            phone.until("Call established")
            [line] = gateway.state.connections
            assert isinstance(line, SipCall)
            for key in "42":
                phone.command(key)
            for _ in range(500):
                if gateway.told(line.session_id, Respond):
                    break
                time.sleep(0.02)
            [respond] = gateway.told(line.session_id, Respond)
            assert respond.dialogue[-1].text == "I pressed 42 on my telephone."
            line._ending.get_loop().call_soon_threadsafe(line.hang_up)  # type: ignore[union-attr]
            phone.until("session closed")
            assert empty(gateway)


@needs("baresip")
def test_baresip_goes_where_it_is_transferred(start_sip: Start, tmp_path: Path) -> None:
    host = own_address()
    with start_sip(host=host) as gateway:
        address = address_of(gateway)
        with baresip(tmp_path, host, f"sip:bot@{address}", SPOKEN[:0], 60.0, "PCMU") as phone:
            phone.until("Call established")
            [line] = gateway.state.connections
            assert isinstance(line, SipCall)
            loop = line._ending.get_loop()  # type: ignore[union-attr]
            transfer = line.transfer(f"sip:other@{address}")  # the other side is here as well
            asyncio.run_coroutine_threadsafe(transfer, loop).result(30)
            phone.until(f"Call established: sip:other@{address}")
            for _ in range(500):
                if line not in gateway.state.connections:
                    break
                time.sleep(0.02)
            [other] = gateway.state.connections
            assert other is not line


@needs("sipp")
def test_sipp_calls_and_hangs_up(start_sip: Start, tmp_path: Path) -> None:
    with start_sip(sessions=8, slots=10) as gateway:
        port = int(address_of(gateway).rpartition(":")[2])
        sipp(tmp_path, ["-sn", "uac"], port, "-m", "8", "-r", "8", "-d", "300")
        assert empty(gateway)


@needs("sipp")
def test_sipp_calls_over_a_wire_that_loses_a_fifth(start_sip: Start, tmp_path: Path) -> None:
    with start_sip(slots=10) as gateway:
        port = int(address_of(gateway).rpartition(":")[2])
        lost = ("-lost", "20", "-max_retrans", "20")
        sipp(tmp_path, ["-sn", "uac"], port, "-m", "4", "-r", "4", "-d", "300", *lost)
        # Where its ACK was lost, sipp takes our second 200 for the answer to a BYE it never sent;
        # who does not acknowledge is hung up on after 32 s.
        assert empty(gateway, patience_s=45.0)


@needs("sipp")
def test_sipp_plays_recorded_packets_and_a_key(start_sip: Start, tmp_path: Path) -> None:
    recorded = Path("/usr/share/sip-tester")
    if not (recorded / "dtmf_2833_1.pcap").exists():
        pytest.skip("this sipp comes without recorded packets")
    (tmp_path / "pcap").symlink_to(recorded)
    shown = subprocess.run(
        ["sipp", "-sd", "uac_pcap"], capture_output=True, env={"TERM": "xterm"}, check=False
    )
    scenario = shown.stdout.decode("latin-1").replace('"8000"', '"500"').replace('"1000"', '"3000"')
    (tmp_path / "call.xml").write_text(scenario[scenario.index("<?xml") :], encoding="latin-1")
    with start_sip() as gateway:
        port = int(address_of(gateway).rpartition(":")[2])
        sipp(tmp_path, ["-sf", "call.xml"], port, "-m", "1")
        assert empty(gateway)
        with gateway.journal_path.open("rb") as file:
            noted = list(journal(file))
    told = [message for message in noted if isinstance(message, Respond)]
    assert told[-1].dialogue[-1].text == "I pressed 1 on my telephone."
