"""Where tasks run and what they get: image, secrets, security, accelerators, caching."""

from dataclasses import dataclass
from typing import Any

from squadron.config import Resources
from squadron.tracking import RACE_VARIABLE

# As manifests/base defines them.
CONFIG_MAP = "squadron-config"
CONFIG_KEYS = (
    "MLFLOW_TRACKING_URI",
    "AWS_ENDPOINT_URL",
    "AWS_DEFAULT_REGION",
    "SQUADRON_S3_CHECKSUMS",
)
SECRET = "squadron-s3"
SECRET_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
USER_ID = 10001
CHECKPOINT_MOUNT = "/checkpoints"
RACE_ANNOTATION = "squadron/race"
"""Of every pod: the race that it works for. Pods of a race can be told by it, too."""


@dataclass(frozen=True)
class Placement:
    """Applies one run's choices to tasks.

    Args:
        image: Of every step; a local run ignores it.
        resources: What train and predict ask for; None on one machine, where there is no cluster.
        parallelism: Contenders at once; 0 is no limit.
        race: Text of tracking.Race, told to every pod.
    """

    image: str
    resources: Resources | None
    parallelism: int
    race: str = ""

    def on_cpu(self, task: Any, *, cached: bool = True) -> Any:
        """Places a task that needs no accelerator."""
        task.set_caching_options(cached)
        if self.resources is None:
            return task
        from kfp import kubernetes

        task.set_container_image(self.image)
        kubernetes.use_config_map_as_env(task, CONFIG_MAP, {key: key for key in CONFIG_KEYS})
        kubernetes.use_secret_as_env(task, SECRET, {key: key for key in SECRET_KEYS})
        # Not as a plain variable: kfp's cache counts those, and a cached step is the same in every
        # race (kubeflow/pipelines backend/src/v2/cacheutils/cache.go).
        kubernetes.add_pod_annotation(task, RACE_ANNOTATION, self.race)
        field = f"metadata.annotations['{RACE_ANNOTATION}']"
        kubernetes.use_field_path_as_env(task, RACE_VARIABLE, field)
        kubernetes.set_security_context(
            task, run_as_user=USER_ID, run_as_group=USER_ID, run_as_non_root=True
        )
        return task

    def on_gpu(self, task: Any) -> Any:
        """Places train or predict: accelerators, node selector, tolerations, checkpoints."""
        self.on_cpu(task)
        wanted = self.resources
        if wanted is None:
            return task
        from kfp import kubernetes

        task.set_cpu_request(wanted.cpu).set_memory_request(wanted.memory)
        task.set_memory_limit(wanted.memory)
        if wanted.gpu_count:
            task.set_accelerator_type(wanted.gpu_type)
            task.set_accelerator_limit(str(wanted.gpu_count))
            for key in wanted.tolerations:
                kubernetes.add_toleration(task, key=key, operator="Exists", effect="NoSchedule")
        for key, value in wanted.node_selector.items():
            kubernetes.add_node_selector(task, key, value)
        if wanted.checkpoint_claim:
            kubernetes.mount_pvc(task, wanted.checkpoint_claim, CHECKPOINT_MOUNT)
            task.set_env_variable("SQUADRON_CHECKPOINTS", CHECKPOINT_MOUNT)
        return task
