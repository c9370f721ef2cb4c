"""How the server speaks WebSocket: uvicorn's protocol, which also says when a client was given up."""

from __future__ import annotations

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

KEEPALIVE_CODE = 1011
"""What uvicorn writes to a client that answers no ping."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn hands the app 1005 for a client that it gave up, as for one whose connection broke."""

    def keepalive_timeout(self) -> None:
        """Called when a ping was not answered in time."""
        if not self.close_sent and not self.transport.is_closing():
            self.queue.put_nowait({"type": "websocket.disconnect", "code": KEEPALIVE_CODE, "reason": "keepalive"})
        super().keepalive_timeout()
