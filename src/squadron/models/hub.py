"""Whether the model hub answers: one quick question, before its client begins to wait and to retry.

Where a hub is away, huggingface_hub asks for each file for minutes: up to a minute per try, six
tries (file_download.py of version 2.4).
"""

import functools
import os
import threading

from squadron.uris import hide_secrets

ANSWER_SECONDS = 5.0
"""How long the hub has for its answer, unless HF_HUB_ETAG_TIMEOUT says so."""


def shown_endpoint() -> str:
    """The hub's address as people may see it: HF_ENDPOINT or the default."""
    from huggingface_hub import constants

    return hide_secrets(constants.ENDPOINT)


@functools.cache
def find_problem() -> str:
    """What keeps this process from the hub, in words; "" if nothing does, or if it is offline.

    The first call asks; later calls remember the answer.
    """
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return ""
    seconds = ANSWER_SECONDS
    if os.environ.get("HF_HUB_ETAG_TIMEOUT"):
        seconds = float(constants.HF_HUB_ETAG_TIMEOUT)
    found: list[str] = []

    def ask() -> None:
        try:
            # Its own time limit leaves the look-up of the name out, and holds for each packet.
            status = get_session().head(constants.ENDPOINT, timeout=2 * seconds).status_code
            found.append(f"answers with the status {status}" if status >= 500 else "")
        except Exception as error:
            found.append(f"can't be reached ({hide_secrets(str(error)) or type(error).__name__})")

    thread = threading.Thread(target=ask, name="ask the hub", daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0] if found else f"does not answer within {seconds:g} s"
