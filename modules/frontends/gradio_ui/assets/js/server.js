/** Ask one of our own routes; throw an `Error` with the server's sentence if it refuses. */
export async function ask(route, { signal, query, body, method = body === undefined ? "GET" : "POST" } = {}) {
  const address = query ? `${route}?${new URLSearchParams(query)}` : route;
  const options = body === undefined ? {} : { headers: { "Content-Type": "application/json" } };
  const answer = await fetch(address, {
    ...options,
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
    signal,
  });
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({}));
    throw new Error(typeof said.detail === "string" ? said.detail : `${route} answered ${answer.status}`);
  }
  return answer.json();
}

/** Tell a sentence to the person, below everything, until it is pressed or ten seconds are over; return its element. */
export function toast(sentence) {
  let holder = document.getElementById("easel_toasts");
  if (!holder) {
    holder = document.createElement("div");
    holder.id = "easel_toasts";
    holder.setAttribute("role", "alert");
    document.querySelector(".gradio-container").append(holder);
  }
  const shown = document.createElement("button");
  shown.type = "button";
  shown.textContent = sentence;
  shown.addEventListener("click", () => shown.remove());
  setTimeout(() => shown.remove(), 10_000);
  holder.append(shown);
  return shown;
}
