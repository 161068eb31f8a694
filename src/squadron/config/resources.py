"""The section `resources`: what steps ask of a cluster."""

from dataclasses import dataclass, field

from squadron.config.checks import require


@dataclass(frozen=True)
class Resources:
    """What the steps ask of a cluster. A local run ignores it.

    Requests equal limits, and torch gets as many threads as its container has cores.
    """

    gpu_count: int = 1
    """GPUs of predict, and of train for a contender that trains; 0 for none. Training uses one GPU,
    so more than one is refused."""
    gpu_type: str = "nvidia.com/gpu"
    """The name by which the cluster's nodes offer their GPUs."""
    cpu: str = "4"
    """Cores of train and predict, as Kubernetes writes them: 4, 0.5 or 500m."""
    memory: str = "16Gi"
    """Memory of train and predict, as Kubernetes writes it; a step that needs more is stopped."""
    step_cpu: str = "2"
    """Cores of every other step."""
    step_memory: str = "8Gi"
    """Memory of every other step."""
    node_selector: dict[str, str] = field(default_factory=dict)
    """Labels of the nodes that train and predict may run on; any node if empty."""
    tolerations: tuple[str, ...] = ("nvidia.com/gpu",)
    """Taint keys that train and predict tolerate (operator Exists, effect NoSchedule), where they
    ask for a GPU."""
    checkpoint_claim: str = ""
    """A PersistentVolumeClaim for checkpoints, so that a retried train step goes on; none if ""."""
    image_pull_secret: str = ""
    """The Secret with the password of the image's registry; none if "". Not needed where the
    service account names it."""

    def __post_init__(self) -> None:
        allowed = "0 (none) or 1; training uses one GPU"
        require(self.gpu_count in (0, 1), "gpu_count", self.gpu_count, allowed)
