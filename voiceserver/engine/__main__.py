"""`python -m voiceserver.engine --socket PATH`: the engine process, started by the gateway."""

from __future__ import annotations

import argparse
import logging
import os
import select
import signal
import sys
from pathlib import Path

from voiceserver.clock import MonotonicClock
from voiceserver.config import (
    DEVICES,
    NANO_SENSES,
    TURN_TAKING,
    EngineConfig,
    ThinkerConfig,
    cache_folder,
    models_folder,
)
from voiceserver.errors import AssetError, VoiceserverError
from voiceserver.threads import prepare_threads

prepare_threads()  # numpy comes with what follows

from voiceserver.assets import load_manifest, resolve  # noqa: E402
from voiceserver.engine.family import Family  # noqa: E402
from voiceserver.engine.nano.model import Nano, NanoFiles  # noqa: E402
from voiceserver.engine.process import Doorbell, serve  # noqa: E402


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
    parser.add_argument("--model", default=EngineConfig.model, help="a model in models/")
    parser.add_argument("--slots", type=int, default=EngineConfig.slots)
    parser.add_argument("--run-ahead", type=float, default=EngineConfig.run_ahead_s)
    parser.add_argument("--seed", type=int, default=EngineConfig.seed)
    parser.add_argument("--weights", type=Path, help="folder with the model's files")
    parser.add_argument("--device", default=EngineConfig.device, choices=DEVICES)
    parser.add_argument("--turn-taking", default=EngineConfig.turn_taking, choices=TURN_TAKING)
    parser.add_argument("--thinker", help="a chat endpoint that writes the replies")
    parser.add_argument("--thinker-folder", type=Path, help="with a model that writes the replies")
    parser.add_argument("--thinker-model", default="")
    parser.add_argument("--thinker-key", default=ThinkerConfig.key_variable)
    parser.add_argument("--thinker-patience", type=float, default=ThinkerConfig.patience_s)
    parser.add_argument("--thinker-images", action="store_true", help="its model takes images")
    arguments = parser.parse_args()
    config = EngineConfig(
        model=arguments.model,
        slots=arguments.slots,
        run_ahead_s=arguments.run_ahead,
        seed=arguments.seed,
        weights=arguments.weights,
        device=arguments.device,
        thinker=_thinker_config(arguments),
        thinker_folder=arguments.thinker_folder,
        turn_taking=arguments.turn_taking,
    )
    try:
        family = load_manifest(config.model).family
        if arguments.on_call and not called(family):
            return 0  # the gateway has gone and never needed this process
        load = LOADERS.get(family)
        if load is None:
            raise AssetError(f"model {config.model} is of the unknown family {family}")
        serve(arguments.socket, config, lambda doorbell: load(config, doorbell))
    except VoiceserverError as error:
        print(f"engine: {error}", file=sys.stderr)
        return 1
    return 0


def _thinker_config(arguments: argparse.Namespace) -> ThinkerConfig | None:
    if arguments.thinker is None:
        return None
    return ThinkerConfig(
        url=arguments.thinker,
        model=arguments.thinker_model,
        key_variable=arguments.thinker_key,
        patience_s=arguments.thinker_patience,
        images=arguments.thinker_images,
    )


def called(family: str) -> bool:
    """Wait for the gateway's call, ready to load at once; False if it ends without one."""
    there, _, _ = select.select([sys.stdin], [], [], 0)
    if not there:  # else loading does both side by side
        if family == "nano":
            Nano.import_networks()
        elif family == "sync_llm":
            import voiceserver.engine.sync_llm.model
        else:
            import voiceserver.engine.mini_omni.model  # noqa: F401
    return bool(sys.stdin.readline())


def load_nano(config: EngineConfig, doorbell: Doorbell) -> Family:
    """The nano family with its weights from the cache and from the project."""
    own_thinker = config.thinker is None and config.thinker_folder is None
    files = nano_files(own_thinker=own_thinker)
    return Nano.load(files, config.slots, doorbell.ring, config)


def load_mini_omni(config: EngineConfig, doorbell: Doorbell) -> Family:
    """A Mini-Omni from the cache or a folder, on the device asked for."""
    from voiceserver.engine.mini_omni.device import device_of
    from voiceserver.engine.mini_omni.files import CheckpointFiles
    from voiceserver.engine.mini_omni.model import MiniOmniFamily, MiniOmniFiles

    if config.weights is None:
        checkpoint = CheckpointFiles.of_model(config.model)
    else:
        checkpoint = CheckpointFiles.in_folder(config.weights)
    ears = resolve(config.model, quiet=True, only=("vad", "turn_end"))
    files = MiniOmniFiles(checkpoint, vad=ears["vad"], turn_end=ears["turn_end"])
    device = device_of(config.device)
    return MiniOmniFamily.load(files, config.slots, doorbell.ring, device, config.turn_taking)


def load_sync_llm(config: EngineConfig, doorbell: Doorbell) -> Family:
    """A SyncLLM from a folder: nothing is published that could be fetched."""
    from voiceserver.engine.mini_omni.device import device_of
    from voiceserver.engine.sync_llm.files import check_folder
    from voiceserver.engine.sync_llm.model import SyncLlm, SyncLlmFiles

    folder = check_folder(config.weights)
    ears = resolve(config.model, quiet=True)
    files = SyncLlmFiles(folder, ears["vad"], ears["turn_end"], ears["listener"])
    device = device_of(config.device)
    return SyncLlm.load(files, config.slots, doorbell.ring, device, MonotonicClock(), config.seed)


def nano_files(*, own_thinker: bool = True) -> NanoFiles:
    """Where nano's weights lie; fetched and verified when they are not there yet."""
    assets = resolve("nano", quiet=True, only=None if own_thinker else NANO_SENSES)
    return NanoFiles(
        thinker=assets.get("thinker"),
        listener=assets["listener"],
        vad=assets["vad"],
        turn_end=assets["turn_end"],
        voice=models_folder() / "nano",
        converted=cache_folder() / "converted",
    )


LOADERS = {"nano": load_nano, "mini_omni": load_mini_omni, "sync_llm": load_sync_llm}


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # some libraries' farewells, such as Triton's, would fill the log
