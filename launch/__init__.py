"""How a race is started: the only code beside pipeline.py and components/ that knows Kubeflow.

Runs on a person's machine (or in CI), never in a step.
"""
