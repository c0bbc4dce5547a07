"""What is taken out of a user's audio before it is listened to, as a client may ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NoiseReduction = Literal["near_field", "far_field"]  # where the microphone is: at the mouth, or not


@dataclass(frozen=True)
class Cleaning:
    """`echo`: our own voice, once it has been heard to come back from the user's loudspeaker."""

    noise: NoiseReduction | None = None
    echo: bool = False
