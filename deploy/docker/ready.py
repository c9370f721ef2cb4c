"""Health check of a container: exit code 0 when the node's /readyz answers 200, else 1 with the reason."""

import http.client
import os
import sys

connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["RILLCAST_ADMIN_PORT"]), timeout=8)
try:
    connection.request("GET", "/readyz")
    response = connection.getresponse()
    body = response.read(500).decode(errors="replace")
except OSError as error:
    sys.exit(f"/readyz: {error}")
print(body)
sys.exit(response.status != http.client.OK)
