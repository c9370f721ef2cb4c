"""A WHIP publisher in GStreamer: webrtcbin, video and Opus. Run by Debian's own Python: gstreamer_whip.py URL CODEC."""

from __future__ import annotations

import signal
import sys
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

PIPELINE = """
    webrtcbin name=out bundle-policy=max-bundle
    videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=180,framerate=25/1
      ! {video}
      ! application/x-rtp,media=video,encoding-name={codec},payload=96 ! out.
    audiotestsrc is-live=true wave=sine ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2
      ! opusenc ! rtpopuspay pt=97 ! application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! out.
"""

VIDEO = {
    "VP8": "vp8enc deadline=1 keyframe-max-dist=50 target-bitrate=300000 ! rtpvp8pay pt=96 picture-id-mode=15-bit",
    "H265": "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=50 bitrate=300 ! h265parse ! rtph265pay pt=96",
}


class Publisher:
    """Offer when all candidates are known, POST, answer."""

    def __init__(self, url: str, codec: str, loop: GLib.MainLoop) -> None:
        self.url = url
        self.resource = ""
        self.loop = loop
        self.pipeline = Gst.parse_launch(PIPELINE.format(codec=codec, video=VIDEO[codec]))
        self.webrtc = self.pipeline.get_by_name("out")
        self.webrtc.connect("on-negotiation-needed", self.offer)
        self.webrtc.connect("notify::ice-gathering-state", self.gathered)

    def offer(self, element: Gst.Element) -> None:
        for index in range(2):
            transceiver = element.emit("get-transceiver", index)
            transceiver.set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
        promise = Gst.Promise.new_with_change_func(self.offered, None)
        element.emit("create-offer", None, promise)

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

    def stop(self) -> bool:
        if self.resource:
            urllib.request.urlopen(urllib.request.Request(self.resource, method="DELETE"), timeout=5).close()
        self.loop.quit()
        return False


def main() -> None:
    Gst.init(None)
    loop = GLib.MainLoop()
    publisher = Publisher(sys.argv[1], sys.argv[2], loop)
    GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGINT, publisher.stop)
    publisher.pipeline.set_state(Gst.State.PLAYING)
    loop.run()
    publisher.pipeline.set_state(Gst.State.NULL)


main()
