// What jsdom lacks: a layout (rows of the table have a window of 510 px), media queries, scrolling, canvas.
import { cleanup } from "@testing-library/svelte";
import { afterEach, beforeEach, vi } from "vitest";

export const media = { narrow: false };

const height = (element: HTMLElement) => (element.classList.contains("body") ? 510 : 34);
Object.defineProperties(HTMLElement.prototype, {
  offsetHeight: {
    configurable: true,
    get: (): number => height(document.querySelector(".body") ?? document.body),
  },
  offsetWidth: { configurable: true, get: (): number => 800 },
});
Object.defineProperty(HTMLElement.prototype, "clientHeight", {
  configurable: true,
  get(this: HTMLElement) {
    return height(this);
  },
});
Object.defineProperty(HTMLElement.prototype, "scrollHeight", {
  configurable: true,
  get(this: HTMLElement) {
    const inner = this.querySelector<HTMLElement>(":scope > .all");
    return inner ? Number.parseFloat(inner.style.height) : 0;
  },
});
Element.prototype.scrollTo = function (this: Element, to?: ScrollToOptions | number) {
  if (typeof to === "object") this.scrollTop = to.top ?? 0;
  this.dispatchEvent(new Event("scroll"));
} as typeof Element.prototype.scrollTo;
Element.prototype.scrollIntoView = () => {};
HTMLCanvasElement.prototype.getContext = () => null;
globalThis.matchMedia = (query: string) =>
  ({
    matches: query.includes("width < 1100px") && media.narrow,
    media: query,
    addEventListener: () => {},
    removeEventListener: () => {},
  }) as unknown as MediaQueryList;

beforeEach(() => {
  document.documentElement.lang = "en";
  document.title = "Curfew";
  vi.useFakeTimers();
});
afterEach(() => {
  cleanup();
  media.narrow = false;
  vi.useRealTimers();
  document.body.innerHTML = "";
});
