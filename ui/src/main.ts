import "./lib/locale";
import { mount } from "svelte";
import App from "./App.svelte";
import "./app.css";
import { backend } from "./lib/backend";

// Not awaited at the top of the module: WebKit can wait for ever on a part that imports this one back.
void backend().then((found) => {
  const target = document.getElementById("app");
  if (!target) return;
  if (found) mount(App, { target, props: { backend: found } });
  else target.textContent = "This page is the inside of Curfew's window. Open Curfew instead.";
});
