#!/bin/sh
# Serves the model MODEL_URI on port 8080. When it is stopped, it first ends the requests that run.
#
# `mlflow models serve` runs the web server as a child process and passes no signal on to it. As the
# first process of a container it even ignores signals and would be killed after the grace period.
# This script starts it in a session of its own, sends a signal to the whole session, and waits for
# its end.
set -eu
: "${MODEL_URI:?set MODEL_URI, for example models:/squadron@staging}"

setsid mlflow models serve --env-manager local --host 0.0.0.0 --port 8080 \
  --model-uri "$MODEL_URI" &
group=$!

stop() {
  trap '' TERM INT
  kill -TERM "-$group" 2>/dev/null || true
  while kill -0 "-$group" 2>/dev/null; do sleep 0.1; done
  exit 0
}
trap stop TERM INT

wait "$group"
