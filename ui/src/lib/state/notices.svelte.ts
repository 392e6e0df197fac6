// Notices inside the window: what no notification daemon took, and what a setting answered.
import { Failure, type NoticeEvent, type Person } from "../backend";

const STAYS = 10_000;
const MOST = 3;

export interface Notice {
  id: number;
  title: string;
  body: string;
  people: Person[];
  /** Something failed: it stays until it is closed. */
  bad: boolean;
}

export class Notices {
  list = $state.raw<Notice[]>([]);
  #next = 1;
  #timers = new Map<number, ReturnType<typeof setTimeout>>();

  add({ title, body, people }: NoticeEvent, bad = false): void {
    const notice = { id: this.#next++, title, body, people, bad };
    this.list = [...this.list, notice].slice(-MOST);
    if (!bad) this.start(notice.id);
  }

  fail(title: string, reason: unknown): void {
    this.add({ title, body: Failure.of(reason).message, people: [] }, true);
  }

  start(id: number): void {
    this.#timers.set(
      id,
      setTimeout(() => this.close(id), STAYS),
    );
  }

  /** Whoever reads a notice keeps it. */
  wait(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
  }

  close(id: number): void {
    this.wait(id);
    this.list = this.list.filter((n) => n.id !== id);
  }
}
