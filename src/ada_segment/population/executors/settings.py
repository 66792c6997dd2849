"""Where members are trained, and with how much of the machine."""

import math
from dataclasses import dataclass

from ada_segment.errors import ConfigError
from ada_segment.values import whole


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSettings:
    """Settings of the executors. None of them but `threads` touches the numbers of a search.

    Attributes:
        kind: local, processes or ray.
        workers: members trained at the same time; None: one a GPU where there are GPUs, otherwise one a core. Never
            more than there are members. `local` has one.
        threads: of PyTorch on the CPU, for each member; None: one in a worker, and in this process what it has. Sums in
            another order are other numbers: give the same everywhere for the same journal bit for bit.
        time_limit: seconds that one member's round may take; one that takes longer has failed and its worker is
            started again. None: no limit. `local` has no worker to stop, and refuses a limit.
        restarts: how often the part of a member whose worker was lost (killed, its machine gone) is repeated; after
            that the member has failed, since it may be what kills the workers.
        processes_per_member: processes that train one member together, each with a device of its own. `processes` only.
        ray_address: of a running Ray cluster ("auto", "10.0.0.1:6379", "ray://..."); None: a Ray of our own here.
        cpus: cores that Ray sets aside for a worker.
        gpus: GPUs that Ray sets aside for a worker; None: one where the cluster has any. 0 for members that train on
            CPUs: `processes` then has a worker a core, on a machine with GPUs too.
    """

    kind: str = "local"
    workers: int | None = None
    threads: int | None = None
    time_limit: float | None = None
    restarts: int = 3
    processes_per_member: int = 1
    ray_address: str | None = None
    cpus: float = 1
    gpus: float | None = None

    def __post_init__(self) -> None:
        for name, least in (("workers", 1), ("threads", 1), ("restarts", 0), ("processes_per_member", 1)):
            value = getattr(self, name)
            if value is not None or name not in ("workers", "threads"):
                object.__setattr__(self, name, whole(name, value, least=least))  # frozen, and numpy's become int
        for name, above in (("time_limit", 0.0), ("cpus", -1e-9), ("gpus", -1e-9)):
            value = getattr(self, name)
            if value is None and name != "cpus":
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not above < value < math.inf:
                raise ConfigError(f"{name} = {value!r} is not usable; it is a positive number")
