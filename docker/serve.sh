#!/bin/sh
# Serves the model MODEL_URI on port 8080 and stops without cutting off a running request.
#
# `mlflow models serve` runs the web server as its child and passes no signal on; as the first
# process of a container it does not even react to one, and would be killed after the grace period.
# Here it gets a session of its own, so that one signal reaches all of it, and the end is awaited.
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
