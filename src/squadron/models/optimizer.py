"""The optimizer and the learning rates of a training, and what a checkpoint stores of them."""

from typing import Any

import torch

from squadron.config import Train


def trained_parameters(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Returns the parameters that training may change, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def make_optimizer(model: torch.nn.Module, settings: Train, steps: int) -> tuple[Any, Any]:
    """Returns AdamW and its schedule: linear warm-up, then linear decay to 0.

    Args:
        model: The model whose trained parameters are optimized.
        settings: Learning rate, warm-up and weight decay.
        steps: Optimizer steps of the whole training.

    Returns:
        (the optimizer, the scheduler that sets its learning rate).
    """
    from transformers.optimization import get_linear_schedule_with_warmup

    # Weight decay is meant for matrices. Vectors are biases and the weights of norms.
    decayed = [p for p in trained_parameters(model).values() if p.ndim > 1]
    others = [p for p in trained_parameters(model).values() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": settings.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
        fused=True,
    )
    warmup = round(steps * settings.warmup_share)
    schedule: Any = get_linear_schedule_with_warmup
    return optimizer, schedule(optimizer, warmup, steps)


def training_tensors(model: torch.nn.Module, optimizer: Any) -> dict[str, torch.Tensor]:
    """Returns the trained weights and AdamW's moments, by name, for `restore`."""
    tensors = {f"weights/{name}": p for name, p in trained_parameters(model).items()}
    state = getattr(optimizer, "optimizer", optimizer).state
    for name, parameter in trained_parameters(model).items():
        for key, value in state.get(parameter, {}).items():
            tensors[f"adamw/{key}/{name}"] = value
    return tensors


def scheduler_state(scheduler: Any) -> dict[str, Any]:
    """Returns the numbers of a scheduler. Its formula is code, which is not saved."""
    return {k: v for k, v in scheduler.state_dict().items() if isinstance(v, int | float | list)}


def restore(
    model: torch.nn.Module,
    optimizer: Any,
    scheduler: Any,
    tensors: dict[str, torch.Tensor],
    schedule: dict[str, Any],
) -> None:
    """Puts a model, its optimizer and its scheduler into the state of a checkpoint.

    Args:
        model: The model that the optimizer was made for.
        optimizer: As `make_optimizer` returned it.
        scheduler: As `make_optimizer` returned it.
        tensors: As `training_tensors` returned them.
        schedule: As `scheduler_state` returned it.

    Raises:
        ValueError: If the tensors belong to another model.
    """
    weights = {
        n.removeprefix("weights/"): t for n, t in tensors.items() if n.startswith("weights/")
    }
    load_parameters(model, weights)
    parameters = trained_parameters(model)
    for name, tensor in tensors.items():
        if name.startswith("adamw/"):
            _, key, parameter = name.split("/", 2)
            optimizer.state[parameters[parameter]][key] = tensor
    scheduler.load_state_dict(schedule)
    for group, rate in zip(optimizer.param_groups, scheduler.get_last_lr(), strict=True):
        group["lr"] = rate


def load_parameters(model: torch.nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """Copies saved weights into the trained parameters of a model.

    Raises:
        ValueError: If they do not have the same names.
    """
    parameters = trained_parameters(model)
    if parameters.keys() != weights.keys():
        odd = sorted(parameters.keys() ^ weights.keys())[:3]
        raise ValueError(f"the checkpoint's weights are of another model; they differ in {odd}")
    with torch.no_grad():
        for name, tensor in weights.items():
            parameters[name].copy_(tensor)
