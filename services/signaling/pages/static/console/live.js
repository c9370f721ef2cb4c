// What goes on in the cluster, shared by all views.

const listeners = new Set();

export const live = {
  /** Null until something was heard. */
  state: null,
  /** Calls `listener(state)` whenever the state has changed; returns what ends that. */
  subscribe(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  /** The shell calls it when somebody has signed in who may look at the whole cluster. */
  start() {},
  /** The shell calls it when the session is over. */
  stop() {},
};
