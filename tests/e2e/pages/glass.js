// Glass to glass: a picture that says when it was painted, and a reader of it. 32 cells in two rows, the second inverted:
// 24 bits of wall-clock milliseconds and 8 check bits.
const CELLS = 32;
const STRIP = 64;

function check(value) {
  return ((value >> 16) ^ (value >> 8) ^ value ^ 0x5a) & 0xff;
}

function now() {
  return Math.floor(performance.timeOrigin + performance.now()) & 0xffffff;
}

function paint(context, width, height, frame) {
  const value = now();
  const bits = value * 256 + check(value);
  context.fillStyle = `hsl(${frame % 360} 40% 45%)`;
  context.fillRect(0, STRIP, width, height - STRIP);
  for (let i = 0; i < 40; i += 1) {
    context.fillStyle = `hsl(${i * 9} 70% 60%)`;
    context.fillRect((i * 97 + frame * (3 + (i % 5))) % width, STRIP + ((i * 53 + frame * 2) % (height - STRIP)), 60, 40);
  }
  const cell = width / CELLS;
  for (let i = 0; i < CELLS; i += 1) {
    const on = Math.floor(bits / 2 ** (CELLS - 1 - i)) % 2 === 1;
    context.fillStyle = on ? "#fff" : "#000";
    context.fillRect(i * cell, 0, cell, STRIP / 2);
    context.fillStyle = on ? "#000" : "#fff";
    context.fillRect(i * cell, STRIP / 2, cell, STRIP / 2);
  }
}

/** The painted picture, 1280×720 at 30 frames/s, with a tone. The timer lives in a worker: pages' own are throttled. */
export function clockPicture() {
  const [width, height] = [1280, 720];
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d");
  const stream = canvas.captureStream(0);
  const [video] = stream.getVideoTracks();
  const timer = new Worker(URL.createObjectURL(new Blob(["setInterval(() => postMessage(0), 1000 / 30)"])));
  let frame = 0;
  timer.onmessage = () => {
    paint(context, width, height, (frame += 1));
    video.requestFrame();
  };
  const audio = new AudioContext();
  const tone = audio.createOscillator();
  const sink = audio.createMediaStreamDestination();
  tone.connect(sink);
  tone.start();
  stream.addTrack(sink.stream.getAudioTracks()[0]);
  return stream;
}

/** Milliseconds from painting to presentation of every readable frame for a while. */
export function readDelays(video, forMs) {
  const canvas = new OffscreenCanvas(256, 2);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const delays = [];
  let frames = 0;
  return new Promise((resolve) => {
    const end = performance.now() + forMs;
    const read = (_, metadata) => {
      frames += 1;
      const presented = Math.floor(performance.timeOrigin + metadata.presentationTime) & 0xffffff;
      const value = decode(context, video);
      if (value !== null) delays.push(((presented - value + 0x1800000) & 0xffffff) - 0x800000);
      if (performance.now() > end) resolve({ delays, frames });
      else video.requestVideoFrameCallback(read);
    };
    video.requestVideoFrameCallback(read);
  });
}

function decode(context, video) {
  const strip = (STRIP * video.videoHeight) / 720;
  context.drawImage(video, 0, 0, video.videoWidth, strip, 0, 0, 256, 2);
  const data = context.getImageData(0, 0, 256, 2).data;
  let bits = 0;
  for (let i = 0; i < CELLS; i += 1) {
    const at = 4 * (i * 8 + 4);
    bits = bits * 2 + (data[at] > data[at + 4 * 256] ? 1 : 0);
  }
  const value = Math.floor(bits / 256);
  return check(value) === bits % 256 ? value : null;
}

/** H.264, which the cluster takes of the SDK where it may choose. */
function asTheClusterTakesIt() {
  return RTCRtpSender.getCapabilities("video").codecs.filter(({ mimeType }) => mimeType === "video/H264");
}

/** A direct connection between two pages, the same picture and bit rate: offer → answer → accept. */
export const direct = {
  async offer(stream, maxBitrate) {
    const pc = (window.directConnection = new RTCPeerConnection());
    for (const track of stream.getTracks()) {
      // One stream, as the SDK sends it: browsers then delay the picture to the sound on both ways alike.
      const sendEncodings = track.kind === "video" ? [{ maxBitrate }] : [{}];
      const transceiver = pc.addTransceiver(track, { direction: "sendonly", streams: [stream], sendEncodings });
      if (track.kind === "video") transceiver.setCodecPreferences(asTheClusterTakesIt());
    }
    return gathered(pc, await pc.createOffer());
  },
  async answer(video, sdp) {
    const pc = (window.directConnection = new RTCPeerConnection());
    const stream = new MediaStream();
    pc.ontrack = ({ track }) => {
      stream.addTrack(track);
      video.srcObject = stream;
    };
    await pc.setRemoteDescription({ type: "offer", sdp });
    return gathered(pc, await pc.createAnswer());
  },
  accept: (sdp) => window.directConnection.setRemoteDescription({ type: "answer", sdp }),
};

async function gathered(pc, description) {
  const done = new Promise((resolve) => {
    pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && resolve();
  });
  await pc.setLocalDescription(description);
  if (pc.iceGatheringState !== "complete") await done;
  return pc.localDescription.sdp;
}
