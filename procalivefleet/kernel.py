"""What Python 3.9 lacks of Linux: timers on the boot clock, signalfd(2), prctl(2)."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import struct
from collections.abc import Iterable

FROM_KERNEL = 0x80  # SI_KERNEL, sigaction(2): a terminal's Ctrl-C, which all its processes get

_libc = ctypes.CDLL(None, use_errno=True)
_BOOTTIME = 7  # CLOCK_BOOTTIME
_ABSOLUTE = 1  # TFD_TIMER_ABSTIME
_FLAGS = os.O_CLOEXEC | os.O_NONBLOCK  # as TFD_ and SFD_ have them
_SET_PDEATHSIG = 1  # PR_SET_PDEATHSIG
_SIGSET = 128  # bytes of sigset_t
_SIGINFO = 128  # bytes of signalfd_siginfo: signo, errno and code come first


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


class Timer:
    """timerfd_create(2) on CLOCK_BOOTTIME: rings at a resume, too, if its time has passed."""

    def __init__(self) -> None:
        self._fd = _checked(_libc.timerfd_create(_BOOTTIME, _FLAGS))

    def fileno(self) -> int:
        return self._fd

    def set(self, at: float) -> None:
        """Ring at this time of the boot clock; at once if it has passed."""
        at = max(at, 0.001)  # 0 would disarm it
        spec = (ctypes.c_long * 4)(0, 0, int(at), int(at % 1 * 1e9))
        _checked(_libc.timerfd_settime(self._fd, _ABSOLUTE, spec, None))

    def rang(self) -> bool:
        """Whether it rang since it was last set or asked."""
        try:
            return bool(os.read(self._fd, 8))
        except BlockingIOError:
            return False


class SharedTime:
    """A time that a process and its children see alike: written by one, read by others.

    Memory and not messages, because nobody reads those to a process that is stopped.
    """

    def __init__(self, value: float) -> None:
        self._memory = ctypes.c_double.from_buffer(mmap.mmap(-1, mmap.PAGESIZE))  # one aligned store or load
        self.value = value

    @property
    def value(self) -> float:
        return self._memory.value

    @value.setter
    def value(self, value: float) -> None:
        self._memory.value = value


class Signals:
    """Signals as a descriptor, with who sent them; blocked from now on.

    before: the mask that the process had.
    """

    def __init__(self, numbers: Iterable[int]) -> None:
        numbers = list(numbers)
        self.before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        mask = ctypes.create_string_buffer(_SIGSET)
        _checked(_libc.sigemptyset(mask))
        for number in numbers:
            _checked(_libc.sigaddset(mask, int(number)))
        self._fd = _checked(_libc.signalfd(-1, mask, _FLAGS))

    def fileno(self) -> int:
        return self._fd

    def take(self) -> list[tuple[int, int]]:
        """(number, code) of those that came: signalfd(2), si_code in sigaction(2)."""
        try:
            told = os.read(self._fd, 32 * _SIGINFO)
        except BlockingIOError:
            return []
        return [
            (number, code)
            for number, code in (struct.unpack_from("I4xi", told, at) for at in range(0, len(told), _SIGINFO))
        ]


def die_with_parent(parent: int) -> bool:
    """SIGKILL for this process as soon as its parent ends; False if that has been."""
    _checked(_libc.prctl(_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0))
    return os.getppid() == parent
