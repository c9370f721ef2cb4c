// App.
import { empty } from "../parts/empty.js";

export const title = "App";

export function mount(element) {
  element.append(empty("Nothing is shown here yet", "This view is still to be filled."));
  return { unmount() {} };
}
