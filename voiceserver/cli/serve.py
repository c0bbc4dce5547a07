"""`voiceserver serve`: the server with its page, ready when it says so."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from voiceserver.cli.before_serving import checked_family, fetch, is_http, listen
from voiceserver.config import (
    EngineConfig,
    ServerConfig,
    SipConfig,
    ThinkerConfig,
    destinations,
    mcp_servers,
    turn_taking_named,
)
from voiceserver.errors import VoiceserverError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

C = TypeVar("C", bound="DataclassInstance")


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
    config = _laid_over(
        config,
        host=host,
        port=port,
        model=model,
        weights=weights,
        device=device,
        thinker=_thinker(
            config, thinker, thinker_model, thinker_key, thinker_patience, thinker_images
        ),
        thinker_folder=thinker_folder,
        turn_taking=turn_taking_named(turn_taking) if turn_taking else None,
        audiosocket=audiosocket,
        sip=SipConfig.from_environment(sip) if sip is not None else None,
        hang_up=hang_up,
        transfer_to=destinations(transfer_to) if transfer_to else None,
        mcp=mcp_servers(mcp) if mcp else None,
        mcp_hosts=tuple(mcp_hosts.split()) if mcp_hosts is not None else None,
        limits=_laid_over(config.limits, sessions=sessions),
    )
    family = checked_family(config)
    listener = listen(config.host, config.port)  # before minutes of loading, not after
    fetch(config, family)
    config = dataclasses.replace(config, port=listener.getsockname()[1])
    from voiceserver.cli.running import run  # heavy: other commands start faster without

    run(config, listener, _address(config), "info" if verbose else "warning")


def _laid_over(config: C, **given: object) -> C:
    """The configuration with what was given; None was not."""
    return dataclasses.replace(config, **{k: v for k, v in given.items() if v is not None})


def _thinker(
    config: ServerConfig,
    url: str | None,
    model: str | None,
    key: str,
    patience_s: float,
    images: bool | None,
) -> ThinkerConfig | None:
    """The endpoint asked for by options or by the environment, if any."""
    if url is None and config.thinker is None:
        return None
    found = _laid_over(
        config.thinker or ThinkerConfig(url="", model=""),
        url=url,
        model=model,
        key_variable=key,
        patience_s=patience_s,
        images=images,
    )
    if not is_http(found.url):
        raise VoiceserverError("--thinker takes a URL such as http://127.0.0.1:11434/v1")
    if not found.model:
        raise VoiceserverError("--thinker needs --thinker-model, the name of the model to ask for")
    return found


def _address(config: ServerConfig) -> str:
    """How a browser on this machine reaches the server."""
    everywhere = config.host in {"0.0.0.0", "::"}
    host = "127.0.0.1" if everywhere else config.host
    return f"http://{f'[{host}]' if ':' in host else host}:{config.port}"
