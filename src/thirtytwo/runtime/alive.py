"""Whether a process runs."""

import psutil

__all__ = ["is_alive"]


def is_alive(pid: int) -> bool:
    """Whether a process with this number runs; one that has ended does not, even if its parent never collects it.

    Where the first process of a container collects no children, as `sleep` does not, orphans stay zombies for ever.
    """
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:  # another user's
        return True
