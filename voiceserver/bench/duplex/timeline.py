"""A picture of one scene as SVG: what was said and heard, what happened, what the server told."""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import NDArray

from voiceserver.bench.duplex.recording import Recording
from voiceserver.clock import WIRE_RATE_HZ

Samples = NDArray[np.float32]

WIDTH, LEFT, LANE = 1200, 80, 90
_USER, _OWN, _TOLD = 70, 190, 300  # middles of the lanes
_COLOURS = {
    "turn": "#2b7bba",
    "interruption": "#c0392b",
    "pause": "#f5d76e",
    "filler": "#e08e0b",
    "backchannel": "#27ae60",
    "aside": "#8e44ad",
    "noise": "#7f8c8d",
    "broadcast": "#16a085",
    "echo": "#34495e",
}


def picture(recording: Recording, title: str) -> str:
    """The scene from its start to its end."""
    length_s = max(len(recording.said), len(recording.heard), 1) / WIRE_RATE_HZ
    scale = (WIDTH - LEFT - 20) / length_s
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="400" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="18" font-size="14">{escape(title)}</text>',
    ]
    parts += [_label("user", _USER), _label("assistant", _OWN), _label("server", _TOLD)]
    parts += _events(recording, scale)
    parts.append(_wave(recording.said, _USER, scale, "#2b7bba"))
    parts.append(_wave(recording.heard, _OWN, scale, "#444444"))
    parts += _replies(recording, scale)
    parts += _notices(recording, scale)
    parts += _ruler(length_s, scale)
    return "\n".join([*parts, "</svg>\n"])


def _label(text: str, y: int) -> str:
    return f'<text x="6" y="{y + 4}">{text}</text>'


def _events(recording: Recording, scale: float) -> list[str]:
    parts = []
    for event in recording.events:
        x, width = LEFT + event.begin_s * scale, (event.end_s - event.begin_s) * scale
        top, height = (_USER - 40, LANE - 10) if event.kind != "pause" else (_USER - 30, LANE - 30)
        parts.append(
            f'<rect x="{x:.1f}" y="{top}" width="{width:.1f}" height="{height}" '
            f'fill="{_COLOURS[event.kind]}" fill-opacity="0.25"/>'
        )
        if event.kind != "pause":
            words = escape(f"{event.kind} {event.detail}")
            parts.append(f'<text x="{x:.1f}" y="{top - 2}" fill="#333">{words}</text>')
    return parts


def _wave(sound: Samples, middle: int, scale: float, colour: str) -> str:
    """The loudest sample of each pixel, up and down."""
    step = max(1, round(WIRE_RATE_HZ / scale))
    columns = np.abs(np.pad(sound, (0, -len(sound) % step))).reshape(-1, step).max(axis=1)
    heights = 36 * np.sqrt(np.minimum(columns, 1.0))  # a root, so that soft sounds are seen
    xs = LEFT + np.arange(len(columns)) * step / WIRE_RATE_HZ * scale
    upper = [f"{x:.1f},{middle - h:.1f}" for x, h in zip(xs, heights, strict=True)]
    lower = [f"{x:.1f},{middle + h:.1f}" for x, h in zip(xs, heights, strict=True)]
    points = " ".join([*upper, *reversed(lower)])
    return f'<polygon points="{points}" fill="{colour}"/>'


def _replies(recording: Recording, scale: float) -> list[str]:
    """The stretch of each reply, with its words below it."""
    parts = []
    for reply in recording.replies:
        for begin_s, end_s in reply.pieces:
            parts.append(
                f'<rect x="{LEFT + begin_s * scale:.1f}" y="{_OWN - 42}" height="3" fill="#444" '
                f'width="{(end_s - begin_s) * scale:.1f}"/>'
            )
        if reply.pieces:
            words = escape(" ".join(reply.words_heard()))
            x = LEFT + reply.pieces[0][0] * scale
            parts.append(f'<text x="{x:.1f}" y="{_OWN + 50}">{words}</text>')
    return parts


def _notices(recording: Recording, scale: float) -> list[str]:
    parts = []
    for number, (at_s, text) in enumerate(recording.notices):
        x, y = LEFT + at_s * scale, _TOLD - 28 + 14 * (number % 5)
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_USER - 40}" y2="{y}" stroke="#c0392b" '
            'stroke-dasharray="2,3"/>'
        )
        parts.append(f'<text x="{x + 3:.1f}" y="{y}" fill="#c0392b">{escape(text)}</text>')
    return parts


def _ruler(length_s: float, scale: float) -> list[str]:
    parts = []
    for second in range(int(length_s) + 1):
        x = LEFT + second * scale
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="360" y2="366" stroke="#999"/>')
        parts.append(f'<text x="{x:.1f}" y="380" text-anchor="middle">{second} s</text>')
    return parts
