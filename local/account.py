"""As root: the account that PostgreSQL runs as, since it refuses to run as root. Ordinary users: nothing to do.

No account is made and no directory's permissions are widened. The account is the owner of the checkout if that is an
ordinary user, else `nobody`. Where that account may not enter the checkout (/root is closed to others), the server
keeps the one capability to pass directory and file permissions (Linux, CAP_DAC_*): less than root, and it listens on
nothing but a socket in a directory of its own.

Run as a script, this file is the step between: it takes off root's rights and becomes the command.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2
_PR_SET_KEEPCAPS, _PR_SET_SECUREBITS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 8, 28, 47, 2
_SECBIT_NO_SETUID_FIXUP = 4
_LINUX_CAPABILITY_VERSION_3 = 0x20080522


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account of the operating system. keep: it needs the capability to reach the files."""

    uid: int
    gid: int
    keep: bool


def for_server(checkout: Path, paths: Sequence[Path]) -> Account | None:
    """The account for a server that uses `paths`; None when this process is no root and stays what it is.

    Raises: LookupError when the machine has no fitting account.
    """
    if os.geteuid() != 0:
        return None
    owner = _entry(checkout.stat().st_uid) or _entry("nobody")
    if owner is None:
        raise LookupError("nobody")
    reachable = all(_may_enter(owner, path) for path in paths)
    return Account(uid=owner.pw_uid, gid=owner.pw_gid, keep=not reachable)


def command_as(account: Account | None, command: Sequence[str | Path]) -> list[str]:
    """The command line that runs `command` as the account."""
    words = [str(word) for word in command]
    if account is None:
        return words
    return [sys.executable, "-I", __file__, str(account.uid), str(account.gid), str(int(account.keep)), *words]


def _entry(account: int | str) -> pwd.struct_passwd | None:
    """The account of this number or name; root does not count."""
    try:
        found = pwd.getpwuid(account) if isinstance(account, int) else pwd.getpwnam(account)
    except KeyError:
        return None
    return found if found.pw_uid != 0 else None


def _may_enter(owner: pwd.struct_passwd, path: Path) -> bool:
    return all(
        (status.st_mode & stat.S_IXUSR) if status.st_uid == owner.pw_uid else (status.st_mode & stat.S_IXOTH)
        for status in (parent.stat() for parent in (path, *path.parents) if parent.exists())
    )


def _become(uid: int, gid: int, keep: bool) -> None:
    """Take off root's rights for good."""
    libc = ctypes.CDLL(None, use_errno=True) if keep else None
    if libc is not None:
        libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
        # Else access(2), by which initdb looks for its programs, ignores capabilities.
        libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if libc is not None:
        _keep_capabilities(libc)


def _keep_capabilities(libc: ctypes.CDLL) -> None:
    """Give up every capability but CAP_DAC_*, and hand those on to the command (as far as root has them here)."""
    header = (ctypes.c_uint32 * 2)(_LINUX_CAPABILITY_VERSION_3, 0)
    held = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable of the lower, then of the upper 32
    if libc.capget(header, held) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    kept = held[1] & (1 << _CAP_DAC_OVERRIDE | 1 << _CAP_DAC_READ_SEARCH)
    if libc.capset(header, (ctypes.c_uint32 * 6)(kept, kept, kept, 0, 0, 0)) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
        if kept & 1 << capability:
            libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0)


if __name__ == "__main__":
    _become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "1")
    os.umask(0o077)
    os.execv(sys.argv[4], sys.argv[4:])
