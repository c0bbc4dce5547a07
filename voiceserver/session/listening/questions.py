"""What a session has asked the engine about the user's audio and is not answered yet."""

from __future__ import annotations

from collections.abc import Callable

from voiceserver.engine.messages import JudgeFloor, PredictTurnEnd, Recognise, ToEngine
from voiceserver.session.listening.hearing import Ask, Hearing
from voiceserver.session.timing import to_samples

_JUDGED_SAMPLES = to_samples(8000)  # what smart-turn looks at


class Questions:
    """Open questions to the recogniser and to the model of turn ends, on our own clock."""

    def __init__(self, session_id: str, tell: Callable[[ToEngine], None]) -> None:
        self.engine_zero = 0  # our sample position of the engine's sample 0
        self._session_id = session_id
        self._tell = tell
        self._newest = 0
        self._reading: dict[int, Hearing] = {}  # to the recogniser
        self._judging: dict[int, int] = {}  # to the model of turn ends: request -> end sample
        self._sound: int | None = None  # about a sound over the assistant's

    @property
    def open_readings(self) -> int:
        return len(self._reading)

    @property
    def open_judgements(self) -> int:
        return len(self._judging)

    def reading(self, hearing: Hearing) -> Ask:
        """How to have parts of an utterance read."""

        def ask(start_sample: int, end_sample: int, final: bool) -> int:
            request_id = self._recognise(start_sample, end_sample, final)
            self._reading[request_id] = hearing
            return request_id

        return ask

    def _recognise(self, start_sample: int, end_sample: int, final: bool) -> int:
        request_id = self._request_id()
        span = self._heard(start_sample, end_sample)
        self._tell(Recognise(self._session_id, request_id, *span, final))
        return request_id

    def _heard(self, start_sample: int, end_sample: int) -> tuple[int, int]:
        """A span of our clock on the engine's."""
        start = max(0, start_sample - self.engine_zero)
        return start, max(start, end_sample - self.engine_zero)

    def words(self, start_sample: int, end_sample: int) -> None:
        """Have a doubtful sound read; an older question about a sound is forgotten."""
        self._sound = self._recognise(start_sample, end_sample, final=True)

    def floor(self, start_sample: int, end_sample: int) -> None:
        """Ask whether a sound takes the floor; an older question about a sound is forgotten."""
        self._sound = self._request_id()
        span = self._heard(start_sample, end_sample)
        self._tell(JudgeFloor(self._session_id, self._sound, *span))

    def sound_told(self, request_id: int) -> bool:
        """Whether this is the answer about the sound."""
        told = request_id == self._sound
        self._sound = None if told else self._sound
        return told

    def judge(self, first_sample: int, end_sample: int) -> None:
        """Ask whether a turn from `first_sample` on is complete; forget older such questions."""
        request_id = self._request_id()
        self._judging = {request_id: end_sample}
        start = max(first_sample, end_sample - _JUDGED_SAMPLES) - self.engine_zero
        end = end_sample - self.engine_zero
        self._tell(PredictTurnEnd(self._session_id, request_id, max(0, start), end))

    def read(self, request_id: int) -> Hearing | None:
        """Whose question the recogniser has answered."""
        return self._reading.pop(request_id, None)

    def judged(self, request_id: int) -> int | None:
        """The end of the audio that has been judged."""
        return self._judging.pop(request_id, None)

    def forget(self, hearing: Hearing | None) -> None:
        """Answers about this utterance are of no use any more."""
        self._reading = {r: h for r, h in self._reading.items() if h is not hearing}

    def forget_all(self) -> list[Hearing]:
        """No answer will come; return the utterances that are over and not read."""
        lost = list({id(h): h for h in self._reading.values() if h.over}.values())
        self._reading.clear()
        self._judging.clear()
        self._sound = None
        return lost

    def _request_id(self) -> int:
        self._newest += 1
        return self._newest
