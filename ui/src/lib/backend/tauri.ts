// The one door to Tauri. It turns the generated results into answers and Failures, and holds nothing.
import { isTauri } from "@tauri-apps/api/core";
import { commands, events } from "../bindings";
import type { Error as EngineError } from "../bindings";
import { type Backend, Failure } from "./types";

type Result<T> = { status: "ok"; data: T } | { status: "error"; error: EngineError };

async function answer<T>(asked: Promise<Result<T>>): Promise<T> {
  let result: Result<T>;
  try {
    result = await asked;
  } catch (reason) {
    throw Failure.of(reason);
  }
  if (result.status === "ok") return result.data;
  // Tauri itself refuses with a bare string: an unknown command, an argument that does not parse.
  const error: unknown = result.error;
  if (typeof error === "object" && error !== null && "code" in error) {
    throw new Failure(result.error.code, result.error.message);
  }
  throw Failure.of(error);
}

export const inTauri = isTauri;

export const tauri: Backend = {
  sites: () => answer(commands.sites()),
  openSite: (name) => answer(commands.openSite(name)),
  addSite: (name, url, secretKey, stated) => answer(commands.addSite(name, url, secretKey, stated)),
  testSite: (url, secretKey, stated) => answer(commands.testSite(url, secretKey, stated)),
  askProject: (manage, python) => answer(commands.askProject(manage, python)),
  addProject: (name) => answer(commands.addProject(name)),
  site: () => answer(commands.site()),
  users: (question) => answer(commands.users(question)),
  user: (id) => answer(commands.user(id)),
  logout: (ids, fingerprint, reason, consent, tokens) =>
    answer(commands.logout(ids, fingerprint, reason, consent, tokens)),
  unreadable: () => answer(commands.unreadable()),
  logoutUnreadable: (fingerprint, reason) => answer(commands.logoutUnreadable(fingerprint, reason)),
  suspend: (id, reason, consent) => answer(commands.suspend(id, reason, consent)),
  allowAgain: (id, reason) => answer(commands.allowAgain(id, reason)),
  lookup: (name) => answer(commands.lookup(name)),
  previewSweep: () => answer(commands.previewSweep()),
  sweep: (force) => answer(commands.sweep(force)),
  setAutomatic: (on) => answer(commands.setAutomatic(on)),
  setArmed: (on) => answer(commands.setArmed(on)),
  setPolicy: (policy) => answer(commands.setPolicy(policy)),
  setNotices: (rules) => answer(commands.setNotices(rules)),
  journal: (limit) => answer(commands.journal(limit)),
  timeline: () => answer(commands.timeline()),
  autostart: () => answer(commands.autostart()),
  setAutostart: (on) => answer(commands.setAutostart(on)),
  painted: async () => {
    await answer(commands.painted());
  },
  listen: async (hearing) => {
    const stops = await Promise.all([
      events.siteEvent.listen(({ payload }) => hearing.event(payload)),
      events.noticeEvent.listen(({ payload }) => hearing.notice(payload)),
      events.showUser.listen(({ payload }) => hearing.show(payload)),
    ]);
    return () => stops.forEach((stop) => stop());
  },
};
