"""Random changes of training examples that keep their labels.

A policy is a string of the changes, joined by "-":

    shift   images are moved by up to a twelfth of their side
    flip    half of the images are mirrored
    affine  images are moved, rotated by up to 8°, sheared, and scaled by up to 10 %; long ones are
            rotated and sheared less, so that their ends stay visible
    warp    signals are moved in time by up to a tenth of their length, stretched by up to a
            fifth, and scaled by up to a tenth

Images and signals that are smaller than `core.data.augmentation` allows are at most mirrored.

All draws come from a generator on the CPU, so that a seed gives the same batches on any device.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

ANGLE, SHEAR, SCALING = math.radians(8), 0.05, 0.1  # at most, of "affine"
MOVED = 1 / 12  # of an image's side, at most
MOVED_IN_TIME, STRETCH, AMPLITUDE = 0.1, 0.2, 0.1  # at most, of "warp"


def affine(x: Tensor, flip: bool, generator: torch.Generator) -> Tensor:
    """Apply a random affine map to each image (n, channels, height, width); zero outside."""
    n = len(x)

    def draw(most: float) -> Tensor:
        return (2 * torch.rand(n, generator=generator) - 1) * most

    slenderness = min(x.shape[2:]) / max(x.shape[2:])
    angle, shear = draw(ANGLE * slenderness), draw(SHEAR * slenderness)
    scale_x, scale_y = torch.exp(draw(SCALING)), torch.exp(draw(SCALING))
    if flip:
        scale_x = torch.where(torch.rand(n, generator=generator) < 0.5, -scale_x, scale_x)
    ratio = x.shape[2] / x.shape[3]
    cosine, sine = torch.cos(angle), torch.sin(angle)
    first = torch.stack([cosine * scale_x, (shear - sine) * scale_y * ratio, draw(2 * MOVED)], 1)
    second = torch.stack([sine * scale_x / ratio, cosine * scale_y, draw(2 * MOVED)], 1)
    theta = torch.stack([first, second], 1).to(x.device)  # shape: (n, 2, 3)
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    return functional.grid_sample(x, grid, align_corners=False)


def warp(x: Tensor, generator: torch.Generator) -> Tensor:
    """Move and stretch each signal (n, channels, length) in time; its end values are repeated."""
    n, _, length = x.shape

    def draw(most: float) -> Tensor:
        return (2 * torch.rand((n, 1), generator=generator) - 1) * most

    middle = (length - 1) / 2
    times = torch.arange(length) - middle
    positions = middle + times * torch.exp(draw(STRETCH)) + length * draw(MOVED_IN_TIME)
    positions = positions.clamp(0, length - 1).to(x.device)
    lower = positions.floor()
    share = (positions - lower).unsqueeze(1)
    index = lower.long().unsqueeze(1).expand(-1, x.shape[1], -1)
    upper = (index + 1).clamp(max=length - 1)
    moved = x.gather(2, index) * (1 - share) + x.gather(2, upper) * share
    return moved * torch.exp(draw(AMPLITUDE)).unsqueeze(2).to(x.device)
