"""G.711 against its definition: known codes, monotone, exact there and back."""

from __future__ import annotations

import numpy as np
import pytest

from voiceserver.audio import g711

ALL = np.arange(-32768, 32768).astype(np.int16)


@pytest.mark.parametrize(
    ("encode", "decode"),
    [(g711.pcm16_to_ulaw, g711.ulaw_to_pcm16), (g711.pcm16_to_alaw, g711.alaw_to_pcm16)],
)
class TestBothLaws:
    def test_every_code_survives_the_round_trip(self, encode, decode) -> None:  # type: ignore[no-untyped-def]
        codes = bytes(range(256))
        heard = decode(codes)
        assert np.array_equal(decode(encode(heard)), heard)

    def test_error_is_small_beside_the_sample(self, encode, decode) -> None:  # type: ignore[no-untyped-def]
        error = np.abs(decode(encode(ALL)).astype(int) - ALL)
        assert np.all(error <= np.maximum(16, np.abs(ALL.astype(int)) // 16))

    def test_louder_never_decodes_quieter(self, encode, decode) -> None:  # type: ignore[no-untyped-def]
        assert np.all(np.diff(decode(encode(ALL)).astype(int)) >= 0)


def test_known_codes() -> None:
    samples = np.array([0, 32767, -32768, 1000], np.int16)
    assert g711.pcm16_to_ulaw(samples) == bytes([0xFF, 0x80, 0x00, 0xCE])
    assert g711.pcm16_to_alaw(samples) == bytes([0xD5, 0xAA, 0x2A, 0xFA])
    assert list(g711.ulaw_to_pcm16(bytes([0xFF, 0x80, 0x00]))) == [0, 32124, -32124]
    assert list(g711.alaw_to_pcm16(bytes([0xD5, 0xAA, 0x2A]))) == [8, 32256, -32256]
