#!/usr/bin/env bash
# Builds both images and runs them as a cluster would: a read-only root, no capabilities, no network,
# another user than root, 2 GB. Needs podman or docker; prints one line per check, fails if one fails.
#
#   tests/integration/test_image.sh                          build and check
#   IMAGE=... SERVE_IMAGE=... tests/integration/test_image.sh   check images that exist; one alone will do
#
# Settings: ENGINE (podman, else docker), BUILD_FLAGS (--pull=never, --build-arg TORCH_INDEX_URL=...),
# STEP_COMMAND (see below).
# shellcheck disable=SC2016  # what stands in single quotes is for the shell in the container
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
engine=${ENGINE:-$(command -v podman || command -v docker)}
read -ra build_flags <<<"${BUILD_FLAGS:-}"
uid=10001
failed=0
scratch=$(mktemp -d)
container=squadron-test-$$
trap '"$engine" rm --force "$container" >/dev/null 2>&1 || true; rm -rf "$scratch"' EXIT

confined=(
  --read-only --tmpfs "/tmp:rw,mode=1777" --cap-drop ALL --security-opt no-new-privileges
  --memory 2g --pids-limit 256 --network none
)

# A real step, the command line of `python -m squadron ...`. The examples of the repository are at
# /examples, read-only; /data is empty and writable, and must not be empty afterwards.
ingest='python -m squadron step ingest --data '\''{"train": ["/examples/corpus.json"]}'\'' --examples /data/examples'
STEP_COMMAND=${STEP_COMMAND:-$ingest}

run_step() {
  mkdir -p "$scratch/data"
  chmod 0777 "$scratch/data"
  check "one real step: $STEP_COMMAND" confined_run \
    --volume "$root/examples:/examples:ro" --volume "$scratch/data:/data" \
    "$IMAGE" sh -euc "$STEP_COMMAND"
  check "the step wrote something" test -n "$(ls -A "$scratch/data")"
}

# A PDF is read in a process of its own, and LanceDB writes an index.
documents='{"files": ["/examples/handbook.pdf"], "contexts": ["select"], "questions": 5}'
search_documents='
squadron="python -m squadron step"
$squadron passages --documents "$1" --examples /data/examples --passages /data/passages
$squadron index --documents "$1" --examples /data/examples --passages /data/passages \
  --index /data/index --found /data/found --figures-file /data/figures.json
test -s /data/found/select.parquet
'

check() {
  local what=$1
  shift
  if "$@" >"$scratch/out" 2>&1; then
    echo "ok - $what"
  else
    echo "FAILED - $what"
    sed 's/^/    /' "$scratch/out"
    failed=$((failed + 1))
  fi
}

refuse() { ! "$@"; }

equal() { [ "$1" = "$2" ] || { echo "expected '$1', found '$2'"; return 1; }; }

confined_run() { "$engine" run --rm --user "$uid:$uid" "${confined[@]}" "$@"; }

inspect() { "$engine" image inspect --format "$2" "$1"; }

build() {
  local target=$1 tag=localhost/squadron-$1:test started=$SECONDS
  "$engine" build "${build_flags[@]}" --target "$target" --tag "$tag" --file "$root/docker/Dockerfile" \
    --build-arg "GIT_SHA=$(git -C "$root" rev-parse HEAD)" "$root" >"$scratch/build.log" 2>&1 ||
    { tail -n 40 "$scratch/build.log"; exit 1; }
  echo "ok - built $tag in $((SECONDS - started)) s, $(($(inspect "$tag" '{{.Size}}') / 1000000)) MB"
}

check_image() {
  local image=$1 name=$2
  check "$name: no ENTRYPOINT" equal "[]" "$(inspect "$image" '{{.Config.Entrypoint}}')"
  check "$name: runs as a number" equal "$uid:$uid" "$(inspect "$image" '{{.Config.User}}')"
  check "$name: that number it is" equal "$uid" "$(confined_run "$image" id -u)"
  check "$name: says its commit" confined_run \
    --env "LABEL=$(inspect "$image" '{{index .Config.Labels "org.opencontainers.image.revision"}}')" \
    "$image" sh -c '[ -n "$LABEL" ] && [ "$LABEL" = "$SQUADRON_GIT_SHA" ]'
  check "$name: has no capability" confined_run "$image" grep -q 'CapEff:\s*0*$' /proc/self/status
  check "$name: the root can't be written" refuse confined_run "$image" touch /opt/squadron/x
  check "$name: not even by its user on a writable root" refuse \
    "$engine" run --rm --network none "$image" touch /opt/squadron/x
  check "$name: every cache can" confined_run "$image" sh -euc \
    'mkdir -p "$HF_HOME" "$MPLCONFIGDIR" "$XDG_CACHE_HOME" "$TMPDIR"; touch "$HOME/x"'
  check "$name: can install nothing" refuse confined_run "$image" python -m pip --version
  check "$name: no source tree, no cache" confined_run "$image" sh -c \
    '! ls -d /build /src /root/.cache/pip /opt/squadron/lib/python3*/site-packages/pip 2>/dev/null'
  check "$name: every version is one of constraints.txt" confined_run \
    --volume "$root/constraints.txt:/constraints.txt:ro" "$image" python -c "$compare_versions"
  check "$name: works as a user without a name" \
    "$engine" run --rm --user 123456:0 "${confined[@]}" "$image" \
    python -c 'import getpass, torch, mlflow; getpass.getuser(); torch.ones(1)'
}

# What torch pins by itself (its CUDA packages, in the GPU build) is not in the file.
compare_versions='
import re, sys
from importlib.metadata import distributions
def read(name): return re.sub("[-_.]+", "-", name).lower()
lines = [line.split("==") for line in open("/constraints.txt").read().split() if "==" in line]
pinned = {read(name): version for name, version in lines}
found = {read(d.name): d.version.partition("+")[0] for d in distributions()}
own = re.compile("squadron-qa$|setuptools$|nvidia-|cuda-|triton")
wrong = [f"{n}=={v}" for n, v in found.items() if not own.match(n) and pinned.get(n) != v]
sys.exit("not in constraints.txt: " + ", ".join(sorted(wrong)) if wrong else 0)
'

check_pipeline() {
  check_image "$IMAGE" pipeline
  check "pipeline: imports" confined_run "$IMAGE" python -c 'import squadron, kfp, torch, mlflow, psycopg'
  check "pipeline: has no compiler of pipelines" refuse confined_run "$IMAGE" python -c 'import kfp.kubernetes'
  check "pipeline: python -m squadron --help" confined_run "$IMAGE" python -m squadron --help
  check "pipeline: a kfp component runs" \
    confined_run "$IMAGE" sh -euc "$run_component" sh "$component" "$executor_input"
  run_step
  check "pipeline: documents are read and searched" confined_run \
    --volume "$root/examples:/examples:ro" --volume "$scratch/data:/data" \
    "$IMAGE" sh -euc "$search_documents" sh "$documents"
}

# What the launcher runs for a component of kfp: its source in a file, inputs and outputs in JSON.
component='
from kfp.dsl import *
def shout(text: str) -> str:
    import squadron
    return text.upper()
'
executor_input='{"inputs": {"parameterValues": {"text": "forty"}}, "outputs":
  {"parameters": {"Output": {"outputFile": "/tmp/outputs/Output"}}, "outputFile": "/tmp/outputs/all"}}'
run_component='
printf %s "$1" >"$(mktemp -d)/component.py"
python3 -m kfp.dsl.executor_main --component_module_path "$(ls /tmp/*/component.py)" \
  --function_to_execute shout --executor_input "$2"
grep -q FORTY /tmp/outputs/all
'

# Asks about a text of so many characters, once the server is ready; a long text takes some seconds.
ask='
import json, sys, time, urllib.request
def call(path, body=None):
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request("http://127.0.0.1:8080" + path, body, headers)
    return urllib.request.urlopen(request, timeout=60).read().decode()
for _ in range(240):
    try:
        call("/v2/health/ready")
        break
    except OSError:
        time.sleep(0.5)
fact = "The mill at Ashcombe was built in 1742. "
text = fact + "Nobody knows what was ground there. " * (int(sys.argv[1]) // 36)
question = {"question": "When was the mill at Ashcombe built?", "context": text}
answer = json.loads(call("/answer", json.dumps(question).encode()))["answer"]
print("found", answer["best_text"])
assert "<title>" in call("/") and "squadron_" in call("/metrics")
'

check_serve() {
  check_image "$SERVE_IMAGE" serve
  check "serve: asks for MODEL_URI" refuse confined_run "$SERVE_IMAGE"
  check "serve: has neither kfp nor the server of MLflow" confined_run "$SERVE_IMAGE" \
    python -c 'from importlib.util import find_spec; assert not any(map(find_spec, ["kfp", "flask"]))'
  "$engine" run --detach --name "$container" "${confined[@]}" --user "$uid:$uid" \
    --env MODEL_URI=starter "$SERVE_IMAGE" squadron-serve --drain-seconds 1 >/dev/null
  check "serve: answers, with page and metrics" "$engine" exec "$container" python -c "$ask" 100
  "$engine" exec "$container" python -c "$ask" 190000 >"$scratch/answer" 2>&1 &
  local asking=$! started
  sleep 1.5
  started=$SECONDS
  "$engine" stop --time 60 "$container" >/dev/null
  check "serve: stops in time ($((SECONDS - started)) s)" test $((SECONDS - started)) -lt 50
  wait "$asking" || true
  check "serve: finishes the running request first" grep -q '^found ' "$scratch/answer"
  check "serve: ends without an error" \
    equal 0 "$("$engine" inspect --format '{{.State.ExitCode}}' "$container")"
}

if [ -z "${IMAGE:-}" ] && [ -z "${SERVE_IMAGE:-}" ]; then
  build pipeline
  build serve
  IMAGE=localhost/squadron-pipeline:test
  SERVE_IMAGE=localhost/squadron-serve:test
fi
[ -z "${IMAGE:-}" ] || check_pipeline
[ -z "${SERVE_IMAGE:-}" ] || check_serve
if [ "$failed" -gt 0 ]; then
  echo "$failed checks failed"
  exit 1
fi
