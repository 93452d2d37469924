"""A port at which the processes of one installation listen together."""

from __future__ import annotations

import socket


def reserved(host: str, port: int) -> socket.socket | None:
    """Return a socket that keeps the port for processes of this user; None if it is in use.

    Processes that set SO_REUSEPORT can listen there as long as the socket is open, which itself
    receives nothing. The kernel distributes connections over them. Without the reservation, a
    second installation of the same user could listen at the port too, and get half of the spans.
    """
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    try:
        _bound(family, address, socket.SO_REUSEADDR).close()  # fails if anybody has the port
    except OSError:
        return None
    try:
        return _bound(family, address, socket.SO_REUSEPORT)
    except OSError:  # connections of an earlier server are in TIME_WAIT
        return _bound(family, address, socket.SO_REUSEPORT, socket.SO_REUSEADDR)


def _bound(family: int, address: tuple[object, ...], *options: int) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        for option in options:
            bound.setsockopt(socket.SOL_SOCKET, option, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
