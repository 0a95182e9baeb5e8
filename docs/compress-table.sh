#!/bin/sh
# Compresses one trained dense network by eleven families to one budget, tunes each result, and prints one JSON line for each: parameters,
# errors of the layers, and the accuracy before, after compressing and after tuning.
#
#     sh docs/compress-table.sh RUN EPOCHS BUDGET [option of compress …] > compress.jsonl
#
# RUN is a run of Conv; BUDGET is a number of parameters or a share such as 0.3x. SEPARABLE is the command (default: npx separable).
set -eu
run=$1 epochs=$2 budget=$3
shift 3
for family in Sep Generic TensorTrain Tucker CP Monarch BlockTensorTrain MatrixTensorTrain Kronecker BLAST Shuffle; do
  ${SEPARABLE:-npx separable} compress "$run" --conv "$family" --budget "$budget" --tune "$epochs" --json --no-progress "$@" ||
    echo "$family is left out: compress failed" >&2
done
