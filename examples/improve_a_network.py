"""Improve a plain PyTorch network with Netmorph, beside simply training it on for the same time.

    python examples/improve_a_network.py --minutes 5
    python examples/improve_a_network.py --minutes 5 --data fashion-mnist

It trains a small network, exports it with torch.export, starts a search from it, and trains it on
for as many seconds of the processors as the whole search took, its service included. It prints the
test accuracy of the three networks: as it was, improved, and trained on. Needs
`pip install 'netmorph[worker,embedded]'`, and for Fashion-MNIST the Debian package
`dataset-fashion-mnist`. The search keeps its files in the folder of `--data-dir`.
"""

import argparse
import gzip
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

FASHION = Path("/usr/share/datasets/fashion-mnist")
BATCH, LEARNING_RATE = 64, 1e-3


def digits_network() -> nn.Sequential:
    """A network such as those of tutorials, without padding."""
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(72, 24), nn.ReLU(), nn.Linear(24, 10)),
    )


def fashion_network() -> nn.Sequential:
    """Two convolutions, as in tutorials on MNIST."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * 7 * 7, 64), nn.ReLU(), nn.Linear(64, 10)),
    )


def digits() -> dict[str, np.ndarray]:
    """The digits of scikit-learn, two thirds of them for the training."""
    loaded = load_digits()
    order = np.random.default_rng(0).permutation(len(loaded.target))
    x, y = loaded.images[order].astype(np.uint8), loaded.target[order]
    return {"x_train": x[:1200], "y_train": y[:1200], "x_test": x[1200:], "y_test": y[1200:]}


def fashion() -> dict[str, np.ndarray]:
    def values(name: str, header: int) -> np.ndarray:
        return np.frombuffer(gzip.decompress((FASHION / name).read_bytes())[header:], np.uint8)

    return {
        "x_train": values("train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28),
        "y_train": values("train-labels-idx1-ubyte.gz", 8).astype(int),
        "x_test": values("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28),
        "y_test": values("t10k-labels-idx1-ubyte.gz", 8).astype(int),
    }


#: The examples, the network, the epochs of its training, and the largest value of a pixel.
DATA = {
    "digits": (digits, digits_network, 10, 16),
    "fashion-mnist": (fashion, fashion_network, 5, 255),
}


def train(model: nn.Module, x: Tensor, y: Tensor, *, epochs: int, seconds: float) -> None:
    """Train with Adam for that many epochs, or until the processors have worked that long.

    The learning rate falls to zero over the time, or over the epochs if these end before it.
    """
    optimiser = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    start = time.process_time()
    model.train()
    for epoch in range(epochs):
        batches = torch.randperm(len(y)).split(BATCH)
        for index, chosen in enumerate(batches):
            done = (epoch + index / len(batches)) / epochs
            left = 1 - max(done, (time.process_time() - start) / seconds)
            if left <= 0:
                return
            optimiser.param_groups[0]["lr"] = LEARNING_RATE * left
            loss = nn.functional.cross_entropy(model(x[chosen]), y[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()


@torch.inference_mode()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return float((model.eval()(x).argmax(1) == y).double().mean())


def export(model: nn.Module, example: Tensor, path: Path) -> None:
    """Write the network as a program of torch.export, for any number of examples."""
    shapes = ({0: torch.export.Dim("batch")},)
    torch.export.save(torch.export.export(model.eval(), (example,), dynamic_shapes=shapes), path)


def improved(folder: Path, scale: int, minutes: float, seed: int) -> tuple[float, float]:
    """The test accuracy of the network of a search from the exported one; its processor seconds."""
    command = [
        *(sys.executable, "-m", "netmorph", "search"),
        *("--dataset", str(folder / "split.npz"), "--root", str(folder / "plain.pt2")),
        *("--root-scale", str(scale), "--minutes", str(minutes), "--seed", str(seed)),
        *("--data-dir", str(folder / "service"), "--export", str(folder / "export")),
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    metrics = json.loads((folder / "export" / "metrics.json").read_text())
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return float(metrics["test"]), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="time of the search")
    parser.add_argument("--data", choices=DATA, default="digits")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir", type=Path, default=Path("improve-a-network"))
    given = parser.parse_args()
    load, network, epochs, scale = DATA[given.data]
    folder: Path = given.data_dir
    folder.mkdir(exist_ok=True, parents=True)

    split = load()
    np.savez(folder / "split.npz", **split)
    training, test = (
        (
            torch.tensor(split[f"x_{part}"][:, None] / scale, dtype=torch.float32),
            torch.tensor(split[f"y_{part}"]),
        )
        for part in ("train", "test")
    )
    torch.manual_seed(given.seed)
    torch.set_num_threads(1)  # more would wait for each other, and waiting counts as working
    model = network()
    train(model, *training, epochs=epochs, seconds=60 * given.minutes)
    export(model, test[0][:2], folder / "plain.pt2")
    print(f"as it was   {accuracy(model, *test):.4f}", flush=True)
    value, seconds = improved(folder, scale, given.minutes, given.seed)
    print(f"improved    {value:.4f} in {seconds:.0f} seconds of the processors", flush=True)
    train(model, *training, epochs=1_000_000, seconds=seconds)
    print(f"trained on  {accuracy(model, *test):.4f} for as long", flush=True)


if __name__ == "__main__":
    main()
