"""What is seen to before a server loads anything: settings that fit, a free port, all files."""

from __future__ import annotations

import errno
import os
import socket
from urllib.parse import urlsplit

from voiceserver.assets import load_manifest, resolve
from voiceserver.config import (
    DEVICES,
    NANO_SENSES,
    ServerConfig,
    host_and_port,
    policy_folder,
)
from voiceserver.engine.mini_omni.files import CheckpointFiles
from voiceserver.engine.sync_llm.files import check_folder
from voiceserver.engine.thinking.checkpoint_files import check_checkpoint
from voiceserver.errors import AssetError, VoiceserverError
from voiceserver.gateway.phone.sip.callers import check_sip


def is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no URL at all, or a port that is no number
        return False


def checked_family(config: ServerConfig) -> str:
    """The model's family, which must be able to do what is asked for."""
    if config.audiosocket is not None:
        host_and_port(config.audiosocket)
    if config.sip is not None:
        check_sip(config.sip)
    family = load_manifest(config.model).family
    if config.device not in DEVICES:
        raise VoiceserverError(f"device {config.device}: it may be {', '.join(DEVICES)}")
    if family == "nano" and config.weights is not None:
        raise VoiceserverError(f"model {config.model} does not take a folder of weights")
    if family != "nano" and (config.thinker is not None or config.thinker_folder is not None):
        raise VoiceserverError(f"model {config.model} writes its replies itself: no --thinker")
    if config.thinker is not None and config.thinker_folder is not None:
        raise VoiceserverError("either --thinker or --thinker-folder writes the replies, not both")
    if family == "nano" and config.device == "cuda" and config.thinker_folder is None:
        raise VoiceserverError(f"model {config.model} runs on the CPU only")
    own_thinker = config.thinker is None and config.thinker_folder is None
    if (config.hang_up or config.transfer_to or config.mcp) and own_thinker:
        raise VoiceserverError(f"model {config.model} calls no tools: that needs --thinker")
    for server in config.mcp:
        if not is_http(server.url):
            raise VoiceserverError("--mcp takes LABEL=URL such as town=http://127.0.0.1:9000/mcp")
    if config.turn_taking == "duplex" and not any(policy_folder().glob("*.safetensors")):
        raise VoiceserverError(f"turn taking duplex: no policy lies in {policy_folder()}")
    return family


def fetch(config: ServerConfig, family: str) -> None:
    """Have all files that the engine will read; a folder of the user's must be complete."""
    if family == "sync_llm":
        check_folder(config.weights)
        resolve(config.model)
        return
    if config.weights is not None:
        CheckpointFiles.in_folder(config.weights)
        resolve(config.model, only=("vad", "turn_end"))
        return
    try:
        if config.thinker_folder is not None:
            check_checkpoint(config.thinker_folder)
        other = config.thinker is not None or config.thinker_folder is not None
        resolve(config.model, only=NANO_SENSES if other else None)
    except AssetError as error:
        if family != "mini_omni":
            raise
        hint = "a folder that has the files can be given instead: --weights FOLDER"
        raise AssetError(f"{error}; {hint}") from error


def listen(host: str, port: int) -> socket.socket:
    """A bound socket, or the reason why not in one line."""
    if not 0 <= port <= 65535:
        raise VoiceserverError(f"{port} is not a port; ports are 0 to 65535")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = f"port {port} is in use; choose another with PORT=8001 or --port 8001"
        else:
            reason = f"cannot listen on {host}:{port}: {error.strerror or error}"
        raise VoiceserverError(reason) from error
    return listener
