"""`voiceserver serve`: the server with its page, ready when it says so."""

from __future__ import annotations

import dataclasses
import errno
import os
import socket
from pathlib import Path

import typer

from voiceserver.assets import load_manifest, resolve
from voiceserver.config import DEVICES, ServerConfig
from voiceserver.engine.mini_omni.files import CheckpointFiles
from voiceserver.errors import AssetError, VoiceserverError


def serve(
    host: str | None = typer.Option(None, help="Address to listen on. [HOST; 127.0.0.1]"),
    port: int | None = typer.Option(None, help="Port; 0 takes a free one. [PORT; 8000]"),
    model: str | None = typer.Option(None, help="Model. [VOICESERVER_MODEL; nano]"),
    sessions: int | None = typer.Option(None, min=1, help="Sessions at once. [4]"),
    weights: Path | None = typer.Option(
        None, help="Folder with the model's files, instead of the cache. [VOICESERVER_WEIGHTS]"
    ),
    device: str | None = typer.Option(
        None, help="auto, cpu or cuda; for Mini-Omni. [VOICESERVER_DEVICE; auto]"
    ),
    verbose: bool = typer.Option(False, help="Log every request."),
) -> None:
    """Start the server; fetches missing weights first."""
    try:
        config = ServerConfig.from_environment()
    except ValueError as error:
        raise VoiceserverError(f"a setting in the environment is no number: {error}") from error
    config = dataclasses.replace(
        config,
        host=host if host is not None else config.host,
        port=port if port is not None else config.port,
        model=model if model is not None else config.model,
        weights=weights if weights is not None else config.weights,
        device=device if device is not None else config.device,
        limits=dataclasses.replace(config.limits, sessions=sessions or config.limits.sessions),
    )
    family = _family(config)
    listener = _listen(config.host, config.port)  # before minutes of loading, not after
    _fetch(config, family)
    config = dataclasses.replace(config, port=listener.getsockname()[1])
    from voiceserver.cli.running import run  # heavy: other commands start faster without

    run(config, listener, _address(config), "info" if verbose else "warning")


def _family(config: ServerConfig) -> str:
    """The model's family, which must be able to do what is asked for."""
    family = load_manifest(config.model).family
    if config.device not in DEVICES:
        raise VoiceserverError(f"device {config.device}: it may be {', '.join(DEVICES)}")
    if family == "nano" and config.weights is not None:
        raise VoiceserverError(f"model {config.model} does not take a folder of weights")
    if family == "nano" and config.device == "cuda":
        raise VoiceserverError(f"model {config.model} runs on the CPU only")
    return family


def _fetch(config: ServerConfig, family: str) -> None:
    """Have all files that the engine will read; a folder of the user's must be complete."""
    if config.weights is not None:
        CheckpointFiles.in_folder(config.weights)
        resolve(config.model, only=("vad", "turn_end"))
        return
    try:
        resolve(config.model)
    except AssetError as error:
        if family != "mini_omni":
            raise
        hint = "a folder that has the files can be given instead: --weights FOLDER"
        raise AssetError(f"{error}; {hint}") from error


def _address(config: ServerConfig) -> str:
    """How a browser on this machine reaches the server."""
    everywhere = config.host in {"0.0.0.0", "::"}
    host = "127.0.0.1" if everywhere else config.host
    return f"http://{f'[{host}]' if ':' in host else host}:{config.port}"


def _listen(host: str, port: int) -> socket.socket:
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
