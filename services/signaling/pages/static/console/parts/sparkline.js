// Small series over time, drawn by uPlot in the page's colours.
import uPlot from "../vendor/uplot.js";
import { h } from "./dom.js";

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const clock = (seconds) => (Number.isInteger(seconds) ? CLOCK.format(seconds * 1000) : "");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * `label`: what it shows, in words. `shown(value)`: a value as text. `most`: how many points are kept, the oldest go.
 * Returns `{ element, push(atMs, value), set(times, values), destroy() }`. With `axes`, times and values stand beside.
 */
export function sparkline({ label, shown = String, most = 300, height = 48, axes = false, tone = "--accent" }) {
  let times = [], values = [], plot = null;
  const place = h("div", { class: "spark" });
  const words = h("p", { class: "unseen" });
  const element = h("div", { class: "spark-frame", role: "img", "aria-label": label }, place, words);

  function options() {
    const line = { stroke: colour(tone), fill: `${colour(tone)}22`, width: 1.5, points: { show: false }, spanGaps: false };
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    return {
      width: Math.max(60, place.clientWidth), height, cursor: { show: false }, legend: { show: false },
      scales: { x: { time: true }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(1, high ?? 1) * 1.1] } },
      axes: axes ? [{ ...axis, size: 26, space: 90, values: (_, ticks) => ticks.map(clock) }, { ...axis, size: 64, values: (_, ticks) => ticks.map(shown) }] : [{ show: false }, { show: false }],
      padding: axes ? [8, 8, 0, 0] : [2, 0, 0, 0],
      series: [{}, line],
    };
  }

  function draw(anew = false) {
    if (!place.isConnected) return;
    if (anew || !plot) {
      plot?.destroy();
      plot = new uPlot(options(), [times, values], place);
    } else {
      plot.setData([times, values]);
    }
    const last = values.at(-1);
    element.setAttribute("aria-label", last === undefined ? `${label}: nothing yet` : `${label}: ${shown(last)} now`);
  }

  const resized = new ResizeObserver(() => {
    if (plot) plot.setSize({ width: Math.max(60, place.clientWidth), height });
    else draw();
  });
  resized.observe(place);
  const repaint = () => draw(true);
  document.addEventListener("rillcast:theme", repaint);

  return {
    element,
    push(atMs, value) {
      times = [...times, atMs / 1000].slice(-most);
      values = [...values, value].slice(-most);
      draw();
    },
    set(newTimes, newValues) {
      times = newTimes.map((ms) => ms / 1000).slice(-most);
      values = newValues.slice(-most);
      draw();
    },
    destroy() {
      resized.disconnect();
      document.removeEventListener("rillcast:theme", repaint);
      plot?.destroy();
      plot = null;
    },
  };
}
