// The start page: both forms lead to a page of the chosen app.
import { appFromAddress, linkPages, pageUrl } from "./rillcast.js";

linkPages(appFromAddress());
for (const id of ["publish-app", "watch-app"]) document.getElementById(id).value = appFromAddress();

document.getElementById("publish").addEventListener("submit", (event) => {
  event.preventDefault();
  location.assign(pageUrl(new FormData(event.target).get("app"), "publish.html"));
});
document.getElementById("watch").addEventListener("submit", (event) => {
  event.preventDefault();
  const data = new FormData(event.target);
  location.assign(pageUrl(data.get("app"), "watch.html", { id: data.get("id") }));
});
