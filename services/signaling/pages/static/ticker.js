// A worker that ticks at a steady rate, also when the page is in the background.
let timer = 0;
onmessage = ({ data: intervalMs }) => {
  clearInterval(timer);
  if (intervalMs) timer = setInterval(() => postMessage(0), intervalMs);
};
