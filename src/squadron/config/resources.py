"""The section `resources`: what steps ask of a cluster."""

from dataclasses import dataclass, field
from typing import Annotated

from squadron.config.limits import check_limits, one_of

_GPU_COUNT = one_of((0, 1), "0 (none) or 1; training uses one GPU")


@dataclass(frozen=True)
class Resources:
    """What the steps ask of a cluster. A local run ignores this section.

    Requests equal limits, and torch gets as many threads as its container has cores.
    """

    gpu_count: Annotated[int, _GPU_COUNT] = 1
    """GPUs of predict, and of train for a contender that is trained."""
    gpu_type: str = "nvidia.com/gpu"
    """The resource name under which the cluster's nodes offer their GPUs."""
    cpu: str = "4"
    """Cores of train and predict, as Kubernetes writes them: `"4"`, `"0.5"` or `500m`."""
    memory: str = "16Gi"
    """Memory of train and predict, as Kubernetes writes it. A step that needs more is stopped."""
    step_cpu: str = "2"
    """Cores of every other step."""
    step_memory: str = "8Gi"
    """Memory of every other step."""
    node_selector: dict[str, str] = field(default_factory=dict)
    """Labels of the nodes that train and predict may run on; empty for any node."""
    tolerations: tuple[str, ...] = ("nvidia.com/gpu",)
    """Taint keys that train and predict tolerate (operator Exists, effect NoSchedule) if they ask
    for a GPU."""
    checkpoint_claim: str = ""
    """A PersistentVolumeClaim for checkpoints, so that a retried train step goes on from its last
    one; empty for none."""
    image_pull_secret: str = ""
    """The Secret with the password of the image's registry; empty for none. It is not needed if
    the service account names the Secret."""

    def __post_init__(self) -> None:
        check_limits(self)
