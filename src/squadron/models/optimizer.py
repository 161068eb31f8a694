"""The optimizer of a training, its learning rates, and how checkpoints hold both."""

from typing import Any

import torch

from squadron.config import Train


def trained_parameters(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The parameters that training may change, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def make_optimizer(model: torch.nn.Module, settings: Train, steps: int) -> tuple[Any, Any]:
    """AdamW (no decay on biases and norms) with linear warm-up and linear decay to 0."""
    from transformers.optimization import get_linear_schedule_with_warmup

    # Vectors are biases and norm weights; matrices are what weight decay is meant for.
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
    """Weights and AdamW's moments, by name."""
    tensors = {f"weights/{name}": p for name, p in trained_parameters(model).items()}
    state = getattr(optimizer, "optimizer", optimizer).state
    for name, parameter in trained_parameters(model).items():
        for key, value in state.get(parameter, {}).items():
            tensors[f"adamw/{key}/{name}"] = value
    return tensors


def scheduler_state(scheduler: Any) -> dict[str, Any]:
    """Its numbers; the schedule's formula is code and not saved."""
    return {k: v for k, v in scheduler.state_dict().items() if isinstance(v, int | float | list)}


def restore(
    model: torch.nn.Module,
    optimizer: Any,
    scheduler: Any,
    tensors: dict[str, torch.Tensor],
    schedule: dict[str, Any],
) -> None:
    weights = {
        n.removeprefix("weights/"): t for n, t in tensors.items() if n.startswith("weights/")
    }
    load_trained(model, weights)
    parameters = trained_parameters(model)
    for name, tensor in tensors.items():
        if name.startswith("adamw/"):
            _, key, parameter = name.split("/", 2)
            optimizer.state[parameters[parameter]][key] = tensor
    scheduler.load_state_dict(schedule)
    for group, rate in zip(optimizer.param_groups, scheduler.get_last_lr(), strict=True):
        group["lr"] = rate


def load_trained(model: torch.nn.Module, weights: dict[str, torch.Tensor]) -> None:
    parameters = trained_parameters(model)
    if parameters.keys() != weights.keys():
        odd = sorted(parameters.keys() ^ weights.keys())[:3]
        raise ValueError(f"the checkpoint's weights are of another model; they differ in {odd}")
    with torch.no_grad():
        for name, tensor in weights.items():
            parameters[name].copy_(tensor)
