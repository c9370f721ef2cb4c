"""Health check of a container: exit code 0 when the node's /readyz answers 200, else 1 with the reason."""

import http.client
import os
import sys

NAMES = [f"RILLCAST_{kind}_ADMIN_PORT" for kind in ("SIGNALING", "ORIGIN", "EDGE", "TRANSCODER", "LICENSE")]
"""The setting of one kind of node wins over the one for all, as in the node itself."""

port = next((os.environ[name] for name in (*NAMES, "RILLCAST_ADMIN_PORT") if os.environ.get(name)), "")
if not port.isdecimal() or int(port) == 0:
    sys.exit(f"RILLCAST_ADMIN_PORT has to be a number other than 0, so that the node can be asked; it is {port!r}")
connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=8)
try:
    connection.request("GET", "/readyz")
    response = connection.getresponse()
    body = response.read(500).decode(errors="replace")
except (OSError, http.client.HTTPException) as error:
    sys.exit(f"/readyz: {error}")
print(body)
sys.exit(response.status != http.client.OK)
