"""DVC's locks of files whose process has ended."""

from dvc.repo import Repo
from dvc.rwlock import RWLOCK_FILE, RWLockFileCorruptedError, _edit_rwlock

from thirtytwo.runtime.alive import is_alive

__all__ = ["release_ended"]


def release_ended(repo: Repo) -> list[int]:
    """Remove the locks of processes that have ended; return the numbers of these processes.

    DVC does so itself once a process is gone, but takes a zombie for alive: it then refuses every file that the process
    had locked, as long as the parent does not collect it.

    Raises:
        RWLockFileCorruptedError, RWLockFileFormatError: DVC's file of locks is damaged.
    """
    try:
        return _release(repo)
    except (ValueError, RecursionError):  # no text, a number of any length or below 0, nested without end
        raise RWLockFileCorruptedError(repo.fs.join(repo.tmp_dir, RWLOCK_FILE)) from None


def _release(repo: Repo) -> list[int]:
    with _edit_rwlock(repo.tmp_dir, repo.fs, repo.config["core"].get("hardlink_lock", False)) as locks:
        writers = {path: holder["pid"] for path, holder in locks["write"].items()}
        readers = {holder["pid"] for holders in locks["read"].values() for holder in holders}
        ended = {pid for pid in {*writers.values(), *readers} if not is_alive(pid)}
        for path in [path for path, pid in writers.items() if pid in ended]:
            del locks["write"][path]
        for path, holders in list(locks["read"].items()):
            locks["read"][path] = [holder for holder in holders if holder["pid"] not in ended]
            if not locks["read"][path]:
                del locks["read"][path]
    return sorted(ended)
