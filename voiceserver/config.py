"""All settings, as frozen dataclasses. The only module that reads environment variables."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from voiceserver.errors import VoiceserverError

# What an assistant is told when nobody says what it should be.
DEFAULT_INSTRUCTIONS = (
    "You are a friendly voice assistant. Answer in one or two short, plain sentences, "
    "the way people speak. Do not use lists, symbols or emoji."
)

_PACKAGE = Path(__file__).resolve().parent


def _data_folder(in_checkout: str, in_wheel: str) -> Path:
    """A folder that lies beside the package in a checkout and inside it in a wheel."""
    checkout = _PACKAGE.parent / in_checkout
    return checkout if checkout.is_dir() else _PACKAGE / in_wheel


def models_folder() -> Path:
    """Folder with one folder a model (model.toml, card, our own weights)."""
    return _data_folder("models", "_models")


def policy_folder() -> Path:
    """Folder with the duplex policy."""
    return models_folder() / "duplex_nano"


def web_folder() -> Path:
    """Folder with the page served at `/`."""
    return _data_folder("clients/web", "_web")


def cache_folder() -> Path:
    """Where downloaded weights are kept: VOICESERVER_CACHE, else XDG_CACHE_HOME, else ~/.cache."""
    if own := os.environ.get("VOICESERVER_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "voiceserver"


def assets_folder() -> Path | None:
    """Folder with weights already at hand, VOICESERVER_ASSETS: tried before any download."""
    own = os.environ.get("VOICESERVER_ASSETS")
    return Path(own) if own else None


def host_and_port(address: str) -> tuple[str, int]:
    """The parts of HOST:PORT; an IPv6 address stands in brackets."""
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) < 2**16):
        raise VoiceserverError(f"{address!r} is not of the form HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def destinations(given: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Whom calls may be handed to, each given as NAME=NUMBER or NAME=ADDRESS."""
    return _pairs(given, "a call is transferred to NAME=NUMBER")


def mcp_servers(given: Iterable[str]) -> tuple[McpConfig, ...]:
    """MCP servers, each given as LABEL=URL."""
    return tuple(McpConfig(*pair) for pair in _pairs(given, "an MCP server is LABEL=URL"))


def _pairs(given: Iterable[str], form: str) -> tuple[tuple[str, str], ...]:
    pairs = [entry.partition("=") for entry in given if entry.strip()]
    for name, _, where in pairs:
        if not (name.strip() and where.strip()):
            raise VoiceserverError(f"{form}, not {name!r}")
    return tuple((name.strip(), where.strip()) for name, _, where in pairs)


# Who tells when turns begin and end: our duplex policy; voice activity and the smart-turn model; or
# loudness alone, a baseline for measurements.
TurnTakingName = Literal["duplex", "smart-turn", "energy"]
TURN_TAKING: tuple[TurnTakingName, ...] = ("duplex", "smart-turn", "energy")


def turn_taking_named(name: str) -> TurnTakingName:
    """One of TURN_TAKING."""
    for known in TURN_TAKING:
        if name == known:
            return known
    raise VoiceserverError(f"turn taking {name}: it may be {', '.join(TURN_TAKING)}")


DEVICES = ("auto", "cpu", "cuda")  # auto: cuda where there is one
NANO_SENSES = ("listener", "vad", "turn_end")  # the assets it needs besides a thinker's

Kernels = Literal["torch", "triton"]


def kernels_override() -> Kernels | None:
    """VOICESERVER_KERNELS: how all ops run, instead of Triton on CUDA and torch elsewhere."""
    own = os.environ.get("VOICESERVER_KERNELS") or None
    if own not in (None, "torch", "triton"):
        raise VoiceserverError(f"VOICESERVER_KERNELS is {own!r}; it may be torch or triton")
    return cast(Kernels | None, own)


@dataclass(frozen=True)
class Limits:
    """What one session and one server may take. Past a limit the client is told which."""

    sessions: int = 4
    message_bytes: int = 16 * 2**20
    session_s: float = 3600.0
    utterance_s: float = 30.0  # what the listener reads at once; a longer turn is cut
    backlog_s: float = 60.0  # audio received but not yet listened to
    dialogue_messages: int = 64
    run_ahead_s: float = 0.4  # decoded but not yet heard


@dataclass(frozen=True)
class ThinkerConfig:
    """An OpenAI-compatible chat endpoint that writes the replies."""

    url: str  # /chat/completions is appended
    model: str
    key_variable: str = "VOICESERVER_THINKER_KEY"  # the environment variable with the key, if any
    patience_s: float = 8.0  # for the first word, and for each after it
    images: bool = False  # the model takes images

    def key(self) -> str | None:
        """The secret itself; never logged and on no command line."""
        return os.environ.get(self.key_variable) or None


# From where calls over SIP are taken unless said otherwise: this machine and private networks.
PRIVATE_NETWORKS = (
    "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
    "::1", "fc00::/7", "fe80::/10",
)  # fmt: skip


@dataclass(frozen=True)
class SipConfig:
    """A SIP user agent, see gateway/phone/sip."""

    address: str  # HOST:PORT, UDP
    callers: tuple[str, ...] = PRIVATE_NETWORKS  # addresses and networks that may call
    register: str | None = None  # sip:user@exchange; None: not registered anywhere

    def password(self) -> str | None:
        """The secret of the registration; never logged and on no command line."""
        return os.environ.get("VOICESERVER_SIP_PASSWORD") or None

    @classmethod
    def from_environment(cls, address: str) -> SipConfig:
        """VOICESERVER_SIP_CALLERS and VOICESERVER_SIP_REGISTER beside this address."""
        callers = os.environ.get("VOICESERVER_SIP_CALLERS", "").split()
        register = os.environ.get("VOICESERVER_SIP_REGISTER") or None
        return cls(address, tuple(callers) or cls.callers, register)


@dataclass(frozen=True)
class McpConfig:
    """A server of tools for the models of telephone calls."""

    label: str
    url: str

    def key(self) -> str | None:
        """Its bearer token, VOICESERVER_MCP_KEY_ and the label; never logged."""
        variable = "".join(c if c.isalnum() else "_" for c in self.label.upper())
        return os.environ.get(f"VOICESERVER_MCP_KEY_{variable}") or None


@dataclass(frozen=True)
class EngineConfig:
    """What the engine process needs to know."""

    model: str = "nano"
    slots: int = 4
    run_ahead_s: float = 0.4
    seed: int = 0
    weights: Path | None = None  # a folder with the model's files, instead of the cache
    device: str = "auto"  # one of DEVICES
    thinker: ThinkerConfig | None = None  # None: the model's own
    thinker_folder: Path | None = None  # with a language model that writes the replies instead
    turn_taking: TurnTakingName = "duplex"


@dataclass(frozen=True)
class ServerConfig:
    """What `voiceserver serve` needs to know."""

    host: str = "127.0.0.1"
    port: int = 8000
    model: str = "nano"
    api_key: str | None = None  # None: no key asked for
    weights: Path | None = None
    device: str = "auto"
    thinker: ThinkerConfig | None = None
    thinker_folder: Path | None = None
    turn_taking: TurnTakingName = EngineConfig.turn_taking
    twilio_auth_token: str | None = None  # calls signed with it are let in
    public_url: str | None = None  # how call providers reach us; None: as they ask for it
    audiosocket: str | None = None  # HOST:PORT for Asterisk; None: not offered
    sip: SipConfig | None = None  # None: not offered
    hang_up: bool = False  # on telephones: the model may end the call
    transfer_to: tuple[tuple[str, str], ...] = ()  # whom it may hand calls to: name, number
    mcp: tuple[McpConfig, ...] = ()  # on telephones: servers of tools that the model may call
    # MCP servers that clients may have us speak to: HOST or HOST:PORT; or those at any address
    # that is "public", on this machine ("local"), or in a network of its own ("private").
    mcp_hosts: tuple[str, ...] = ("public",)
    ice_servers: tuple[str, ...] = ()  # STUN and TURN URLs, see gateway/webrtc/ice.py
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def from_environment(cls) -> ServerConfig:
        """The defaults, overridden by HOST, PORT and the VOICESERVER_* variables read below."""
        limits = Limits(sessions=int(os.environ.get("VOICESERVER_MAX_SESSIONS", Limits.sessions)))
        weights = os.environ.get("VOICESERVER_WEIGHTS")
        thinker = os.environ.get("VOICESERVER_THINKER")
        folder = os.environ.get("VOICESERVER_THINKER_FOLDER")
        thinker_model = os.environ.get("VOICESERVER_THINKER_MODEL", "")
        images = os.environ.get("VOICESERVER_THINKER_IMAGES", "") not in ("", "0")
        sip = os.environ.get("VOICESERVER_SIP")
        return cls(
            host=os.environ.get("HOST", cls.host),
            port=int(os.environ.get("PORT", cls.port)),
            model=os.environ.get("VOICESERVER_MODEL", cls.model),
            api_key=os.environ.get("VOICESERVER_API_KEY") or None,
            weights=Path(weights) if weights else None,
            device=os.environ.get("VOICESERVER_DEVICE") or cls.device,
            thinker=ThinkerConfig(thinker, thinker_model, images=images) if thinker else None,
            thinker_folder=Path(folder) if folder else None,
            turn_taking=turn_taking_named(
                os.environ.get("VOICESERVER_TURN_TAKING") or cls.turn_taking
            ),
            twilio_auth_token=os.environ.get("VOICESERVER_TWILIO_AUTH_TOKEN") or None,
            public_url=os.environ.get("VOICESERVER_PUBLIC_URL") or None,
            audiosocket=os.environ.get("VOICESERVER_AUDIOSOCKET") or None,
            sip=SipConfig.from_environment(sip) if sip else None,
            hang_up=os.environ.get("VOICESERVER_HANG_UP", "") not in ("", "0"),
            transfer_to=destinations(os.environ.get("VOICESERVER_TRANSFER_TO", "").split(";")),
            mcp=mcp_servers(os.environ.get("VOICESERVER_MCP", "").split(";")),
            mcp_hosts=tuple(os.environ.get("VOICESERVER_MCP_HOSTS", "public").split()),
            ice_servers=tuple(os.environ.get("VOICESERVER_ICE_SERVERS", "").split()),
            limits=limits,
        )
