"""Descriptors and what to do when they are readable."""

from __future__ import annotations

import select

TYPE_CHECKING = False  # typing costs 7 ms at start
if TYPE_CHECKING:
    from typing import Callable, Protocol, Union

    class _HasDescriptor(Protocol):
        def fileno(self) -> int: ...

    Readable = Union[int, _HasDescriptor]


class Events:
    """epoll(7), with a function for each descriptor."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[], object]] = {}

    def on(self, what: Readable, handler: Callable[[], object]) -> None:
        """Call the handler whenever it is readable, or hung up."""
        fd = what if isinstance(what, int) else what.fileno()
        self._handlers[fd] = handler
        self._epoll.register(fd, select.EPOLLIN)

    def off(self, what: Readable) -> None:
        """No more; before it is closed."""
        fd = what if isinstance(what, int) else what.fileno()
        if self._handlers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def wait(self) -> None:
        """Sleep until something is readable, and call what it takes."""
        for fd, _ in self._epoll.poll():
            handler = self._handlers.get(fd)
            if handler is not None:  # a handler before it may have taken it off
                handler()
