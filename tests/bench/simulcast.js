// A WHIP publisher with three simulcast layers, lowest first, and a tone.
async ({ url, bitrates, width }) => {
  const media = await navigator.mediaDevices.getUserMedia({ video: { width, height: (width * 9) / 16, frameRate: 30 }, audio: true });
  const pc = new RTCPeerConnection();
  window.publisher = pc;
  const layers = bitrates.map((maxBitrate, i) => ({ rid: "lmh"[i], maxBitrate, scaleResolutionDownBy: 2 ** (bitrates.length - 1 - i) }));
  const video = pc.addTransceiver(media.getVideoTracks()[0], { direction: "sendonly", sendEncodings: layers });
  video.setCodecPreferences(RTCRtpSender.getCapabilities("video").codecs.filter((codec) => codec.mimeType === "video/VP8" || codec.mimeType === "video/rtx"));
  pc.addTransceiver(media.getAudioTracks()[0], { direction: "sendonly" });
  await pc.setLocalDescription();
  if (pc.iceGatheringState !== "complete") {
    await new Promise((resolve) => pc.addEventListener("icegatheringstatechange", () => pc.iceGatheringState === "complete" && resolve()));
  }
  const answer = await fetch(url, { method: "POST", headers: { "Content-Type": "application/sdp" }, body: pc.localDescription.sdp });
  if (!answer.ok) throw new Error(`the server refused: ${answer.status} ${await answer.text()}`);
  await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
}
