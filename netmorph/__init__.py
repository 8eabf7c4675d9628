"""Netmorph's command line, launcher and Python client; speaks to the service over HTTP.

    from netmorph import Client, ImageClassifier

The names are loaded when they are first used, so that commands do not wait for scikit-learn.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netmorph.client import Client
    from netmorph.estimators import (
        ImageClassifier,
        ImageRegressor,
        SignalClassifier,
        SignalRegressor,
        TabularClassifier,
        TabularRegressor,
        TextClassifier,
        TextRegressor,
    )

_MODULES = {
    "Client": "netmorph.client",
    "ImageClassifier": "netmorph.estimators",
    "ImageRegressor": "netmorph.estimators",
    "SignalClassifier": "netmorph.estimators",
    "SignalRegressor": "netmorph.estimators",
    "TabularClassifier": "netmorph.estimators",
    "TabularRegressor": "netmorph.estimators",
    "TextClassifier": "netmorph.estimators",
    "TextRegressor": "netmorph.estimators",
}

__all__ = [
    "Client",
    "ImageClassifier",
    "ImageRegressor",
    "SignalClassifier",
    "SignalRegressor",
    "TabularClassifier",
    "TabularRegressor",
    "TextClassifier",
    "TextRegressor",
]


def __getattr__(name: str) -> Any:
    """Load a public name at its first use."""
    if name not in _MODULES:
        raise AttributeError(f"module 'netmorph' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
