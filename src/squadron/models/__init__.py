"""Windows in, candidates out: backbones, variants, training and prediction.

Owns everything that computes a network. May import data, answers and what is below them. Others use
the modules that `__all__` names.
"""

__all__ = [
    "architectures",
    "attention",
    "backbones",
    "batches",
    "checkpoints",
    "cpu_layers",
    "devices",
    "encoders",
    "frozen_layers",
    "hub",
    "licences",
    "linear_chain_crf",
    "minilm",
    "model_folder",
    "model_names",
    "prediction",
    "scratch",
    "starter",
    "step_losses",
    "trained_on",
    "training",
    "training_summary",
    "variants",
    "weights",
]
