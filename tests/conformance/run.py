"""Stock clients against a real server: each holds a spoken turn, a typed turn, an interruption and
a tool call. `make conformance`, or `python tests/conformance/run.py [NAME ...]` for some of them.

The server is `voiceserver serve` with the model nano: its ears, its turn-taking and its voice. Only
what it says is written by rule (thinker.py), because tools need a model that calls tools.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "gateway")]

from environments import node_environment, python_environment  # noqa: E402
from results import STEPS, is_good, table, with_card, write  # noqa: E402
from thinker import running_thinker  # noqa: E402
from tls import tls_proxy  # noqa: E402

from voiceserver.cli.own_server import server_at  # noqa: E402
from voiceserver.scenes.kokoro import VOICES, speak  # noqa: E402

CLIENT_S = 400.0  # the longest that one client may take
SOUNDS = {  # what the user says, and in which voice
    "question": ("What is the capital of France?", 0),
    "interruption": ("Stop! What is the capital of Italy?", 1),
    "story": ("Tell me a long story about a dog, a cat and the sea.", 0),
    "weather": ("What is the weather in Rome?", 0),
}


@dataclass(frozen=True)
class Client:
    """A stock client: a script of ours around it, and what it must have installed."""

    name: str
    script: str
    packages: tuple[str, ...]
    tls: bool = False
    environment: str = ""  # shared by several; its own name if empty
    options: dict[str, str] = field(default_factory=dict)


PIPECAT = ("pipecat-ai[openai]==1.14.0",)
LIVEKIT = ("livekit-agents==1.8.9", "livekit-plugins-openai==1.8.9")
OPENAI_NODE = ("openai@7.57.0", "ws@8.23.0")
BROWSER = "playwright-core@1.65.1"
AGENTS_JS = ("@openai/agents-realtime@0.20.0", "zod@4.6.7", BROWSER)
CLIENTS = (
    Client("openai-realtime", "openai_realtime.py", ("openai[realtime]==3.54.0",), False, "openai"),
    Client("openai-agents", "openai_agents.py", ("openai-agents==0.24.0",)),
    Client("openai-live", "openai_live.py", ("openai[realtime]==3.54.0",), False, "openai"),
    Client("pipecat-realtime", "pipecat_realtime.py", PIPECAT, False, "pipecat"),
    Client("pipecat-live", "pipecat_live.py", PIPECAT, False, "pipecat"),
    Client("livekit-realtime", "livekit_realtime.py", LIVEKIT, False, "livekit"),
    Client("livekit-live", "livekit_live.py", LIVEKIT, False, "livekit"),
    Client("openai-node-ws", "openai_ws.mjs", OPENAI_NODE, True, "openai-node"),
    Client(
        "openai-node-websocket",
        "openai_websocket.mjs",
        OPENAI_NODE,
        True,
        "openai-node",
        {"NODE_OPTIONS": "--experimental-websocket"},  # for Node 20
    ),
    Client("openai-node-live", "openai_live_ws.mjs", OPENAI_NODE, False, "openai-node"),
    Client("openai-node-webrtc", "openai_webrtc.mjs", (*OPENAI_NODE, BROWSER), True),
    Client("openai-agents-js-websocket", "agents_websocket.mjs", AGENTS_JS, False, "agents-js"),
    Client("openai-agents-js-webrtc", "agents_webrtc.mjs", AGENTS_JS, False, "agents-js"),
    Client(
        "openai-agents-js-browser", "agents_browser_websocket.mjs", AGENTS_JS, False, "agents-js"
    ),
)


def environment_command(client: Client) -> list[str]:
    """How its script is started."""
    name = client.environment or client.name
    script = HERE / "clients" / client.script
    if script.suffix == ".py":
        return [str(python_environment(name, client.packages)), str(script)]
    return ["node", str(node_environment(name, client.packages) / script.name)]


def run(client: Client, url: str, folder: Path, patience_s: float) -> dict[str, Any]:
    """What became of each step."""
    try:
        command = environment_command(client)
    except (OSError, subprocess.CalledProcessError) as error:  # no npm, no network
        return failed(client, f"no environment: {error}")
    if client.script.endswith(".mjs"):  # modules are looked for beside the script
        for part in (HERE / "clients").glob("*.mjs"):
            Path(command[1]).with_name(part.name).write_text(part.read_text())
    command += [f"--url={url}", f"--patience={patience_s}"]
    command += [f"--{name}={folder / name}.wav" for name in SOUNDS]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENAI")}
    environment |= client.options | {"NODE_EXTRA_CA_CERTS": str(folder / "certificate.pem")}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=CLIENT_S, env=environment
        )
        output = done.stdout + done.stderr
    except subprocess.TimeoutExpired as error:
        output = f"{error.stdout!r}\nit did not end within {CLIENT_S:g} s"
    for line in output.splitlines():
        if line.startswith("VERDICT "):
            verdict = {"name": client.name} | json.loads(line.removeprefix("VERDICT "))
            if not is_good(verdict):
                print(output, file=sys.stderr)
            return verdict
    print(output, file=sys.stderr)
    last = output.strip().splitlines()[-1:] or ["no output"]
    return failed(client, last[0])


def failed(client: Client, reason: str) -> dict[str, Any]:
    """The verdict on a client that did not come to its end."""
    results = dict.fromkeys(STEPS, reason[:200])
    return {"name": client.name, "client": client.name, "versions": {}, "results": results}


def write_sounds(folder: Path) -> None:
    """The user's voice: int16 at 24 kHz."""
    for name, (text, voice) in SOUNDS.items():
        samples = (np.asarray(speak(text, VOICES[voice])) * 32767).astype("<i2")
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(24_000)
            file.writeframes(samples.tobytes())


@contextmanager
def server(engine: str) -> Iterator[str]:
    """The page of a server of our own: the real one, or the gateway with a scripted engine."""
    with ExitStack() as stack:
        if engine == "scripted":
            from gateway_calls import running_gateway

            journal = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "journal"
            yield stack.enter_context(running_gateway(journal)).http
            return
        thinker = stack.enter_context(running_thinker())
        options = ["--thinker", thinker, "--thinker-model", "by-rule", "--model", engine]
        yield stack.enter_context(server_at(None, options=options)).page.rstrip("/")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="of clients; all if none")
    parser.add_argument("--engine", default="nano", help="a model, or 'scripted': only the gateway")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds a step may take")
    parser.add_argument("--write", type=Path, help="a file for the table")
    given = parser.parse_args()
    chosen = [client for client in CLIENTS if not given.names or client.name in given.names]
    verdicts = []
    with (
        tempfile.TemporaryDirectory() as folder,
        server(given.engine) as page,
        tls_proxy(page, Path(folder)) as https,
    ):
        write_sounds(Path(folder))
        for client in chosen:
            url = f"{https if client.tls else page}/v1"
            verdicts.append(with_card(run(client, url, Path(folder), given.patience), given.engine))
            print(json.dumps(verdicts[-1]), flush=True)
    print(table(verdicts))
    if given.write is not None:
        write(given.write, verdicts, [client.name for client in CLIENTS])
    sys.exit(0 if all(map(is_good, verdicts)) else 1)


if __name__ == "__main__":
    main()
