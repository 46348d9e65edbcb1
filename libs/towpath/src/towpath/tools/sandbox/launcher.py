"""Runs code apart from everything else: a program of its own, started by `subprocess_sandbox`, with the standard library only.

Three processes: the launcher, which makes namespaces; the first process inside, which builds the file system, watches and
reports; and the code. When the first process ends, the kernel ends all others inside, however they have detached themselves.

It reads one JSON object from standard input, and writes one to the file descriptor that this names.
"""

import base64
import contextlib
import ctypes
import json
import os
import random
import resource
import signal
import stat
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

_CLONE_NEWNS, _CLONE_NEWIPC, _CLONE_NEWUTS = 0x00020000, 0x08000000, 0x04000000
_CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT = 1, 2, 4, 8, 32
_MS_BIND, _MS_MOVE, _MS_REC, _MS_PRIVATE = 4096, 8192, 16384, 1 << 18
_LOCKED_FLAGS = {2: 2, 4: 4, 8: 8, 1024: 1024, 2048: 2048, 4096: 1 << 21}
"""How flags of a mount read (statvfs) and are written (mount); those that are set must stay so."""
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38

_ROOT = Path("/tmp")  # noqa: S108 - where the new root is built, in a mount namespace of its own
_HOME = "/sandbox"
"""The folder of the code, inside."""
_INSIDE_UID = 1000
_WATCH_S = 0.02
_OPEN_FILES = 256
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Run what standard input asks for."""
    asked = json.loads(sys.stdin.buffer.read())
    try:
        _begin(asked)
    except OSError as error:
        _report(asked, {"refused": f"{error.strerror}: {error.filename or 'namespaces'}"})


def _begin(asked: dict[str, Any]) -> None:
    """Make namespaces, and wait for the first process inside."""
    apart = _CLONE_NEWNS | _CLONE_NEWIPC | _CLONE_NEWUTS | _CLONE_NEWPID
    if not asked["network"]:
        apart |= _CLONE_NEWNET
    uid, gid = os.getuid(), os.getgid()
    if uid == 0:
        _unshare(apart)
    else:
        _unshare(apart | _CLONE_NEWUSER)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{_INSIDE_UID} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{_INSIDE_UID} {gid} 1")
    asked["processes"] += (
        1 if uid == 0 else 2
    )  # the first process counts, and this one if it has the same user
    child = os.fork()
    if child == 0:
        _first_process(asked, privileged=uid == 0)
    os.waitpid(child, 0)


def _first_process(asked: dict[str, Any], *, privileged: bool) -> NoReturn:
    try:
        has_proc = _build_root(asked)
        if privileged:
            _become_nobody()
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _libc.prctl(_PR_SET_DUMPABLE, 0)  # the code may not look into this process
        _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        for name, content in asked["inputs"].items():
            path = Path(_HOME, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(base64.b64decode(content))
        began = _seen_files()
        status, why = _watched(_started(asked), asked, has_proc=has_proc)
        _end_all()
        written = _changed(began, asked["disk_bytes"])
        said = {"status": status, "why": why, "files": written, "total_memory": has_proc}
        _report(asked, said)
    except OSError as error:
        _report(asked, {"refused": f"{error.strerror}: {error.filename or 'the file system'}"})
    finally:
        os._exit(0)
    raise AssertionError  # never reached


# --- The file system inside ---------------------------------------------------------------------------


def _build_root(asked: dict[str, Any]) -> bool:
    """Build a root that holds Python to read, and a folder to write in; tell whether it has /proc."""
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    readable = [path for path in asked["readable"] if Path(path).exists()]
    sources = {path: os.open(path, os.O_PATH) for path in readable}
    _mount("tmpfs", str(_ROOT), "tmpfs", _MS_NOSUID | _MS_NODEV, "size=1m,mode=755")
    for path, source in sources.items():
        # The path itself may be covered now: asked is what was opened.
        is_directory = stat.S_ISDIR(os.fstat(source).st_mode)
        _bind(f"/proc/self/fd/{source}", _ROOT / path.lstrip("/"), directory=is_directory)
        os.close(source)
    work = _ROOT / _HOME.lstrip("/")
    work.mkdir()
    room = f"size={asked['disk_bytes']},nr_inodes={asked['files'] + 1},mode=777"
    _mount("tmpfs", str(work), "tmpfs", _MS_NOSUID | _MS_NODEV, room)
    if not (_ROOT / "tmp").exists():  # Python may lie below /tmp itself
        (_ROOT / "tmp").symlink_to(_HOME)
    (_ROOT / "proc").mkdir()
    has_proc = True
    try:
        _mount("proc", str(_ROOT / "proc"), "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    except OSError:  # as in a container that hides parts of its own
        has_proc = False
    os.chdir(_ROOT)
    _mount(str(_ROOT), "/", None, _MS_MOVE)
    os.chroot(".")
    os.chdir(_HOME)
    _mount(None, "/", None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)
    return has_proc


def _bind(source: str, target: Path, *, directory: bool) -> None:
    if directory:
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    flags = os.statvfs(source).f_flag
    kept = sum(written for read, written in _LOCKED_FLAGS.items() if flags & read)
    _mount(source, str(target), None, _MS_BIND | _MS_REC)
    _mount(None, str(target), None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | kept)


def _seen_files() -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for folder, _, names in os.walk(_HOME):
        for name in names:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                about = path.stat()
                found[str(path.relative_to(_HOME))] = (about.st_mtime_ns, about.st_size)
    return found


def _changed(began: dict[str, tuple[int, int]], most_bytes: int) -> dict[str, str]:
    """Read the files that were written since, holes in them included up to so many bytes; not those that are locked."""
    read: dict[str, str] = {}
    for name, about in sorted(_seen_files().items()):
        most_bytes -= about[1]
        if began.get(name) != about and most_bytes >= 0:
            with contextlib.suppress(OSError):
                read[name] = base64.b64encode(Path(_HOME, name).read_bytes()).decode()
    return read


# --- The code -----------------------------------------------------------------------------------------


def _started(asked: dict[str, Any]) -> int:
    """Start the code, and return the id of its process."""
    child = os.fork()
    if child == 0:
        _become_code(asked)
    return child


def _become_code(asked: dict[str, Any]) -> NoReturn:
    os.close(asked["report"])
    _limit(asked)
    environment = {
        "HOME": _HOME,
        "TMPDIR": _HOME,
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    os.execve(asked["python"], [asked["python"], "-I", "-c", asked["code"]], environment)  # noqa: S606 - its purpose


def _limit(asked: dict[str, Any]) -> None:
    cpu_s = max(1, round(asked["cpu_s"]))
    for what, soft, hard in (
        (resource.RLIMIT_CPU, cpu_s, cpu_s + 1),  # SIGXCPU tells what it was; who ignores that is killed
        (resource.RLIMIT_AS, asked["memory_bytes"], asked["memory_bytes"]),
        (resource.RLIMIT_FSIZE, asked["file_bytes"], asked["file_bytes"]),
        (resource.RLIMIT_NPROC, asked["processes"], asked["processes"]),
        (resource.RLIMIT_NOFILE, _OPEN_FILES, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        resource.setrlimit(what, (soft, hard))


def _watched(child: int, asked: dict[str, Any], *, has_proc: bool) -> tuple[int | None, str | None]:
    """Wait for the code; stop waiting where it takes too long, or all its processes together have too much memory."""
    until = time.monotonic() + asked["wall_s"]
    while True:
        ended, status = os.waitpid(-1, os.WNOHANG)
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            return code, "time" if code == -signal.SIGXCPU else None
        if time.monotonic() > until:
            return None, "time"
        if has_proc and _memory() > asked["memory_bytes"]:
            return None, "memory"
        if not ended:
            time.sleep(_WATCH_S)  # noqa: TID251 - a program of its own, without a loop


def _end_all() -> None:
    """End all other processes inside, so that nothing changes any more."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def _memory() -> int:
    total = 0
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and process.name != "1":
            with contextlib.suppress(OSError):
                total += int((process / "statm").read_text().split()[1]) * _PAGE_BYTES
    return total


# --- The kernel ---------------------------------------------------------------------------------------


def _become_nobody() -> None:
    """Take a user id that nobody has, so that nothing is this user's, and its processes are counted apart."""
    nobody = random.SystemRandom().randrange(10**9, 2 * 10**9)
    os.setgroups([])
    os.setresgid(nobody, nobody, nobody)
    os.setresuid(nobody, nobody, nobody)


def _unshare(flags: int) -> None:
    _check(_libc.unshare(flags), "namespaces")


def _mount(source: str | None, target: str, kind: str | None, flags: int, said: str | None = None) -> None:
    def encoded(text: str | None) -> bytes | None:
        return None if text is None else text.encode()

    unsigned = ctypes.c_ulong(flags)
    done = _libc.mount(encoded(source), encoded(target), encoded(kind), unsigned, encoded(said))
    _check(done, f"mount of {target}")


def _check(done: int, what: str) -> None:
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def _report(asked: dict[str, Any], said: dict[str, Any]) -> None:
    with contextlib.suppress(OSError), os.fdopen(asked["report"], "w") as report:
        json.dump(said, report)


if __name__ == "__main__":
    main()
