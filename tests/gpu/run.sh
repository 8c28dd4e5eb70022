#!/usr/bin/env bash
# Builds, checks and measures the CUDA backend on a GPU machine: one command, a short table last, JSON beside it.
#
#   tests/gpu/run.sh [--out DIR] [--build DIR] [--checks-only | --bench-only] [--dry-run]
#   tests/gpu/run.sh --pack FILE.tar.gz
#
# Needs nvcc, CMake, ninja, a C++20 compiler, the header catch2/catch.hpp and, for the baseline, Python with PyTorch
# (PYTHON names it; python3 by default); NanoVDB's headers and nlohmann/json are used where they are. --pack makes an archive of the sources and of these
# headers, to be unpacked where they are not: there CPATH is set by itself.
# Without a GPU it says so aloud and exits with 77; --dry-run then builds and runs everything as far as it goes: the
# tests on the host executor, bench and baseline with small sizes on the CPU.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"
out="$root/build/gpu-out" build="$root/build/gpu" checks=1 bench=1 dry=0

die() { echo "run.sh: $*" >&2; exit 2; }
while [ $# -gt 0 ]; do
  case "$1" in
    --out) out="${2:?--out: give a folder}"; shift 2 ;;
    --build) build="${2:?--build: give a folder}"; shift 2 ;;
    --checks-only) bench=0; shift ;;
    --bench-only) checks=0; shift ;;
    --dry-run) dry=1; shift ;;
    --pack) pack="${2:?--pack: give a file}"; shift 2 ;;
    *) die "$1: unknown; see the head of this file" ;;
  esac
done

if [ -n "${pack:-}" ]; then
  staging="$(mktemp -d)"
  trap 'rm -rf "$staging"' EXIT
  mkdir -p "$staging/dvren/include"
  (cd "$root" && tar -cf - .ci/check_spills hotpath cmake tests/gpu tests/support tests/unit/hotpath tests/conformance tests/gradcheck) |
    tar -xf - -C "$staging/dvren"
  for header in catch2 nanovdb; do
    if [ -d "/usr/include/$header" ]; then cp -r "/usr/include/$header" "$staging/dvren/include/"
    else echo "run.sh: /usr/include/$header is not there; the archive goes without it"; fi
  done
  tar -czf "$pack" -C "$staging" dvren
  echo "$pack: $(du -h "$pack" | cut -f1)"
  exit 0
fi

mkdir -p "$out"
out="$(cd "$out" && pwd)"
includes=()
if [ -d "$root/include" ]; then  # an unpacked archive
  export CPATH="$root/include${CPATH:+:$CPATH}"
  includes=(-DCMAKE_INCLUDE_PATH="$root/include")
fi
gpu=0
if command -v nvidia-smi > /dev/null && nvidia-smi -L 2> /dev/null | grep -q GPU; then
  gpu=1
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | tee "$out/gpu.txt"
else
  echo "NO GPU on this machine: nothing runs on a device here"
  if [ "$dry" = 0 ]; then
    echo "SKIPPED (--dry-run runs what goes without one)"
    exit 77
  fi
fi

cuda=AUTO targets=(dvren_executor_test dvren_bench_executor)
if [ "$gpu" = 1 ]; then cuda=ON targets=(dvren_gpu_test dvren_bench_gpu); fi
if [ "$gpu" = 0 ] && [ "${DVREN_DRY_RUN_CUDA:-1}" = 0 ]; then cuda=OFF; fi
cmake -S "$here" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DDVREN_CUDA="$cuda" -DDVREN_CUDA_REPORT=ON \
  "${includes[@]}" > "$out/configure.txt"
cmake --build "$build" --target "${targets[@]}" 2>&1 | tee "$out/build.txt" | tail -n 1
spills="$root/.ci/check_spills"
if [ -x "$spills" ] && grep -q 'ptxas info' "$out/build.txt"; then "$spills" "$out/build.txt"; fi

status=0 summary=()
note() { summary+=("$1"); }
if [ "$checks" = 1 ]; then
  program=dvren_executor_test where="host executor"
  if [ "$gpu" = 1 ]; then program=dvren_gpu_test where="GPU"; fi
  if "$build/bin/$program" -d yes > "$out/tests.txt" 2>&1; then
    note "tests on the $where: $(tail -n 2 "$out/tests.txt" | head -n 1)"
  else
    status=1
    note "tests on the $where: FAILED, see $out/tests.txt: $(grep -E '^(test cases|assertions):' "$out/tests.txt" | tr '\n' ' ')"
  fi
  # The whole is run twice, and what it prints of determinism is asserted in it. Small cases under the sanitizer.
  if [ "$gpu" = 1 ] && command -v compute-sanitizer > /dev/null; then
    for tool in memcheck racecheck; do
      if DVREN_CUDA_BLOCKING=1 compute-sanitizer --tool "$tool" --error-exitcode 9 "$build/bin/dvren_gpu_test" "[launch]" \
          > "$out/$tool.txt" 2>&1; then
        note "compute-sanitizer $tool: clean"
      else
        status=1
        note "compute-sanitizer $tool: FAILED, see $out/$tool.txt"
      fi
    done
  else
    note "compute-sanitizer: not run (no GPU, or not installed)"
  fi
fi
if [ "$bench" = 1 ]; then
  program=dvren_bench_executor quick=(--quick)
  if [ "$gpu" = 1 ]; then program=dvren_bench_gpu quick=(); fi
  "$build/bin/$program" "${quick[@]}" --json "$out/bench.json" | tee "$out/bench.txt" > /dev/null || { status=1; note "bench: FAILED, see $out/bench.txt"; }
  code=0
  "${PYTHON:-python3}" "$here/torch_baseline.py" "${quick[@]}" --json "$out/torch.json" > "$out/torch.txt" 2>&1 || code=$?
  case "$code" in
    0) ;;
    77) note "$(tail -n 1 "$out/torch.txt")" ;;
    *) status=1; note "PyTorch baseline: FAILED, see $out/torch.txt" ;;
  esac
fi

echo
echo "==== $(date -u +%FT%TZ), $( [ "$gpu" = 1 ] && head -n 1 "$out/gpu.txt" || echo 'dry run, no GPU: figures mean nothing')"
for line in "${summary[@]}"; do echo "$line"; done
[ -f "$out/bench.json" ] && "${PYTHON:-python3}" "$here/table.py" "$out/bench.json" "$out/torch.json"
echo "in full: $out"
exit "$status"
