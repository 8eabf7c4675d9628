"""Whether the examples of a training fit into the memory of its device, or stay in their file."""

import os
import resource
from pathlib import Path

import torch

_SHARE = 4  # of the memory, at most a fourth is for examples: their padded copy is made beside them
#: Limits on the memory of a container, of version 2 and 1 of control groups.
_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")
)  # fmt: skip


def fits(size: int, device: torch.device) -> bool:
    """Whether examples of this size, in bytes, are kept in the memory of the device."""
    return size <= memory_of(device) // _SHARE


def memory_of(device: torch.device) -> int:
    """The memory that a process may use: the device's, or the least of the machine's limits."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_DATA, resource.RLIMIT_AS)]
    found = [limit for limit in limits if limit != resource.RLIM_INFINITY]
    return min(physical, *found, *filter(None, map(_limit_in, _LIMITS)))


def _limit_in(path: Path) -> int:
    """The limit that a file of a control group names; 0 without one."""
    try:
        text = path.read_text().strip()
    except OSError:
        return 0
    return int(text) if text.isdecimal() else 0
