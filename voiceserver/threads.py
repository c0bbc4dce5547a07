"""How many threads the numerical libraries may start, said before any of them is imported."""

from __future__ import annotations

import os


def prepare_threads() -> None:
    """One thread a library, and none that spins; must run before torch and numpy are imported.

    With two cores and several processes, waiting threads that spin cost forty times the work.
    """
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
