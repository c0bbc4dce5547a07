"""The environments that the stock clients run in: made once each, below the cache folder."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

from voiceserver.config import cache_folder

FOLDER = cache_folder() / "conformance"


def python_environment(name: str, packages: tuple[str, ...]) -> Path:
    """Its interpreter; made anew when the packages asked for change."""
    folder = FOLDER / name
    interpreter = folder / "bin" / "python"
    if _is_made(folder, packages):
        return interpreter
    shutil.rmtree(folder, ignore_errors=True)
    print(f"making the environment of {name}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(interpreter), "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    subprocess.run([*pip, *packages], check=True, stderr=subprocess.DEVNULL)
    _note(folder, packages)
    return interpreter


def node_environment(name: str, packages: tuple[str, ...]) -> Path:
    """A folder with its `node_modules`."""
    folder = FOLDER / name
    if _is_made(folder, packages):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"making the environment of {name}", flush=True)
    (folder / "package.json").write_text(json.dumps({"private": True, "type": "module"}))
    npm = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    subprocess.run([*npm, *packages], cwd=folder, check=True)
    _note(folder, packages)
    return folder


def _is_made(folder: Path, packages: tuple[str, ...]) -> bool:
    mark = folder / "made"
    return mark.is_file() and mark.read_text() == _digest(packages)


def _note(folder: Path, packages: tuple[str, ...]) -> None:
    (folder / "made").write_text(_digest(packages))


def _digest(packages: tuple[str, ...]) -> str:
    return hashlib.sha256(" ".join(packages).encode()).hexdigest()
