// Nodes.
import { empty } from "../parts/empty.js";

export const title = "Nodes";

export function mount(element) {
  element.append(empty("Nothing is shown here yet", "This view is still to be filled."));
  return { unmount() {} };
}
