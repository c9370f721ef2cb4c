// Firefox at a watching page: firefox_watch.mjs URL OBSERVE_JS. Prints an observation a line; ends when stdin does.
import { readFile } from "node:fs/promises";
import puppeteer from "puppeteer-core";

const [url, observe] = process.argv.slice(2);
const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath: "/usr/bin/firefox-esr",
  headless: true,
  extraPrefsFirefox: {
    "media.autoplay.default": 0,
    "media.peerconnection.ice.obfuscate_host_addresses": true,
    "network.dns.disabled": true,
    "network.captive-portal-service.enabled": false,
    "network.connectivity-service.enabled": false,
  },
});
let ending = false;
process.stdin.resume();
process.stdin.on("end", async () => {
  ending = true;
  await browser.close();
  process.exit(0);
});
const page = await browser.newPage();
await page.evaluateOnNewDocument(await readFile(observe, "utf8"));
await page.goto(url);
while (!ending) {
  try {
    process.stdout.write(JSON.stringify(await page.evaluate("window.rillcastObserve()")) + "\n");
  } catch (error) {
    if (!ending) throw error;
  }
  await new Promise((resolve) => setTimeout(resolve, 250));
}
