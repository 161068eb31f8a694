"""The limits and options of the server, with their defaults."""

from dataclasses import dataclass, fields

from squadron.errors import InputError


@dataclass(frozen=True)
class Settings:
    """What the server accepts, how it batches, and how long it waits."""

    max_body_bytes: int = 1_000_000
    """The largest body of a request."""
    max_question_chars: int = 2_000
    """The longest question."""
    max_context_chars: int = 200_000
    """The most characters of the contexts of one question together."""
    max_contexts: int = 64
    """The most contexts of one question."""
    max_questions: int = 256
    """The most questions of one request to /invocations."""
    max_depth: int = 16
    """How deep lists and objects of a JSON body may be nested."""
    max_queue: int = 512
    """The most questions that wait for the model. A request is refused if it would exceed this,
    unless the queue is empty."""
    max_batch_tokens: int = 8_192
    """The most tokens, estimated from characters, that the model reads in one batch. A question
    that alone has more is a batch of its own."""
    max_batch_ms: int = 1_000
    """How long a batch may take by the speed of those before. The next questions wait so long."""
    linger_ms: int = 3
    """How long the model waits for more questions after a batch of several. A lone question never
    waits."""
    request_seconds: float = 60.0
    """The longest time until a request is answered."""
    body_seconds: float = 15.0
    """The longest time in which the headers, and then the body, of a request must arrive."""
    follow_seconds: float = 30.0
    """How often the registry is asked for a new version."""
    drain_seconds: float = 5.0
    """How long the server goes on after SIGTERM, while it says that it is not ready. Kubernetes
    needs this time to send requests elsewhere. After it, no connection is accepted."""
    log_questions: bool = False
    """Whether the log holds the texts of questions and answers."""
    allowed_hosts: tuple[str, ...] = ()
    """The names that the header Host may have, without a port; () allows any."""
    token: str = ""
    """The bearer token that requests must have; "" for none."""

    def __post_init__(self) -> None:
        """Refuses numbers that allow nothing."""
        for field in fields(self):
            value = getattr(self, field.name)
            least = 0 if field.name in ("linger_ms", "drain_seconds") else 1e-3
            if isinstance(value, int | float) and not isinstance(value, bool) and value < least:
                allowed = "0 or more" if least == 0 else "more than 0"
                raise InputError(f"{field.name}: {value} is not allowed; {allowed}")

    def limits(self) -> dict[str, int]:
        """Returns the limits of requests, as /about shows them."""
        names = [each.name for each in fields(self) if each.name.startswith("max_")]
        own = ("max_batch_tokens", "max_batch_ms")
        return {name: getattr(self, name) for name in names if name not in own}
