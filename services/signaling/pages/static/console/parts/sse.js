// Server-sent events by fetch: with the place of the last one, so that nothing is missed when the line breaks.

const FIRST_MS = 500;
const MOST_MS = 10_000;
const SILENCE_MS = 35_000;

function parsed(block) {
  const event = { id: "", kind: "message", data: "" };
  for (const line of block.split("\n")) {
    const [, key, value] = line.match(/^(\w+): ?(.*)$/) ?? [];
    if (key === "id") event.id = value;
    else if (key === "event") event.kind = value;
    else if (key === "data") event.data += (event.data && "\n") + value;
  }
  return event;
}

/**
 * `url()`: where. `after`: the id of the last event that is known. `heard({ id, kind, data })` for each event.
 * `state(word, sentence)`: `connecting`, `open`, `lost`, `refused`; the last one is the end. Returns what closes it.
 */
export function listen({ url, after = "", heard, state }) {
  const closed = new AbortController();
  let last = after, wait = FIRST_MS;

  async function once() {
    const line = new AbortController();
    const stop = () => line.abort();
    closed.signal.addEventListener("abort", stop);
    let timer = setTimeout(stop, SILENCE_MS);
    try {
      state("connecting");
      const answer = await fetch(url(), { headers: { Accept: "text/event-stream", ...(last ? { "Last-Event-ID": last } : {}) }, signal: line.signal, cache: "no-store" });
      if (!answer.ok) return { refused: [400, 401, 403, 404].includes(answer.status), words: (await answer.text()).trim() };
      state("open");
      wait = FIRST_MS;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let left = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return {};
        clearTimeout(timer);
        timer = setTimeout(stop, SILENCE_MS);
        const blocks = (left + value).split("\n\n");
        left = blocks.pop();
        for (const block of blocks) {
          const event = parsed(block);
          if (event.id) last = event.id;
          if (event.data) heard(event);
        }
      }
    } catch {
      return {};
    } finally {
      clearTimeout(timer);
      closed.signal.removeEventListener("abort", stop);
      line.abort();
    }
  }

  (async () => {
    while (!closed.signal.aborted) {
      const { refused, words } = await once();
      if (closed.signal.aborted) return;
      if (refused) { state("refused", words); return; }
      state("lost", words);
      await new Promise((resolve) => setTimeout(resolve, wait * (0.7 + Math.random() * 0.6)));
      wait = Math.min(wait * 2, MOST_MS);
    }
  })();

  return { close: () => closed.abort(), get last() { return last; } };
}
