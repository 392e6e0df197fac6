// The whole window on the fake site, and short words for what tests do with it.
import { render, screen, within } from "@testing-library/svelte";
import userEvent from "@testing-library/user-event";
import { vi } from "vitest";
import App from "../src/App.svelte";
import { Fake } from "../src/lib/backend/fake";
import type { FakeOptions } from "../src/lib/backend/fake-site";

export async function openWindow(options: FakeOptions = {}) {
  const fake = new Fake(options);
  const user = userEvent.setup({ advanceTimers: (ms) => vi.advanceTimersByTime(ms) });
  render(App, { props: { backend: fake } });
  await settle();
  return { fake, user };
}

/** Everything that was asked is answered, and drawn. */
export const settle = (ms = 600) => vi.advanceTimersByTimeAsync(ms);

export const grid = () => screen.getByRole("grid", { name: "Users" });
export const rows = () =>
  [...grid().querySelectorAll<HTMLElement>("[role=row][data-username]")].sort(
    (a, b) =>
      Number(a.ariaRowIndex ?? a.getAttribute("aria-rowindex")) - Number(b.getAttribute("aria-rowindex")),
  );
export const names = () => rows().map((row) => row.dataset["username"]);
export function row(name: string): HTMLElement {
  const found = rows().find((r) => r.dataset["username"] === name);
  if (!found) throw new Error(`no row of ${name}; there are ${names().join(", ")}`);
  return found;
}
export const body = () => grid().querySelector<HTMLElement>(".body") as HTMLElement;
export const count = (id: string) => screen.getByTestId(`count-${id}`).textContent;
export const dialog = () => screen.getByRole("alertdialog");
export const button = (name: string | RegExp, inside: HTMLElement = document.body) =>
  within(inside).getByRole("button", { name });

/** The pointer over an element, as a mouse. */
export function hover(element: HTMLElement, type: "pointerenter" | "pointerleave"): void {
  element.dispatchEvent(new PointerEvent(type, { pointerType: "mouse" }));
}
