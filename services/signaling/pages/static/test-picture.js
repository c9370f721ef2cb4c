// The built-in source: colour bars, a clock with milliseconds, the stream's name, and a pip each second.

const WIDTH = 1280;
const HEIGHT = 720;
const FRAMES_PER_SECOND = 30;
const BARS = ["#c8c8c8", "#c4c400", "#00c0c0", "#00b400", "#b800b8", "#b40000", "#0000b8"];

/** Starts the source. Returns {stream, stop}. `name` is painted into the picture. */
export function testPicture(name) {
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const paint = painter(canvas, name);
  paint();
  const picture = capture(canvas);
  const tone = pips();
  const ticker = new Worker("/static/ticker.js");
  ticker.onmessage = () => {
    paint();
    picture.emit();
    tone.tick();
  };
  ticker.postMessage(1000 / FRAMES_PER_SECOND);
  const stream = new MediaStream([picture.track, ...tone.tracks]);
  return {
    stream,
    stop() {
      ticker.terminate();
      tone.stop();
      for (const track of stream.getTracks()) track.stop();
    },
  };
}

function painter(canvas, name) {
  const context = canvas.getContext("2d", { alpha: false });
  const barWidth = Math.ceil(WIDTH / BARS.length);
  let frame = 0;
  return () => {
    BARS.forEach((colour, i) => {
      context.fillStyle = colour;
      context.fillRect(i * barWidth, 0, barWidth, HEIGHT);
    });
    context.fillStyle = "#101820";
    context.fillRect(0, 250, WIDTH, 230);
    context.fillStyle = "#f4f7fa";
    context.textAlign = "center";
    context.font = "700 120px ui-monospace, Menlo, Consolas, monospace";
    context.fillText(new Date().toISOString().slice(11, 23), WIDTH / 2, 375);
    context.font = "500 44px system-ui, sans-serif";
    context.fillText(name, WIDTH / 2, 450, WIDTH - 80);
    context.fillStyle = "#5fd3bc";
    const x = ((frame * 8) % (WIDTH + 160)) - 160;
    context.fillRect(x, 500, 160, 24);
    const second = (performance.now() % 1000) / 1000;
    context.beginPath();
    context.moveTo(WIDTH / 2, 620);
    context.arc(WIDTH / 2, 620, 70, -Math.PI / 2, -Math.PI / 2 + second * 2 * Math.PI);
    context.fillStyle = "#101820";
    context.fill();
    frame += 1;
  };
}

/** A track of the canvas; frames are taken when painted where the browser lets us, else by its own timer. */
function capture(canvas) {
  const [track] = canvas.captureStream(0).getVideoTracks();
  if (track.requestFrame) return { track, emit: () => track.requestFrame() };
  const [timed] = canvas.captureStream(FRAMES_PER_SECOND).getVideoTracks();
  return { track: timed, emit() {} };
}

/** A quiet tone with a pip each second. Not waited for: a machine without sound output never starts its clock. */
function pips() {
  const context = new AudioContext({ sampleRate: 48000 });
  context.resume().catch(() => {});
  const oscillator = context.createOscillator();
  const gain = context.createGain();
  const output = context.createMediaStreamDestination();
  oscillator.frequency.value = 440;
  gain.gain.value = 0.02;
  oscillator.connect(gain).connect(output);
  oscillator.start();
  let second = 0;
  return {
    tracks: output.stream.getAudioTracks(),
    tick() {
      const now = Math.floor(Date.now() / 1000);
      if (now === second) return;
      second = now;
      gain.gain.setTargetAtTime(0.25, context.currentTime, 0.005);
      gain.gain.setTargetAtTime(0.02, context.currentTime + 0.12, 0.01);
    },
    stop() {
      oscillator.stop();
      context.close();
    },
  };
}
