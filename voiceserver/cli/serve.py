"""`voiceserver serve`: the server with its page, ready when it says so."""

from __future__ import annotations

import dataclasses
import errno
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

import typer

from voiceserver.assets import load_manifest, resolve
from voiceserver.config import (
    DEVICES,
    NANO_SENSES,
    EngineConfig,
    ServerConfig,
    SipConfig,
    ThinkerConfig,
    destinations,
    host_and_port,
    mcp_servers,
    policy_folder,
    turn_taking_named,
)
from voiceserver.engine.mini_omni.files import CheckpointFiles
from voiceserver.engine.sync_llm.files import check_folder
from voiceserver.engine.thinking.checkpoint_files import check_checkpoint
from voiceserver.errors import AssetError, VoiceserverError
from voiceserver.gateway.phone.sip.callers import check_sip


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
    thinker: str | None = typer.Option(
        None,
        help="OpenAI-compatible endpoint that writes the replies, such as "
        "http://127.0.0.1:11434/v1. [VOICESERVER_THINKER; the model's own]",
    ),
    thinker_folder: Path | None = typer.Option(
        None,
        help="Hugging Face folder of a language model (Llama, Qwen, ...) that writes the replies, "
        "on --device. [VOICESERVER_THINKER_FOLDER]",
    ),
    thinker_model: str | None = typer.Option(
        None, help="Its model's name. [VOICESERVER_THINKER_MODEL]"
    ),
    thinker_key: str = typer.Option(
        ThinkerConfig.key_variable, help="Environment variable with its key, if it wants one."
    ),
    thinker_patience: float = typer.Option(
        ThinkerConfig.patience_s, min=0.5, help="Seconds of its silence before we apologise."
    ),
    thinker_images: bool | None = typer.Option(
        None, help="Its model takes images. [VOICESERVER_THINKER_IMAGES; no]"
    ),
    turn_taking: str | None = typer.Option(
        None,
        help="Who tells when turns begin and end: duplex (our policy), smart-turn or energy. "
        f"[VOICESERVER_TURN_TAKING; {EngineConfig.turn_taking}]",
    ),
    audiosocket: str | None = typer.Option(
        None, help="HOST:PORT for Asterisk's AudioSocket. [VOICESERVER_AUDIOSOCKET; not offered]"
    ),
    sip: str | None = typer.Option(
        None, help="HOST:PORT (UDP) for calls over SIP. [VOICESERVER_SIP; not offered]"
    ),
    hang_up: bool | None = typer.Option(
        None, help="Let the model end telephone calls. [VOICESERVER_HANG_UP; no]"
    ),
    transfer_to: list[str] | None = typer.Option(
        None,
        help="NAME=NUMBER or NAME=SIP-URI to whom the model may transfer calls; may be given "
        "several times. [VOICESERVER_TRANSFER_TO, separated by semicolons]",
    ),
    mcp: list[str] | None = typer.Option(
        None,
        help="LABEL=URL of an MCP server whose tools the model may call on the telephone; may be "
        "given several times. Its key, if it wants one, is VOICESERVER_MCP_KEY_LABEL. "
        "[VOICESERVER_MCP, separated by semicolons]",
    ),
    mcp_hosts: str | None = typer.Option(
        None,
        help="MCP servers that clients may name: HOST, HOST:PORT, public, local (this machine), "
        "private (any address), or nothing at all. [VOICESERVER_MCP_HOSTS; public]",
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
        thinker=_thinker(
            config, thinker, thinker_model, thinker_key, thinker_patience, thinker_images
        ),
        thinker_folder=thinker_folder if thinker_folder is not None else config.thinker_folder,
        turn_taking=turn_taking_named(turn_taking) if turn_taking else config.turn_taking,
        audiosocket=audiosocket if audiosocket is not None else config.audiosocket,
        sip=SipConfig.from_environment(sip) if sip is not None else config.sip,
        hang_up=hang_up if hang_up is not None else config.hang_up,
        transfer_to=destinations(transfer_to) if transfer_to else config.transfer_to,
        mcp=mcp_servers(mcp) if mcp else config.mcp,
        mcp_hosts=tuple(mcp_hosts.split()) if mcp_hosts is not None else config.mcp_hosts,
        limits=dataclasses.replace(config.limits, sessions=sessions or config.limits.sessions),
    )
    if config.audiosocket is not None:
        host_and_port(config.audiosocket)  # refused before anything is loaded
    if config.sip is not None:
        check_sip(config.sip)
    family = _family(config)
    listener = _listen(config.host, config.port)  # before minutes of loading, not after
    _fetch(config, family)
    config = dataclasses.replace(config, port=listener.getsockname()[1])
    from voiceserver.cli.running import run  # heavy: other commands start faster without

    run(config, listener, _address(config), "info" if verbose else "warning")


def _thinker(
    config: ServerConfig,
    url: str | None,
    model: str | None,
    key: str,
    patience_s: float,
    images: bool | None,
) -> ThinkerConfig | None:
    """The endpoint asked for by options or by the environment, if any."""
    given = config.thinker
    url = url if url is not None else given.url if given else None
    model = model if model is not None else given.model if given else ""
    if url is None:
        return None
    if not _is_http(url):
        raise VoiceserverError("--thinker takes a URL such as http://127.0.0.1:11434/v1")
    if not model:
        raise VoiceserverError("--thinker needs --thinker-model, the name of the model to ask for")
    if images is None:
        images = given is not None and given.images
    return ThinkerConfig(url, model, key, patience_s, images)


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no URL at all, or a port that is no number
        return False


def _family(config: ServerConfig) -> str:
    """The model's family, which must be able to do what is asked for."""
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
        if not _is_http(server.url):
            raise VoiceserverError("--mcp takes LABEL=URL such as town=http://127.0.0.1:9000/mcp")
    if config.turn_taking == "duplex" and not any(policy_folder().glob("*.safetensors")):
        raise VoiceserverError(f"turn taking duplex: no policy lies in {policy_folder()}")
    return family


def _fetch(config: ServerConfig, family: str) -> None:
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
