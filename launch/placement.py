"""Says where tasks run and what they get: image, credentials, resources, retries and caching.

Credentials are references: the compiled pipeline names Secrets and ConfigMaps and never holds a
value. Kubeflow leaves references out of the cache key. A variable that set_env_variable sets is
part of it.
"""

from dataclasses import dataclass
from typing import Any

from squadron.config import Experiment, Resources
from squadron.models import variants
from squadron.runs_folder.kept import CHECKPOINTS_VARIABLE
from squadron.tracking import RACE_VARIABLE

# manifests/ defines these names, or manifests/README.md says how to create them.
CONFIG_MAP = "squadron-config"
CONFIG_KEYS = ("MLFLOW_TRACKING_URI",)
"""A pod does not start without these keys. Without an MLflow server, a step would log to a file
that is lost when the pod ends."""
OPTIONAL_CONFIG_KEYS = ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "SQUADRON_S3_CHECKSUMS")
SECRETS = {
    "squadron-s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    "squadron-mlflow": (
        "MLFLOW_TRACKING_USERNAME",
        "MLFLOW_TRACKING_PASSWORD",
        "MLFLOW_TRACKING_TOKEN",
    ),
    "squadron-hub": ("HF_TOKEN",),
}
"""Each key becomes the environment variable of the same name. Every Secret and key is optional:
without squadron-s3, boto3 uses the identity of the service account (AWS_ROLE_ARN and others)."""
AUTHORITIES = "squadron-ca"
"""An optional ConfigMap with `ca.crt`, a bundle of certificate authorities, and `path`, its path in
the pod. The path is an entry of it, because a variable that names a missing file breaks every
connection: without the ConfigMap, there is no variable."""
AUTHORITIES_MOUNT = "/etc/squadron-ca"
AUTHORITIES_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE")
"""The variables in which httpx (the hub), requests (MLflow) and boto3 (S3) look for a bundle."""

USER_ID = 10001
CHECKPOINT_MOUNT = "/checkpoints"
RACE_ANNOTATION = "squadron/race"
"""The annotation of every pod that names its race."""

RETRIES = 3
FIRST_WAIT = "30s"
WAIT_FACTOR = 4.0
"""The waits of 30 s, 2 min and 8 min survive ten minutes without a server. Kubeflow can't tell bad
input (exit code 2) from a broken network, so a run with bad input also ends only after these waits.
Its sentence is in the log of the first pod at once, and in MLflow if the race was opened before."""
RETRY_WINDOW = "604800s"
"""A week. Argo counts it from the start of the first attempt, running time included. After it, Argo
retries nothing and stops an attempt that runs. With kfp's default of an hour, a training that fails
in its third hour would not be retried. Source: processNodeRetries in
workflow/controller/operator.go of argoproj/argo-workflows."""

GPUS = "gpus"
"""The key in the loop item of a contender that says how many GPUs its train step asks for."""
_GPU_INPUT = f"pipelinechannel--{GPUS}"


@dataclass(frozen=True)
class Placement:
    """Gives each task of one race its image, resources and settings.

    Args:
        image: The image of every step. A local race ignores it.
        resources: What the steps ask for; None for a local race.
        parallelism: How many contenders run at once; 0 means no limit.
        race: The text of tracking.Race, which every pod gets.
        has_documents: Whether the race has the steps passages, index and answer.
    """

    image: str
    resources: Resources | None
    parallelism: int
    race: str = ""
    has_documents: bool = False

    def on_cpu(self, task: Any, *, cached: bool = True) -> Any:
        """Places a task that needs no accelerator."""
        task.set_caching_options(cached)
        wanted = self.resources
        return task if wanted is None else self._place(task, wanted.step_cpu, wanted.step_memory)

    def on_gpu(self, task: Any) -> Any:
        """Places what runs a network: accelerators, node selector, tolerations, checkpoints."""
        task.set_caching_options(True)
        wanted = self.resources
        if wanted is None:
            return task
        from kfp import kubernetes

        self._place(task, wanted.cpu, wanted.memory)
        if wanted.gpu_count:
            task.set_accelerator_type(wanted.gpu_type)
            task.set_accelerator_limit(str(wanted.gpu_count))
            for key in wanted.tolerations:
                kubernetes.add_toleration(task, key=key, operator="Exists", effect="NoSchedule")
        for key, value in wanted.node_selector.items():
            kubernetes.add_node_selector(task, key, value)
        if wanted.checkpoint_claim:
            kubernetes.mount_pvc(task, wanted.checkpoint_claim, CHECKPOINT_MOUNT)
            task.set_env_variable(CHECKPOINTS_VARIABLE, CHECKPOINT_MOUNT)
        return task

    def _place(self, task: Any, cpu: str, memory: str) -> Any:
        """Gives a task what every task gets on a cluster.

        The requests equal the limits, so that no other pod can take these resources.
        """
        from kfp import kubernetes

        task.set_container_image(self.image)
        task.set_cpu_request(cpu).set_cpu_limit(cpu)
        task.set_memory_request(memory).set_memory_limit(memory)
        task.set_retry(
            num_retries=RETRIES,
            backoff_duration=FIRST_WAIT,
            backoff_factor=WAIT_FACTOR,
            backoff_max_duration=RETRY_WINDOW,
        )
        kubernetes.set_security_context(
            task, run_as_user=USER_ID, run_as_group=USER_ID, run_as_non_root=True
        )
        _give_environment(task)
        # The race is not set as a plain variable, because plain variables are part of kfp's cache
        # key and the key must not depend on the race (kubeflow/pipelines
        # backend/src/v2/cacheutils/cache.go).
        kubernetes.add_pod_annotation(task, RACE_ANNOTATION, self.race)
        field = f"metadata.annotations['{RACE_ANNOTATION}']"
        kubernetes.use_field_path_as_env(task, RACE_VARIABLE, field)
        if self.resources and self.resources.image_pull_secret:
            kubernetes.set_image_pull_secrets(task, [self.resources.image_pull_secret])
        return task


def _give_environment(task: Any) -> None:
    """Gives a task servers, credentials and certificate authorities, all by reference."""
    from kfp import kubernetes

    for keys, optional in ((CONFIG_KEYS, False), (OPTIONAL_CONFIG_KEYS, True)):
        names = {key: key for key in keys}
        kubernetes.use_config_map_as_env(task, CONFIG_MAP, names, optional=optional)
    for secret, keys in SECRETS.items():
        kubernetes.use_secret_as_env(task, secret, {key: key for key in keys}, optional=True)
    for variable in AUTHORITIES_VARIABLES:
        kubernetes.use_config_map_as_env(task, AUTHORITIES, {"path": variable}, optional=True)
    kubernetes.use_config_map_as_volume(task, AUTHORITIES, AUTHORITIES_MOUNT, optional=True)


def count_gpus(contenders: list[dict[str, str]], experiment: Experiment) -> list[dict[str, str]]:
    """Returns the loop items, each with the number of GPUs that training its contender needs.

    Args:
        contenders: The loop items of plan_race, one for each contender of the experiment.
        experiment: The experiment with its registered models resolved.
    """
    count = experiment.resources.gpu_count
    if not count:
        return contenders
    return [
        item | {GPUS: str(count if variants.is_trained(contender.variant) else 0)}
        for item, contender in zip(contenders, experiment.contenders, strict=True)
    ]


def take_gpus_from_items(spec: Any) -> None:
    """Makes the train step ask for as many GPUs as the loop item of its contender says.

    The driver reads the accelerator count from an input of the task and accepts "0"
    (initPodSpecPatch in backend/src/v2/driver of kubeflow/pipelines). kfp 2.17 can't express this:
    for a field of a loop item it writes an input that the loop does not have, and the driver
    fails. Therefore this function adds the input as a copy of `contender`, with another field.

    Args:
        spec: The compiled pipeline_spec. It is changed in place.
    """
    for component in spec.components.values():
        task = component.dag.tasks.get("train")
        if task is None:
            continue
        label = spec.components[task.component_ref.name].executor_label
        executor = spec.deployment_spec["executors"][label]
        resources = executor["container"]["resources"]
        if "accelerator" not in resources:
            continue
        given = task.inputs.parameters[_GPU_INPUT]
        given.CopyFrom(task.inputs.parameters["contender"])
        given.parameter_expression_selector = f'parseJson(string_value)["{GPUS}"]'
        accelerator = {name: resources["accelerator"][name] for name in ("type", "resourceType")}
        accelerator["resourceCount"] = f"{{{{$.inputs.parameters['{_GPU_INPUT}']}}}}"
        # `count`, which older servers read, is left out: it holds for every contender alike.
        resources["accelerator"] = accelerator
