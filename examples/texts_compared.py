"""Compare a search with TF-IDF and logistic regression: the same texts, the same split, one run.

    python examples/texts_compared.py 4

The argument is the number of trials of the search. The texts are those of `docstrings.py`: the
start of a docstring, of which the package is to be named. A fifth of them is for the test; neither
method sees it before.
"""

import sys
import time

import numpy as np
from docstrings import rows
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from netmorph import TextClassifier


def main() -> None:
    """Print a line for each method."""
    texts, labels = map(np.array, zip(*rows(), strict=True))
    x, x_test, y, y_test = train_test_split(
        texts, labels, test_size=0.2, random_state=0, stratify=labels
    )
    print(f"{len(x):,} texts to learn from, {len(x_test):,} to test on, {len(set(y))} packages")
    methods = {
        "TF-IDF, logistic regression": make_pipeline(
            TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=10, max_iter=300)
        ),
        f"a search of {sys.argv[1]} trials": TextClassifier(trials=int(sys.argv[1])),
    }
    for name, model in methods.items():
        started = time.monotonic()
        model.fit(x, y)
        seconds = time.monotonic() - started
        print(
            f"{name}: {100 * model.score(x_test, y_test):.1f} % right, {seconds:.0f} s", flush=True
        )


if __name__ == "__main__":
    main()
