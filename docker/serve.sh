#!/bin/sh
# Serves the model MODEL_URI on port 8080. Everything else is an option of `squadron serve`, or one of
# its environment variables. The server takes the place of this shell, so it gets the signals of the
# container and ends the requests that run before it stops.
set -eu
: "${MODEL_URI:?set MODEL_URI, for example models:/squadron@staging}"
exec squadron serve --model "$MODEL_URI" --host 0.0.0.0 --port 8080 "$@"
