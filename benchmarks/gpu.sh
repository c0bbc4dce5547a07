#!/usr/bin/env bash
# Every GPU check and benchmark in one go, within 8 minutes on an H100.
#
#   benchmarks/gpu.sh pack   where there is a network: collect what the GPU machine lacks in
#                            benchmarks/.gpu (carry that folder along)
#   benchmarks/gpu.sh        on the GPU machine: needs python3 with torch, triton, pytest, rich,
#                            typer, tokenizers, onnxruntime; installs nothing, fetches nothing
#   benchmarks/gpu.sh dry    the same commands on a CPU with small sizes, to try the script itself
#
# Results go to $OUT, else benchmarks/results: one JSON file a bench, named by date and device, and
# gpu.log with all output. Random weights: timings do not depend on what the weights say.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1

readonly MODE=${1:-run}
readonly LIMIT_S=470
readonly PACKED=benchmarks/.gpu

fail() { echo "gpu.sh: $*" >&2; exit 1; }

pack() {
    local python=.venv/bin/python
    "$python" - "$PACKED/assets" <<'PYTHON' || fail "the assets are not there"
import shutil, sys
from pathlib import Path
from voiceserver.assets import resolve

for name, path in resolve("nano", only=("vad", "turn_end")).items():
    folder = Path(sys.argv[1]) / name
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, folder)
PYTHON
    git describe --always --dirty > "$PACKED/commit"
    du -sh "$PACKED"
}

# Prints the first python that has torch, and CUDA unless this is a dry run.
find_python() {
    local python test='import torch, sys; sys.exit(not torch.cuda.is_available())'
    [ "$MODE" = dry ] && test='import torch'
    for python in ${PYTHON:-} python3 .venv/bin/python; do
        "$python" -c "$test" 2> /dev/null && echo "$python" && return
    done
    return 1
}

# stage NAME SECONDS COMMAND...: runs it within that time and what is left; notes how it went.
stage() {
    local name=$1 most_s=$2 began_s=$SECONDS left_s=$((LIMIT_S - SECONDS)) code
    shift 2
    [ "$left_s" -lt 5 ] && { summary+=("$name: no time left"); failed=1; return; }
    [ "$left_s" -lt "$most_s" ] && most_s=$left_s
    echo "=== $name"
    timeout --kill-after=10 "$most_s" "$@" 2>&1
    code=$?
    case $code in
        0) summary+=("$name: passed, $((SECONDS - began_s)) s") ;;
        124 | 137) summary+=("$name: CUT OFF after $most_s s"); failed=1 ;;
        *) summary+=("$name: FAILED ($code), $((SECONDS - began_s)) s"); failed=1 ;;
    esac
}

bench() {
    local name=$1 most_s=$2
    shift 2
    stage "bench $name" "$most_s" "$python" -W ignore -c \
        'from voiceserver.cli.bench import app; app()' "$name" "${subject[@]}" --out "$out" "$@"
}

machine() {
    nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.max.sm,temperature.gpu,power.draw \
        --format=csv,noheader 2> /dev/null || echo "no nvidia-smi"
    "$python" -c 'import torch, triton, sys
print("python", sys.version.split()[0], "torch", torch.__version__, "triton", triton.__version__)'
}

# Options of pytest plugins that are not there must not count as errors.
tests() {
    stage "$1" "$2" "$python" -m pytest -q -o addopts="-rfEs --import-mode=importlib" \
        -W ignore "${@:3}"
}

run() {
    local gpu_tests parallel=()
    # Only files with tests for a GPU: others import packages that may not be there.
    mapfile -t gpu_tests < <(grep -rl "mark\.gpu" tests --include="test_*.py")
    # Most of the time of the kernels' tests is spent compiling.
    "$python" -c 'import xdist' 2> /dev/null && parallel=(-n 8)
    machine
    if [ "$MODE" = dry ]; then
        tests "kernels" 120 tests/kernels/test_norm.py tests/kernels/test_dispatch.py
        tests "gpu tests" 60 -m gpu "${gpu_tests[@]}"
        bench kernels 60 --sessions 1,2 --repeats 4
        bench step 60 --sessions 1,2 --steps 4
        bench codec 60 --sessions 1,2 --frames 4
        bench sessions 60 --sessions 1,2 --seconds 2
    else
        tests "kernels" 120 "${parallel[@]}" tests/kernels
        tests "gpu tests" 60 -m gpu "${gpu_tests[@]}"
        bench step 120 --sessions 1,8,64 --steps 400
        bench sessions 150 --sessions 1,64,256 --seconds 60
        bench codec 60 --sessions 1,16,64 --frames 200
        bench kernels 60 --sessions 1,8,64 --repeats 1000
    fi
    [ -f "$PACKED/commit" ] && # where there is no repository
        sed -i "s/\"commit\": \"unknown\"/\"commit\": \"$(cat "$PACKED/commit")\"/" "$out"/*.json
    echo "=== summary"
    printf '%s\n' "${summary[@]}" "$SECONDS s in all"
    return "$failed"
}

case $MODE in
    pack) pack; exit ;;
    run | dry) ;;
    *) fail "pack, dry or nothing, not $MODE" ;;
esac

python=$(find_python) || fail "no python with torch$([ "$MODE" = run ] && echo " and CUDA")"
out=${OUT:-benchmarks/results}
subject=(--device cuda --random-weights)
[ "$MODE" = dry ] && subject=(--device cpu --reduced)
summary=()
failed=0
mkdir -p "$out"
export PYTHONPATH=.${PYTHONPATH:+:$PYTHONPATH} COLUMNS=110
[ -d "$PACKED/assets" ] && export VOICESERVER_ASSETS=$PACKED/assets
if [ "$MODE" = dry ]; then export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE; fi
run 2>&1 | tee "$out/gpu.log"
exit "${PIPESTATUS[0]}"
