"""A WHEP viewer in GStreamer: webrtcbin, decodes what comes. Run by Debian's own Python: gstreamer_whep.py URL CODEC.
It prints a line for each hundred decoded pictures and each hundred pieces of sound."""

from __future__ import annotations

import signal
import sys
import urllib.parse
import urllib.request
from collections import Counter

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

AUDIO = "application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000,encoding-params=(string)2"
VIDEO = "application/x-rtp,media=video,encoding-name={codec},payload=96,clock-rate=90000,rtcp-fb-nack-pli=true"
PARAMETERS = {"H264": ",packetization-mode=(string)1,profile-level-id=(string)42e01f"}
EACH = 100


class Viewer:
    """Offer when all candidates are known, POST, answer."""

    def __init__(self, url: str, codec: str, loop: GLib.MainLoop) -> None:
        self.url = url
        self.resource = ""
        self.loop = loop
        self.seen: Counter[str] = Counter()
        self.pipeline = Gst.Pipeline.new("viewer")
        self.webrtc = Gst.ElementFactory.make("webrtcbin", "in")
        self.webrtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        self.pipeline.add(self.webrtc)
        self.webrtc.connect("pad-added", self.decode)
        self.webrtc.connect("notify::ice-gathering-state", self.gathered)
        for caps in (AUDIO, VIDEO.format(codec=codec) + PARAMETERS.get(codec, "")):
            direction = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
            self.webrtc.emit("add-transceiver", direction, Gst.Caps.from_string(caps))

    def start(self) -> None:
        self.pipeline.set_state(Gst.State.PLAYING)
        self.webrtc.emit("create-offer", None, Gst.Promise.new_with_change_func(self.offered, None))

    def offered(self, promise: Gst.Promise, _: None) -> None:
        reply = promise.get_reply()
        offer = reply.get_value("offer")
        self.webrtc.emit("set-local-description", offer, Gst.Promise.new())

    def gathered(self, element: Gst.Element, _: object) -> None:
        if element.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(self.post)

    def post(self) -> bool:
        if self.resource:
            return False
        offer = self.webrtc.get_property("local-description").sdp.as_text()
        request = urllib.request.Request(self.url, offer.encode(), {"Content-Type": "application/sdp"}, method="POST")
        with urllib.request.urlopen(request, timeout=10) as response:
            self.resource = urllib.parse.urljoin(self.url, response.headers["Location"])
            answer = response.read().decode()
        _, message = GstSdp.SDPMessage.new_from_text(answer)
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.webrtc.emit("set-remote-description", description, Gst.Promise.new())
        return False

    def decode(self, _: Gst.Element, pad: Gst.Pad) -> None:
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        decoder = Gst.ElementFactory.make("decodebin")
        decoder.connect("pad-added", self.show)
        self.pipeline.add(decoder)
        decoder.sync_state_with_parent()
        pad.link(decoder.get_static_pad("sink"))

    def show(self, _: Gst.Element, pad: Gst.Pad) -> None:
        kind = pad.get_current_caps().get_structure(0).get_name().partition("/")[0]
        sink = Gst.ElementFactory.make("fakesink")
        sink.set_property("signal-handoffs", True)
        sink.connect("handoff", lambda *_: self.count(kind))
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))

    def count(self, kind: str) -> None:
        self.seen[kind] += 1
        if self.seen[kind] % EACH == 0:
            print(kind, self.seen[kind], flush=True)

    def stop(self) -> bool:
        if self.resource:
            urllib.request.urlopen(urllib.request.Request(self.resource, method="DELETE"), timeout=5).close()
        self.loop.quit()
        return False


def main() -> None:
    Gst.init(None)
    loop = GLib.MainLoop()
    viewer = Viewer(sys.argv[1], sys.argv[2], loop)
    GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGINT, viewer.stop)
    viewer.start()
    loop.run()
    viewer.pipeline.set_state(Gst.State.NULL)


main()
