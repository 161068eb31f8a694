"""The server's log: one JSON object per line on standard output."""

import json
import logging
import sys
import time
from typing import TextIO

LOGGER = logging.getLogger("squadron.serving")
LIBRARIES = ("uvicorn", "uvicorn.error", "asyncio")


class JsonLines(logging.Formatter):
    """Writes a record as one JSON object; `fields` of the record become its keys."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line of a record."""
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def start_log(stream: TextIO = sys.stdout) -> None:
    """Sends what this server and its libraries log to a stream as JSON lines."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    for name in (LOGGER.name, *LIBRARIES):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
    LOGGER.setLevel(logging.INFO)
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)


def log(event: str, **fields: object) -> None:
    """Logs one event with its fields."""
    LOGGER.info(event, extra={"fields": fields})


def log_problem(event: str, error: BaseException | None = None, **fields: object) -> None:
    """Logs what went wrong with its fields, and the traceback of an exception if there is one."""
    LOGGER.error(event, extra={"fields": fields}, exc_info=error)
