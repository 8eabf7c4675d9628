"""The packages that the programs of an export need, in the versions it was checked with."""

from importlib import metadata

_PREDICT = ("numpy", "safetensors", "torch")
_PICTURES = ("pillow",)
_TABLES = ("pyarrow",)
_SERVE = ("fastapi", "uvicorn")


def requirements() -> str:
    """The text of requirements.txt."""
    parts = (
        ("predict.py", _PREDICT),
        ("pictures", _PICTURES),
        ("Parquet files", _TABLES),
        ("serve.py", _SERVE),
    )
    return "".join(
        f"# for {use}\n" + "".join(f"{_pinned(name)}\n" for name in names) for use, names in parts
    )


def _pinned(name: str) -> str:
    """The package in its installed version, less the name of its build ("+cpu")."""
    try:
        return f"{name}=={metadata.version(name).partition('+')[0]}"
    except metadata.PackageNotFoundError:
        return name
