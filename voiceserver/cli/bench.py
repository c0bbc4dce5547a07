"""`voiceserver bench`: measurements, each printed as a card, a table and one JSON line.

Without `--url` a server of its own is started, so that nothing else is measured along.
"""

from __future__ import annotations

import asyncio

import typer

from voiceserver.cli import bench_dialogue, bench_duplex, bench_hearing, bench_model
from voiceserver.cli.options import Json, Url, progress
from voiceserver.cli.own_server import engine_pid, server_at
from voiceserver.errors import VoiceserverError

app = typer.Typer(help="Measure latency, quality and cost.", no_args_is_help=True)
bench_model.add_to(app)
bench_dialogue.add_to(app)
bench_duplex.add_to(app)
bench_hearing.add_to(app)


@app.command("first-audio")
def first_audio(
    sessions: int = typer.Option(1, min=1, help="Users talking at once."),
    turns: int = typer.Option(5, min=1, help="Questions of each user."),
    url: Url = None,
    as_json: Json = False,
) -> None:
    """How soon the assistant is heard after the user's last word."""
    from voiceserver.bench import first_audio as bench

    with server_at(url, sessions) as server:
        measured = asyncio.run(bench.measure(server.url, sessions, turns))
    bench.report(measured, sessions).show(as_json)


@app.command()
def conversation(
    questions: int = typer.Option(20, min=1, max=20, help="How many spoken questions."),
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Word errors of what is heard and of what is said."""
    from voiceserver.bench import conversation as bench

    with server_at(url, 1) as server:
        exchanges = asyncio.run(bench.measure(server.url, questions, progress))
    bench.report(exchanges).show(as_json)


@app.command()
def interruption(
    times: int = typer.Option(10, min=1, help="How many replies to interrupt."),
    url: Url = None,
    as_json: Json = False,
) -> None:
    """How fast the assistant falls silent when the user speaks."""
    from voiceserver.bench import interruption as bench

    with server_at(url, 1) as server:
        found = asyncio.run(bench.measure(server.url, times))
        disturbed = [asyncio.run(bench.disturb(server.url, kind)) for kind in ("cough", "echo")]
    bench.report(found, disturbed).show(as_json)


@app.command()
def cost(
    replies: int = typer.Option(6, min=1, max=20, help="How many spoken replies."),
    as_json: Json = False,
) -> None:
    """CPU time of one session."""
    from voiceserver.bench import cost as bench

    with server_at(None, 1) as server:
        report = asyncio.run(bench.measure(server.url, engine_pid(server.page), replies))
    report.show(as_json)


@app.command()
def intelligibility(
    replies: int = typer.Option(50, min=1, help="How many replies to speak."),
    teacher: bool = typer.Option(False, help="Let the teacher speak them too."),
    as_json: Json = False,
) -> None:
    """How well the voice is understood, without a server."""
    from voiceserver.threads import prepare_threads

    prepare_threads()  # before torch is imported
    from voiceserver.bench import intelligibility as bench

    bench.report(bench.run(replies, with_teacher=teacher, told=progress)).show(as_json)


@app.command()
def listening(
    model: str = typer.Option("base", help="Whose real encoder: base or tiny.en."),
    questions: int = typer.Option(20, min=1, max=20, help="How many spoken questions."),
    voices: int = typer.Option(2, min=1, max=6, help="How many people ask each."),
    noise: float = typer.Option(0.003, min=0.0, help="Noise, of full scale."),
    held_out: bool = typer.Option(
        False, help="Sentences (10) and voices (4) that the live encoder was not tuned on."
    ),
    as_json: Json = False,
) -> None:
    """What Mini-Omni's live Whisper encoder loses against the exact one."""
    from voiceserver.threads import prepare_threads

    prepare_threads()  # before torch is imported
    from voiceserver.bench import listening as bench

    if model not in bench.MODELS:
        raise VoiceserverError(f"--model {model}: it may be {' or '.join(bench.MODELS)}")
    bench.run(model, questions, voices, noise, progress, held_out).show(as_json)
