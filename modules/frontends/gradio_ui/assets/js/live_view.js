function setTitle(percent) {
  const plain = document.title.replace(/^\[\d+%\] /, "");
  document.title = percent === null ? plain : `[${percent}%] ${plain}`;
}

function duration(seconds) {
  const whole = Math.max(1, Math.round(seconds));
  const minutes = Math.floor(whole / 60);
  return minutes ? `${minutes} min ${String(whole % 60).padStart(2, "0")} s` : `${whole} s`;
}

function describe(status) {
  if (!status) {
    return "Connection lost, retrying …";
  }
  if (status.queued && !status.active) {
    return status.textinfo || "Waiting …";
  }
  const parts = [];
  if (status.progress) {
    parts.push(`${Math.round(status.progress * 100)} %`);
  }
  if (status.eta != null) {
    parts.push(`${duration(status.eta)} left`);
  }
  if (status.textinfo) {
    parts.push(status.textinfo);
  }
  return parts.join(" · ") || "Starting …";
}

/** A progress bar, and where there is one, the unfinished picture; only with a picture the page's title tells, too. */
export class LiveView {
  /** @param {string} name of the part, as in the element's `data-live`. */
  constructor(name) {
    this.root = document.querySelector(`[data-live="${name}"]`);
    this.picture = this.root.querySelector(".live-preview");
    this.bar = this.root.querySelector(".progress");
    this.fill = this.root.querySelector(".progress-fill");
    this.text = this.root.querySelector(".progress-text");
  }

  /** Appear, empty. */
  open() {
    this.picture?.setAttribute("hidden", "");
    this.picture?.removeAttribute("src");
    this.#move(0);
    this.text.textContent = "Waiting …";
    this.root.classList.remove("lost", "unsure");
    this.root.hidden = false;
  }

  /** Show an answer of the server, or, if it is null, that there is none. */
  show(status) {
    this.root.classList.toggle("lost", status === null);
    this.text.textContent = describe(status);
    if (!status) {
      return;
    }
    const fraction = status.progress ?? 0;
    this.#move(fraction);
    this.root.classList.toggle("unsure", Boolean(status.active) && fraction === 0);
    if (this.picture) {
      setTitle(status.active ? Math.round(fraction * 100) : null);
      if (status.live_preview) {
        this.picture.src = status.live_preview;
        this.picture.removeAttribute("hidden");
      }
    }
  }

  /** Disappear. */
  close() {
    this.root.hidden = true;
    if (this.picture) {
      setTitle(null);
    }
  }

  #move(fraction) {
    this.fill.style.transform = `scaleX(${fraction})`;
    this.bar.setAttribute("aria-valuenow", String(Math.round(fraction * 100)));
  }
}
