import { mount } from "svelte";
import App from "./App.svelte";
import "./app.css";
import { backend } from "./lib/backend";

const target = document.getElementById("app");
const found = await backend();
if (target && found) mount(App, { target, props: { backend: found } });
else if (target) target.textContent = "This page is the inside of Curfew's window. Open Curfew instead.";
