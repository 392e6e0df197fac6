// The pages behind the table: what is asked, how often, and what moves when.
import { describe, expect, it, vi } from "vitest";
import { Fake } from "../src/lib/backend/fake";
import { PAGE, People } from "../src/lib/state/people.svelte";
import { settle } from "./window";

async function loaded(users = 1000) {
  const fake = new Fake({ users });
  const people = new People(fake);
  people.refresh();
  await settle();
  return { fake, people };
}
const asked = (fake: Fake) => fake.asked.filter((a) => a.what === "users");
const ids = (people: People, n = 10) => Array.from({ length: n }, (_, i) => people.row(i)?.id);

describe("pages", () => {
  it("asks for the page in sight, and for no more", async () => {
    const { fake, people } = await loaded();
    expect(asked(fake)).toHaveLength(1);
    people.want(480, 520);
    await settle();
    expect(asked(fake).map((a) => a.question?.offset)).toEqual([0, 450, 500]);
    expect(people.row(500)).toBeDefined();
    expect(people.row(300)).toBeUndefined();
    expect(asked(fake).every((a) => (a.question?.limit ?? 1e9) <= PAGE)).toBe(true);
  });

  it("asks again where the site was opened anew and its numbers begin again", async () => {
    const { fake, people } = await loaded();
    fake.revision = 40;
    people.hear(40);
    await settle(300);
    const before = asked(fake).length;
    fake.revision = 2;
    people.hear(2);
    await settle(300);
    expect(asked(fake)).toHaveLength(before + 1);
  });

  it("lets go of pages far out of sight, and asks for them again", async () => {
    const { fake, people } = await loaded(10_000);
    people.want(500, 520);
    await settle();
    expect(people.row(0)).toBeDefined();
    people.want(3000, 3020);
    await settle();
    expect(people.row(3000)).toBeDefined();
    expect(people.row(0)).toBeUndefined();
    people.want(0, 20);
    await settle();
    expect(people.row(0)).toBeDefined();
    expect(asked(fake).map((a) => a.question?.offset)).toEqual([0, 500, 3000, 0]);
  });

  it("asks for what comes next where somebody scrolls, and only then", async () => {
    const { fake, people } = await loaded(170);
    people.want(5, 25);
    await settle();
    expect(asked(fake).map((a) => a.question?.offset)).toEqual([0, 50, 100]);
    people.want(6, 26);
    people.want(40, 60);
    await settle(300);
    expect(asked(fake).map((a) => a.question?.offset)).toEqual([0, 50, 100, 150]);
    // No further than the list goes.
    people.want(80, 100);
    people.want(120, 140);
    people.want(130, 150);
    await settle(300);
    expect(asked(fake)).toHaveLength(4);
    // Nobody scrolls now: what is in sight is asked for, and no more.
    fake.moved();
    people.hear(fake.revision);
    await settle(300);
    expect(asked(fake).map((a) => a.question?.offset)).toEqual([0, 50, 100, 150, 100, 150]);
    // Upwards, after the picture moved.
    people.want(110, 130);
    await settle(300);
    expect(asked(fake).map((a) => a.question?.offset)).toEqual([0, 50, 100, 150, 100, 150, 0, 50]);
  });

  it("asks again when the picture moved, at most four times a second", async () => {
    const { fake, people } = await loaded();
    const before = asked(fake).length;
    for (let n = 0; n < 40; n++) {
      fake.moved();
      people.hear(fake.revision);
      await settle(25);
    }
    const more = asked(fake).length - before;
    expect(more).toBeGreaterThanOrEqual(3);
    expect(more).toBeLessThanOrEqual(5);
  });

  it("asks nothing for the same revision, and nothing while nobody can see it", async () => {
    const { fake, people } = await loaded();
    const before = asked(fake).length;
    people.hear(fake.revision);
    await settle();
    expect(asked(fake)).toHaveLength(before);
    const hidden = vi.spyOn(document, "hidden", "get").mockReturnValue(true);
    fake.moved();
    people.hear(fake.revision);
    await settle();
    expect(asked(fake)).toHaveLength(before);
    hidden.mockReturnValue(false);
    people.refresh();
    await settle();
    expect(asked(fake)).toHaveLength(before + 1);
    hidden.mockRestore();
  });

  it("shows the answer to the last question, whatever comes late", async () => {
    const { fake, people } = await loaded();
    const real = fake.users;
    let slow: (() => void) | undefined;
    fake.users = async (q) => {
      if (q.search === "a") await new Promise<void>((done) => (slow = done));
      return real(q);
    };
    people.setSearch("a");
    await settle(300);
    people.setSearch("王小明");
    slow?.();
    await settle();
    expect(people.total).toBeGreaterThan(0);
    expect(people.row(0)?.username).toBe("王小明");
  });

  it("keeps what it shows when a question fails, and says so", async () => {
    const { fake, people } = await loaded();
    const before = ids(people);
    fake.users = () => Promise.reject(new Error("gone"));
    fake.moved();
    people.hear(fake.revision);
    await settle();
    expect(ids(people)).toEqual(before);
    expect(people.failure?.message).toBe("gone");
  });
});

describe("order under the pointer", () => {
  it("waits, while contents move on; the button or leaving takes it", async () => {
    const { fake, people } = await loaded(30);
    const before = ids(people);
    people.hold(true);
    const third = fake.population.people.find((p) => p.id === before[2]);
    const last = fake.population.people.find((p) => p.id === people.row(20)?.id);
    if (!third || !last) throw new Error("the fake has changed");
    last.seen = fake.now + 1;
    third.sessions.push(fake.population.session(fake.now));
    fake.moved();
    people.hear(fake.revision);
    await settle();
    expect(ids(people)).toEqual(before);
    expect(people.changes).toBe(1);
    expect(people.row(2)?.sessions).toBe(third.sessions.length);
    people.apply();
    expect(ids(people)[0]).toBe(last.id);
    expect(people.changes).toBe(0);
  });

  it("is not said to wait for rows that nobody sees", async () => {
    const { fake, people } = await loaded(170);
    people.want(10, 30);
    await settle(300);
    people.hold(true);
    const hidden = fake.population.people.find((p) => p.id === people.row(60)?.id);
    const last = fake.population.people.find((p) => p.id === people.row(90)?.id);
    if (!hidden || !last) throw new Error("the fake has changed");
    // Two of the second page, which comes along where somebody scrolls towards it, change places.
    [hidden.seen, last.seen] = [last.seen, hidden.seen];
    fake.moved();
    people.hear(fake.revision);
    await settle(300);
    expect(people.row(60)?.id).toBe(hidden.id);
    people.want(11, 31);
    await settle(300);
    expect(people.row(60)?.id).toBe(last.id);
    expect(people.changes).toBe(0);
  });

  it("comes by itself once the pointer has left", async () => {
    const { fake, people } = await loaded(30);
    people.hold(true);
    const last = fake.population.people.find((p) => p.id === people.row(20)?.id);
    if (last) last.seen = fake.now + 1;
    fake.moved();
    people.hear(fake.revision);
    await settle();
    expect(people.row(0)?.id).not.toBe(last?.id);
    people.hold(false);
    expect(people.row(0)?.id).toBe(last?.id);
  });
});
