"""Flattening and global pools."""

import numpy as np

from core.layers import Flatten, GlobalAvgPool1d, GlobalAvgPool2d


def test_flattening_gives_each_channel_its_features_in_a_row():
    x = np.arange(24.0).reshape(1, 2, 3, 4)
    assert Flatten().forward({}, [x])[0].tolist() == list(range(24))
    assert GlobalAvgPool2d().forward({}, [x]).tolist() == [[5.5, 17.5]]


def test_signals_are_flattened_and_averaged_as_images_are():
    x = np.arange(8.0).reshape(1, 2, 4)
    assert Flatten().forward({}, [x])[0].tolist() == list(range(8))
    assert GlobalAvgPool1d().forward({}, [x]).tolist() == [[1.5, 5.5]]
