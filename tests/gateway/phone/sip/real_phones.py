"""Telephones from Debian: baresip, which plays a file and records what it hears, and sipp."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

RATE_HZ = 8000
PATIENCE_S = 60.0
_NOWHERE = ("192.0.2.250", 9)  # only asked for the way there; nothing is sent

_CONFIG = """
sip_listen {host}:0
module_path {modules}
module stdio.so
module g711.so
module aufile.so
module sndfile.so
module_tmp account.so
module_app menu.so
audio_source aufile,{question}
audio_player
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
snd_path {folder}
"""


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip where one of these is not installed."""
    missing = [program for program in programs if shutil.which(program) is None]
    packages = {"sipp": "sip-tester"}
    wanted = " ".join(packages.get(program, program) for program in programs)
    reason = f"no {', '.join(missing)} (Debian: apt install {wanted})"
    return pytest.mark.skipif(bool(missing), reason=reason)


def own_address() -> str:
    """An address of this machine that is not its loopback: baresip does not call from there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_NOWHERE)
        except OSError:
            pytest.skip("this machine has no network that baresip would use")
        return str(probe.getsockname()[0])


def write_question(path: Path, sound: NDArray[np.int16], silence_s: float) -> None:
    """What the phone will say; when the file ends the call does."""
    before, after = np.zeros(RATE_HZ // 2, "<i2"), np.zeros(int(RATE_HZ * silence_s), "<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes(np.concatenate([before, sound.astype("<i2"), after]).tobytes())


@dataclass
class Baresip:
    """A call of baresip's that is under way or over."""

    process: subprocess.Popen[bytes]
    folder: Path

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def until(self, text: str) -> None:
        """Wait until it says this."""
        end_s = time.monotonic() + PATIENCE_S
        while text not in self.log():
            assert time.monotonic() < end_s, self.log()
            assert self.process.poll() is None, self.log()
            time.sleep(0.05)

    def command(self, text: str) -> None:
        """Type something to it."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def heard(self) -> NDArray[np.int16]:
        """What it has recorded, once it has stopped."""
        [path] = self.folder.glob("dump-*-dec.wav")
        with wave.open(str(path)) as file:
            assert (file.getframerate(), file.getnchannels()) == (RATE_HZ, 1)
            return np.frombuffer(file.readframes(-1), "<i2")


@contextmanager
def baresip(
    folder: Path, host: str, uri: str, sound: NDArray[np.int16], silence_s: float, codec: str
) -> Iterator[Baresip]:
    """Have baresip call this URI and say this."""
    modules = next(Path("/usr/lib").glob("**/baresip/modules"))
    write_question(folder / "question.wav", sound, silence_s)
    settings = {"host": host, "modules": modules, "folder": folder}
    config = _CONFIG.format(question=folder / "question.wav", **settings)
    (folder / "config").write_text(config)
    (folder / "accounts").write_text(f"<sip:tester@{host}>;regint=0;audio_codecs={codec}\n")
    (folder / "contacts").touch()
    command = ["baresip", "-s", "-f", str(folder), "-e", f"/dial {uri}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT
        )
        phone = Baresip(process, folder)
        try:
            yield phone
        finally:
            phone.stop()


def sipp(folder: Path, scenario: list[str], port: int, *options: str) -> None:
    """Run a scenario of sipp's to its end; fails if anything does not go as it should."""
    command = ["sipp", *scenario, f"127.0.0.1:{port}", "-i", "127.0.0.1", "-mi", "127.0.0.1"]
    command += ["-nostdin", "-timeout", "60s", "-timeout_error", "-trace_err", *options]
    ran = subprocess.run(
        command, cwd=folder, env={"TERM": "xterm", "PATH": "/usr/bin:/bin"}, capture_output=True
    )
    errors = "".join(path.read_text(errors="replace") for path in folder.glob("*_errors.log"))
    assert ran.returncode == 0, errors or ran.stdout[-3000:].decode(errors="replace")
