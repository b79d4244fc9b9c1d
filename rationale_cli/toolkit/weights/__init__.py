"""Weights of models: found, fetched, checked, read without running anything, and fitted name by name."""

from .cache import address, cached, place, verified
from .download import size_of
from .files import read_safetensors, read_tensors
from .fitting import fingerprint, load
from .foreign import described, model_tensors, names_in_delta, read_foreign, tuned_weights
from .locate import fetched, locate

__all__ = [
    "address",
    "cached",
    "described",
    "fetched",
    "fingerprint",
    "load",
    "locate",
    "model_tensors",
    "names_in_delta",
    "place",
    "read_foreign",
    "read_safetensors",
    "read_tensors",
    "size_of",
    "tuned_weights",
    "verified",
]
