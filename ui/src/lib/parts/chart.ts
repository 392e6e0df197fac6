// The drawing of the last hour: active and idle as areas one on the other, sweeps as marks.
// Knows uPlot and colours, and no store.
import uPlot from "uplot";
import type { Timeline } from "../backend";

export interface Moment {
  at: number;
  active: number;
  idle: number;
  overdue: number;
  left: number;
}

/** How much of the hour is drawn while it fills, in seconds: the first of these that holds all of it. */
const SPANS = [300, 900, 1800, 3600];

export function spanOf({ samples }: Timeline): number {
  const known = (samples.at(-1)?.at ?? 0) - (samples[0]?.at ?? 0);
  return SPANS.find((span) => known <= span) ?? 3600;
}

/** uPlot's columns: times, active plus idle, active. */
export function columnsOf(timeline: Timeline): uPlot.AlignedData {
  const samples = timeline.samples.filter((s) => s.at !== null);
  return [samples.map((s) => s.at ?? 0), samples.map((s) => s.active + s.idle), samples.map((s) => s.active)];
}

function colours(element: HTMLElement) {
  const style = getComputedStyle(element);
  const of = (name: string) => style.getPropertyValue(name).trim();
  const alpha =
    style.colorScheme === "dark" || matchMedia("(prefers-color-scheme: dark)").matches ? "33" : "2e";
  return {
    active: of("--active"),
    idle: of("--idle"),
    overdue: of("--overdue"),
    edge: of("--edge"),
    activeFill: of("--active") + alpha,
    idleFill: of("--idle") + alpha,
  };
}

/** Draws into `element`, and tells `point` what lies under the pointer; null where it has left. */
export function draw(
  element: HTMLElement,
  timeline: () => Timeline,
  point: (m: Moment | null) => void,
): uPlot {
  const c = colours(element);
  const marks = (u: uPlot) => {
    const ctx = u.ctx;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.setLineDash([2 * ratio, 3 * ratio]);
    ctx.lineWidth = ratio;
    for (const sweep of timeline().sweeps) {
      const x = u.valToPos(sweep.at ?? 0, "x", true);
      if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) continue;
      ctx.strokeStyle = c.edge;
      ctx.beginPath();
      ctx.moveTo(x, u.bbox.top + 6 * ratio);
      ctx.lineTo(x, u.bbox.top + u.bbox.height);
      ctx.stroke();
      ctx.fillStyle = c.overdue;
      ctx.beginPath();
      ctx.arc(x, u.bbox.top + 4 * ratio, 3 * ratio, 0, 2 * Math.PI);
      ctx.fill();
    }
    ctx.restore();
  };
  const cursor = (u: uPlot) => {
    const index = u.cursor.idx;
    const sample = index === null || index === undefined ? undefined : timeline().samples[index];
    if (!sample || (u.cursor.left ?? -1) < 0) point(null);
    else point({ ...sample, at: sample.at ?? 0, left: u.cursor.left ?? 0 });
  };
  const path = { points: { show: false }, width: 1.5 };
  return new uPlot(
    {
      width: Math.max(1, element.clientWidth),
      height: Math.max(1, element.clientHeight),
      padding: [0, 0, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      scales: {
        x: { time: true, range: (_u, _min, max) => [max - spanOf(timeline()), max] },
        y: { range: (_u, _min, max) => [0, Math.max(4, max * 1.2)] },
      },
      axes: [{ show: false }, { show: false }],
      series: [
        {},
        { ...path, stroke: c.idle, fill: c.idleFill },
        { ...path, stroke: c.active, fill: c.activeFill },
      ],
      hooks: { draw: [marks], setCursor: [cursor] },
    },
    columnsOf(timeline()),
    element,
  );
}
