#!/usr/bin/env bash
# Runs the tests that compute with torch as if on other processors, one setting after the other:
#
#   tests/processors.sh [SETTING ...] [-- PYTEST ARGUMENTS]
#
# Without settings it runs all of them. A line per setting says whether the tests passed; the exit
# code is 1 if any failed. ONEDNN_MAX_CPU_ISA and MKL_CBWR can only take instructions away: on a
# processor without AVX-512 the two AVX-512 settings change nothing.
set -uo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-.venv/bin/python}
ALL=(plain bf16 seed1 seed2 threads4 torch-default torch-avx2 onednn-sse41 onednn-avx2
     onednn-avx512 onednn-avx512-bf16 mkl-compatible busy)
FILES=(tests/contract/test_variants.py tests/unit/models/variants
       tests/unit/models/test_{backbones,cpu_layers,linear_chain_crf,prediction,scratch,training}.py
       tests/unit/scores/test_bertscore.py tests/unit/steps/test_reasoning_race.py
       tests/unit/test_reader.py)

chosen=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do chosen+=("$1"); shift; done
[ $# -gt 0 ] && shift
[ ${#chosen[@]} -gt 0 ] || chosen=("${ALL[@]}")
[ $# -gt 0 ] || set -- "${FILES[@]}"

failed=0
for setting in "${chosen[@]}"; do
  variables=(OMP_NUM_THREADS=1 "PYTHONPATH=$PWD/tests/another_processor${PYTHONPATH:+:$PYTHONPATH}")
  heavy=
  case $setting in
    plain) ;;
    bf16) variables+=(AS_IF_BF16=1) ;;
    seed*) variables+=("AS_IF_SEED=${setting#seed}") ;;
    threads*) variables+=("OMP_NUM_THREADS=${setting#threads}") ;;
    torch-*) variables+=("ATEN_CPU_CAPABILITY=${setting#torch-}") ;;
    onednn-sse41) variables+=(ONEDNN_MAX_CPU_ISA=SSE41) ;;
    onednn-avx2) variables+=(ONEDNN_MAX_CPU_ISA=AVX2) ;;
    onednn-avx512) variables+=(ONEDNN_MAX_CPU_ISA=AVX512_CORE) ;;
    onednn-avx512-bf16) variables+=(ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16) ;;
    mkl-compatible) variables+=(MKL_CBWR=COMPATIBLE) ;;
    busy) "$PYTHON" -c 'while True: pass' & heavy=$! ;;
    *) echo "The setting $setting is not known; known: ${ALL[*]}" >&2; exit 2 ;;
  esac
  log=$(mktemp)
  started=$SECONDS
  if env "${variables[@]}" nice -n 10 "$PYTHON" -m pytest -p no:cacheprovider "$@" > "$log" 2>&1; then
    result=passed
  else
    result=FAILED failed=1
    grep -E '^(FAILED|ERROR|E  )' "$log"
  fi
  [ -z "$heavy" ] || kill "$heavy"
  echo "$setting: $result in $((SECONDS - started)) s"
  rm "$log"
done
exit $failed
