"""What `helm test` runs: the first argument is signaling, the others are where nodes of one kind have their admin
listeners, all as host:port. Exit code 0 when every node behind each of them is ready, else 1 with what is wrong."""

import http.client
import socket
import sys

TIMEOUT_S = 10


def status(host: str, port: int, path: str) -> tuple[int, str]:
    """What is answered, with the start of its body. Raises OSError."""
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read(500).decode(errors="replace")
    finally:
        connection.close()


def faults_of(place: str, path: str, every: bool) -> list[str]:
    """Why not all that is at `place` is well. `every`: ask each address behind the name by itself."""
    host, _, number = place.rpartition(":")
    port = int(number)
    try:
        found = (
            {str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)} if every else {host}
        )
    except OSError as error:
        return [f"{place}: there is no node: {error}"]
    faults = []
    for address in sorted(found):
        try:
            answer, body = status(address, port, path)
        except OSError as error:
            faults.append(f"{place} at {address}: {error}")
            continue
        if answer != http.client.OK:
            faults.append(f"{place} at {address}: {path} answers {answer} {body}")
        print(f"{place} at {address}: {answer}")
    return faults


signaling, *nodes = sys.argv[1:]
wrong = faults_of(signaling, "/", every=False)
for node in nodes:
    wrong += faults_of(node, "/readyz", every=True)
sys.exit("\n".join(wrong) if wrong else 0)
