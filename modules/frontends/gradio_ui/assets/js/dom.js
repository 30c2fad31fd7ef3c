/** Return a promise of the element `selector`, which Gradio may add later. */
export function whenPresent(selector) {
  return new Promise((resolve) => {
    const look = () => {
      const found = document.querySelector(selector);
      if (found) {
        observer.disconnect();
        resolve(found);
      }
      return found;
    };
    const observer = new MutationObserver(look);
    if (!look()) {
      observer.observe(document.documentElement, { childList: true, subtree: true });
    }
  });
}

/** Return a promise that is kept after `milliseconds`, or as soon as `signal` is aborted. */
export function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
