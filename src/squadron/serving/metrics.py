"""What Prometheus reads at /metrics, in a registry of its own."""

from collections import deque
from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Summary,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from squadron.serving.batching import Batch

SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60)
BATCH_QUESTIONS = (1, 2, 4, 8, 16, 32, 64, 128)
RECENT_ANSWERS = 1_000
"""The answers over which the mean probability is shown."""
CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The figures of one server.

    Args:
        queue_length: Returns how many questions wait now.
    """

    def __init__(self, queue_length: Callable[[], int]) -> None:
        # A second line for each counter would say when it began.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "squadron_requests", "Answered requests", ["route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "squadron_request_seconds",
            "Time from the first byte of a request to its answer",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        self._batch_questions = Histogram(
            "squadron_batch_questions",
            "Questions that the model read at once",
            buckets=BATCH_QUESTIONS,
            registry=registry,
        )
        self._batch_seconds = Histogram(
            "squadron_batch_seconds", "Time of a batch", buckets=SECONDS, registry=registry
        )
        self._tokens = Counter(
            "squadron_tokens",
            "Tokens that the model read, estimated from characters",
            registry=registry,
        )
        queue = Gauge("squadron_queue_length", "Questions that wait", registry=registry)
        queue.set_function(queue_length)
        self._recent: deque[float] = deque(maxlen=RECENT_ANSWERS)
        self._add_answers(registry)
        self._add_model(registry)

    def _add_answers(self, registry: CollectorRegistry) -> None:
        """Adds the figures of answers."""
        self._answers = Counter(
            "squadron_answers",
            "Questions, by whether the model answered (yes) or abstained (no)",
            ["answered"],
            registry=registry,
        )
        self._probability = Summary(
            "squadron_answer_probability",
            "Probability that the best span is right, of all questions",
            registry=registry,
        )
        self._recent_probability = Gauge(
            "squadron_answer_probability_recent",
            f"Mean probability of the last {RECENT_ANSWERS} questions to this version",
            registry=registry,
        )
        self._evaluated_probability = Gauge(
            "squadron_evaluated_probability",
            "Mean probability in the evaluation of this version; NaN if it is not known",
            registry=registry,
        )
        for answered in ("yes", "no"):
            self._answers.labels(answered)

    def _add_model(self, registry: CollectorRegistry) -> None:
        """Adds the figures of the model and of its changes."""
        self._model = Gauge(
            "squadron_model_info",
            "The version that answers (1)",
            ["name", "version", "alias"],
            registry=registry,
        )
        self._switches = Counter(
            "squadron_model_switches",
            "Changes to another version, by outcome: switched, or failed (the old version stayed)",
            ["outcome"],
            registry=registry,
        )
        self._registry_errors = Counter(
            "squadron_registry_errors", "Times that the registry did not answer", registry=registry
        )
        self._failed_version = Gauge(
            "squadron_model_failed",
            "The version that the alias points at and that failed (1)",
            ["name", "version"],
            registry=registry,
        )
        for outcome in ("switched", "failed"):
            self._switches.labels(outcome)

    def show(self) -> bytes:
        """Returns all figures in Prometheus' text format."""
        recent = tuple(self._recent)  # Another thread may clear it.
        mean = sum(recent) / len(recent) if recent else float("nan")
        self._recent_probability.set(mean)
        return generate_latest(self._registry)

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """Counts a request.

        Args:
            route: The route's path as the application declares it, so that there are few.
            status: The status of the response.
            seconds: How long it took.
        """
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def count_batch(self, batch: Batch) -> None:
        """Counts a batch; called in the worker thread."""
        self._batch_questions.observe(batch.items)
        self._batch_seconds.observe(batch.seconds)
        self._tokens.inc(batch.tokens)

    def count_answer(self, *, answered: bool, probability: float | None) -> None:
        """Counts one answer."""
        self._answers.labels("yes" if answered else "no").inc()
        if probability is not None:
            self._probability.observe(probability)
            self._recent.append(probability)

    def show_model(self, name: str, version: str, alias: str, evaluated: float | None) -> None:
        """Sets which version answers.

        Args:
            name: The name of the model.
            version: Its version; "" if it is not registered.
            alias: The alias that the server follows; "" if it follows none.
            evaluated: The mean probability in its evaluation; None if it is not known.
        """
        self._model.clear()
        self._model.labels(name, version, alias).set(1)
        self._evaluated_probability.set(float("nan") if evaluated is None else evaluated)
        self._recent.clear()

    def count_switch(self, name: str, version: str, *, failed: bool) -> None:
        """Counts a change to another version, or a version that failed."""
        self._switches.labels("failed" if failed else "switched").inc()
        self._failed_version.clear()
        if failed:
            self._failed_version.labels(name, version).set(1)

    def forget_failure(self) -> None:
        """Notes that the alias does not point at a version that failed any more."""
        self._failed_version.clear()

    def count_registry_error(self) -> None:
        """Counts that the registry did not answer."""
        self._registry_errors.inc()
