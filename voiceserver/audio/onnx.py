"""Opens ONNX models the one way this project runs them: on the CPU, one thread, never spinning."""

from __future__ import annotations

from pathlib import Path

import onnxruntime

from voiceserver.errors import AssetError

ERRORS_ONLY = 3


def open_session(file: Path) -> onnxruntime.InferenceSession:
    """A session on the calling thread; it releases the interpreter lock while it computes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a family of its own without a common base
        raise AssetError(f"{file} cannot be read as an ONNX model: {error}") from error
