"""What the browser tests share: a headless Chromium with a microphone that speaks, and a page.

Each test's page is watched: an error on its console, or a request to another host, fails the test.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parent))  # tests have no packages; the helper lies beside us

from browser_kit import ANSWER, PATIENCE_MS, PLAIN_HOST, QUESTION, Watch
from scripted_server import ScriptedServer

from voiceserver.scenes.kokoro import RATE_HZ, VOICES, speak

_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in _NAMES if (found := shutil.which(name))), None)
LEAD_S = 0.6  # silence before the microphone speaks

# Everything that would make the browser talk to hosts of its own is switched off.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    f"--host-resolver-rules=MAP {PLAIN_HOST} 127.0.0.1",
]


expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip("no chromium on this machine (apt: chromium)"))


@pytest.fixture(scope="session")
def question_speech() -> NDArray[np.float32]:
    return speak(QUESTION, VOICES[0])


@pytest.fixture(scope="session")
def answer_speech() -> NDArray[np.float32]:
    return speak(ANSWER, VOICES[1])


@pytest.fixture(scope="session")
def microphone_wav(question_speech: NDArray[np.float32]) -> Iterator[Path]:
    """What the fake microphone hears: the question, then a long silence."""
    lead = np.zeros(round(LEAD_S * RATE_HZ), np.float32)
    rest = np.zeros(20 * RATE_HZ, np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "microphone.wav"
        sf.write(path, np.concatenate([lead, question_speech, rest]), RATE_HZ, subtype="PCM_16")
        yield path


# Playwright's synchronous interface keeps an event loop running on this thread, in which no
# asynchronous test could run; so nothing of it outlives its module.
@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as instance:
        yield instance


@pytest.fixture(scope="module")
def browser(playwright: Playwright, microphone_wav: Path) -> Iterator[Browser]:
    microphone = f"--use-file-for-fake-audio-capture={microphone_wav}%noloop"
    chromium = playwright.chromium.launch(
        executable_path=CHROMIUM,
        args=[*FLAGS, microphone],
    )
    yield chromium
    chromium.close()


@pytest.fixture(scope="module")
def scripted() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(scripted: ScriptedServer) -> ScriptedServer:
    scripted.received.clear()
    scripted.models_status = 200
    scripted.health = {"status": "ok", "sessions": 0, "session_limit": 4}
    scripted.refuse = False
    return scripted


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(permissions=["microphone"])
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, server: ScriptedServer, watch: Watch) -> Iterator[Page]:
    page = context.new_page()
    watch.follow(page)
    page.goto(server.url)
    yield page
    assert watch.unexpected() == []
    assert watch.hosts == {server.url}
