"""Improve a plain PyTorch network with Netmorph, beside simply training it on for the same time.

    python examples/improve_a_network.py --minutes 5

It trains a small network on two thirds of the digits of scikit-learn, exports it, starts a search
from it, and prints the test accuracy of three networks: as it was, trained on, and improved. Needs
`pip install 'netmorph[worker,embedded,onnx]'`. The search keeps its files in the folder
`improve-a-network`.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

FOLDER = Path("improve-a-network")
SCALE = 16  # the largest value of a pixel
TRAINING = 1200  # examples; the others are for the test
EPOCHS, BATCH = 10, 64


def plain_network() -> nn.Sequential:
    """A network such as those of tutorials, without padding."""
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(72, 24), nn.ReLU(), nn.Linear(24, 10)),
    )


def train(model: nn.Module, x: Tensor, y: Tensor, *, epochs: int, seconds: float) -> None:
    """Train with Adam for that many epochs, or until the time is over."""
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    end = time.monotonic() + seconds
    model.train()
    for _ in range(epochs):
        for chosen in torch.randperm(len(y)).split(BATCH):
            loss = nn.functional.cross_entropy(model(x[chosen]), y[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if time.monotonic() > end:
                return


@torch.inference_mode()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return float((model.eval()(x).argmax(1) == y).double().mean())


def export(model: nn.Module, example: Tensor, path: Path) -> None:
    """Write the network to an ONNX file."""
    torch.onnx.export(
        model.eval(),
        (example,),
        path,
        input_names=["x"],
        dynamic_axes={"x": {0: "batch"}},
        dynamo=False,
    )


def improved(minutes: float) -> float:
    """The test accuracy of the network that a search makes of the exported one."""
    command = [
        *(sys.executable, "-m", "netmorph", "search"),
        *("--dataset", str(FOLDER / "digits-split.npz"), "--root", str(FOLDER / "plain.onnx")),
        *("--root-scale", str(SCALE), "--minutes", str(minutes)),
        *("--data-dir", str(FOLDER / "service"), "--export", str(FOLDER / "export")),
    ]
    subprocess.run(command, check=True)
    metrics = json.loads((FOLDER / "export" / "metrics.json").read_text())
    return float(metrics["test"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="extra time for each network")
    minutes = parser.parse_args().minutes
    FOLDER.mkdir(exist_ok=True)

    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    stored, labels = digits.images[order].astype(np.uint8), digits.target[order]
    split = {"x_train": stored[:TRAINING], "y_train": labels[:TRAINING]}
    split |= {"x_test": stored[TRAINING:], "y_test": labels[TRAINING:]}
    np.savez(FOLDER / "digits-split.npz", **split)

    torch.manual_seed(0)
    x, y = torch.tensor(stored[:, None] / SCALE, dtype=torch.float32), torch.tensor(labels)
    training, test = (x[:TRAINING], y[:TRAINING]), (x[TRAINING:], y[TRAINING:])
    model = plain_network()
    train(model, *training, epochs=EPOCHS, seconds=60)
    export(model, x[:2], FOLDER / "plain.onnx")
    print(f"as it was   {accuracy(model, *test):.4f}", flush=True)
    train(model, *training, epochs=1_000_000, seconds=60 * minutes)
    print(f"trained on  {accuracy(model, *test):.4f}", flush=True)
    print(f"improved    {improved(minutes):.4f}", flush=True)


if __name__ == "__main__":
    main()
