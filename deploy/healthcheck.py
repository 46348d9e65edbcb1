"""Ends with 0 if the service in this container says that it is ready, else with what it says instead."""  # noqa: INP001 - run as a file

import os
import socket
import sys

# A bare socket, because importing an HTTP client costs more than all else that is done here, every few seconds.
with socket.create_connection(("127.0.0.1", int(os.environ["TOWPATH_HEALTH_PORT"])), timeout=3) as connection:  # noqa: TID251
    connection.sendall(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n")
    answer = b"".join(iter(lambda: connection.recv(4096), b""))
if answer.split(b" ", 2)[1:2] != [b"200"]:
    sys.exit(answer.decode(errors="replace"))
