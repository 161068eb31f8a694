"""Starts races, on this machine or on a Kubeflow Pipelines server.

It runs on a person's machine or in CI, never in a step. Only launch/, components/ and pipeline.py
know Kubeflow. launch/ may import all of squadron; nothing but pipeline.py imports launch/.
"""
