"""`python -m voiceserver.engine --socket PATH`: the engine process, started by the gateway."""

from __future__ import annotations

import argparse
import logging
import select
import signal
import sys

from voiceserver.config import EngineConfig, cache_folder, models_folder
from voiceserver.engine.process import Doorbell, prepare_threads, serve
from voiceserver.errors import VoiceserverError

prepare_threads()

from voiceserver.assets import resolve  # noqa: E402
from voiceserver.engine.family import Family  # noqa: E402
from voiceserver.engine.nano.model import Nano, NanoFiles  # noqa: E402


def main() -> int:
    """Parse the command line and serve."""
    # Ctrl-C reaches the whole process group; the gateway decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=logging.WARNING, format="engine: %(levelname)s %(message)s")
    parser = argparse.ArgumentParser(prog="voiceserver.engine")
    parser.add_argument("--socket", required=True, help="Unix socket the gateway listens on")
    parser.add_argument(
        "--on-call",
        action="store_true",
        help="wait for a line on standard input before the weights are loaded; end at its end",
    )
    parser.add_argument("--model", default=EngineConfig.model, choices=["nano"])
    parser.add_argument("--slots", type=int, default=EngineConfig.slots)
    parser.add_argument("--run-ahead", type=float, default=EngineConfig.run_ahead_s)
    parser.add_argument("--seed", type=int, default=EngineConfig.seed)
    arguments = parser.parse_args()
    if arguments.on_call and not called():
        return 0  # the gateway has gone and never needed this process
    config = EngineConfig(arguments.model, arguments.slots, arguments.run_ahead, arguments.seed)
    try:
        serve(arguments.socket, config, lambda doorbell: load_nano(config, doorbell))
    except VoiceserverError as error:
        print(f"engine: {error}", file=sys.stderr)
        return 1
    return 0


def called() -> bool:
    """Wait for the gateway's call, ready to load at once; False if it ends without one."""
    there, _, _ = select.select([sys.stdin], [], [], 0)
    if not there:  # else loading does both side by side
        Nano.import_networks()
    return bool(sys.stdin.readline())


def load_nano(config: EngineConfig, doorbell: Doorbell) -> Family:
    """The nano family with its weights from the cache and from the project."""
    return Nano.load(nano_files(), config.slots, doorbell.ring)


def nano_files() -> NanoFiles:
    """Where nano's weights lie; fetched and verified when they are not there yet."""
    assets = resolve("nano", quiet=True)
    return NanoFiles(
        thinker=assets["thinker"],
        listener=assets["listener"],
        vad=assets["vad"],
        turn_end=assets["turn_end"],
        voice=models_folder() / "nano",
        converted=cache_folder() / "converted",
    )


if __name__ == "__main__":
    sys.exit(main())
