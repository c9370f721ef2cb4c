// Put into a watching page before its own scripts: when each frame of its picture was shown, in Unix milliseconds.
(() => {
  const MOST = 30_000;
  window.chaosFrames = [];
  const note = (at) => {
    if (window.chaosFrames.length >= MOST) window.chaosFrames.splice(0, MOST / 2);
    window.chaosFrames.push(performance.timeOrigin + at);
  };
  addEventListener("DOMContentLoaded", () => {
    const video = document.getElementById("remote");
    const next = (now) => {
      note(now);
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
  });
})();
