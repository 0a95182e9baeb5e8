#!/usr/bin/env bash
# Measures a graphics card: rows of `separable bench` on WebGPU, each beside `wasm` on the processor of the machine and, if python3 has
# PyTorch, beside PyTorch (CUDA, float32, TF32 off). docs/gpu.md says how to use it.
#
#     bash test/bench/gpu-card.sh [FOLDER]     # default: gpu-card
#
# FOLDER gets rows.jsonl, with one line for each measurement, and gpu-card.md. Every row runs in a process of its own, so that one that
# fails or takes too long costs no other.
#
#   QUICK=1        a few small rows, for a try on a software adapter
#   LIMIT=60       seconds that a row may take on one side
#   BUDGET=540     seconds that all rows together may take; those that come later are left out
#   THREADS=2      threads of wasm (default: one for each core)
#   BACKEND        the backend of the card (default: webgpu)
#   SEPARABLE      the command (default: npx separable)
#   PYTHON         the Python that may have PyTorch (default: python3)
set -u
here=$(cd "$(dirname "$0")" && pwd)/gpu-card
folder=${1:-gpu-card} backend=${BACKEND:-webgpu} python=${PYTHON:-python3}
read -ra separable <<<"${SEPARABLE:-npx separable}"
limit=${LIMIT:-60} budget=${BUDGET:-540}
threads=(${THREADS:+--threads "$THREADS"})
mkdir -p "$folder"
rows=$folder/rows.jsonl
: >"$rows"
output=$(mktemp) errors=$(mktemp)
trap 'rm -f "$output" "$errors"' EXIT

if [ "${QUICK:-}" = 1 ]; then
  repetition=(--repeats 1 --min-seconds 0) images=2
  matrices=(64 256)
  others=(conv3x3-16-32-hw32-b32 relu-1m-fwdbwd)
  goals=(wrn-10-1-step-b2) further=(wrn-10-1-Sep-step-b2)
else
  repetition=(--repeats 5 --min-seconds 1) images=32
  matrices=(2048 1024 512 4096)
  others=(conv3x3-64-64-hw16-b64 conv3x3-64-64-hw16-b64-fwdbwd conv3x3-16-32-hw32-b32-fwdbwd depthwise3x3-32-hw32-b32-fwdbwd
    batchnorm-1m-fwdbwd relu-1m-fwdbwd)
  goals=(wrn-16-2-step-b128 wrn-28-10-step-b32 wrn-10-1-step-b128)
  further=()
  for batch in 128 32 512; do
    for family in Sep Monarch_4 TensorTrain_0.5 ACDC_3; do further+=("wrn-16-2-$family-step-b$batch"); done
  done
  further+=(wrn-10-1-step-b32 wrn-16-2-step-b32 wrn-10-1-step-b512 wrn-16-2-step-b512 wrn-28-10-step-b128 wrn-28-10-step-b512)
fi

# measure SIDE NAME COMMAND…: the JSON that the command prints becomes a row; so does its failure.
measure() {
  local side=$1 name=$2 code=0 seconds=$((budget - SECONDS))
  shift 2
  if [ $seconds -gt "$limit" ]; then seconds=$limit; fi
  if [ $seconds -le 0 ]; then
    printf '{"side":"%s","name":"%s","error":"left out: the budget of %s s was spent"}\n' "$side" "$name" "$budget" >>"$rows"
    return
  fi
  echo "$SECONDS s: $name, $side" >&2
  timeout -k 5 "$seconds" "$@" >"$output" 2>"$errors" || code=$?
  node "$here/add-row.mjs" "$rows" "$side" "$name" "$code" "$seconds" "$output" "$errors"
}

# A row on one side.
card_row() { measure card "$1" "${separable[@]}" bench --backend "$backend" --only "$1" "${repetition[@]}" --json; }
wasm_row() { measure wasm "$1" "${separable[@]}" bench --backend wasm "${threads[@]}" --only "$1" "${repetition[@]}" --json; }
torch_row() { if [ "$has_torch" = 1 ]; then measure torch "$1" "$python" "$here/torch_card.py" "$1" "${repetition[@]}"; fi; }

has_torch=0
if "$python" -c 'import torch' 2>/dev/null; then has_torch=1; fi

measure card info "${separable[@]}" info --backend "$backend" --json
measure wasm info "${separable[@]}" info --backend wasm "${threads[@]}" --json
if [ "$has_torch" = 1 ]; then measure torch info "$python" "$here/torch_card.py" info; fi
measure auto info "${separable[@]}" info --backend auto --json
card_row dispatch-1k
measure card profile "${separable[@]}" bench --backend "$backend" --profile "$images" "${repetition[@]}" --json
for size in "${matrices[@]}"; do
  measure card "gemm-$size" node "$here/gemm.mjs" "$backend" "$size" "${repetition[@]}"
  measure wasm "gemm-$size" node "$here/gemm.mjs" wasm "$size" "${repetition[@]}" "${threads[@]}"
  torch_row "gemm-$size"
done
for name in "${others[@]}" "${goals[@]}"; do card_row "$name"; wasm_row "$name"; torch_row "$name"; done
# The processor comes last, because it would spend the budget on the largest steps.
for name in "${further[@]}"; do card_row "$name"; torch_row "$name"; done
for name in "${further[@]}"; do wasm_row "$name"; done

node "$here/summary.mjs" "$rows" >"$folder/gpu-card.md"
cat "$folder/gpu-card.md"
