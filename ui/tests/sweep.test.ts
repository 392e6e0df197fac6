// The sweep's card, its preview and its guard; the policy in place; the journal after it.
import { screen, within } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import { button, count, openWindow, settle } from "./window";

const asked = (fake: { asked: { what: string }[] }) => fake.asked.map((a) => a.what);

describe("the sweep's card", () => {
  it("counts down to the next, and shows what the last one did", async () => {
    const { fake } = await openWindow({ users: 12 });
    expect(screen.getByTestId("next-sweep").textContent).toMatch(/^3:1[12]$/);
    await settle(10_000);
    expect(screen.getByTestId("next-sweep").textContent).toMatch(/^3:0[12]$/);
    fake.tell({ kind: "settings" });
    screen.getByText(/signed out 4 people, 7 sessions, verified/);
  });

  it("switches the timer", async () => {
    const { fake, user } = await openWindow({ users: 12 });
    await user.click(screen.getByRole("switch", { name: "Automatic sweep" }));
    await settle();
    expect(fake.automatic).toBe(false);
    expect(screen.getByTestId("next-sweep").textContent).toBe("off");
  });

  it("previews who, why and how many, and touches nothing", async () => {
    const { fake, user } = await openWindow({ users: 40 });
    const before = fake.population.people.length;
    await user.click(button("Preview sweep"));
    await settle();
    const dialog = screen.getByRole("dialog");
    expect(within(dialog).getByRole("table").textContent).toMatch(/idle \d+ (min|h)/);
    button(/^Sign out \d+ (person|people), \d+ sessions?$/, dialog);
    expect(fake.population.people).toHaveLength(before);
    await user.click(button("Close", dialog));
    await settle();
    expect(asked(fake)).not.toContain("sweep");
  });

  it("sweeps now", async () => {
    const { fake, user } = await openWindow({ users: 40 });
    await user.click(button("Sweep now"));
    await settle();
    expect(asked(fake)).toContain("sweep");
    expect(Number(count("overdue"))).toBe(
      fake.population.people.filter((p) => fake.population.state(p, fake.now, fake.policy) === "overdue")
        .length,
    );
    expect(fake.entries[0]?.deed).toBe("sweep");
  });

  it("offers no consent where the evidence is not proven", async () => {
    const { fake, user } = await openWindow({ users: 40 });
    const plan = fake.previewSweep.bind(fake);
    const held = "Curfew is still learning how often this site records activity";
    fake.previewSweep = async () => ({ ...(await plan()), held, held_code: "learning" });
    await user.click(button("Preview sweep"));
    await settle();
    const dialog = screen.getByRole("dialog");
    expect(dialog.textContent).toContain(held);
    expect(button(/^Sign out/, dialog)).toHaveProperty("disabled", true);
    await user.click(button(/^Sign out/, dialog));
    await settle();
    expect(asked(fake)).not.toContain("sweep");
  });

  it("asks first where unusually many would go, and goes on only with consent", async () => {
    const { fake, user } = await openWindow({ users: 300 });
    fake.policy = { ...fake.policy, sign_out_after: 301 };
    const before = fake.population.people.length;
    await user.click(button("Sweep now"));
    await settle();
    const dialog = screen.getByRole("dialog");
    expect(dialog.textContent).toContain("more than half");
    expect(fake.population.people).toHaveLength(before);
    await user.click(button(/all the same$/, dialog));
    await settle();
    expect(fake.population.people.length).toBeLessThan(before);
    expect(screen.getByRole("dialog").textContent).toContain("verified");
  });
});

describe("the policy in place", () => {
  it("is saved as one, and refuses what makes no sense", async () => {
    const { fake, user } = await openWindow({ users: 12 });
    await user.click(button("Sweep settings"));
    await settle();
    const idle = screen.getByLabelText("Idle after");
    await user.clear(idle);
    await user.type(idle, "1h");
    await settle();
    expect((button("Save policy") as HTMLButtonElement).disabled).toBe(true);
    screen.getByText("Signing out comes after idle: make it longer.");
    await user.clear(idle);
    await user.type(idle, "10 min");
    await user.click(screen.getByRole("checkbox", { name: "Staff" }));
    await user.click(button("Save policy"));
    await settle();
    expect(fake.policy.idle_after).toBe(600);
    expect(fake.policy.exempt_staff).toBe(true);
    expect(fake.policy.max_share).toBe(0.5);
    expect(screen.queryByRole("button", { name: "Save policy" })).toBeNull();
  });
});

describe("the journal", () => {
  it("puts intent and outcome together, and says that the chain holds", async () => {
    const { user } = await openWindow({ users: 40 });
    await user.click(button("Journal"));
    await settle();
    screen.getByText("The chain holds, 23 lines");
    expect(within(screen.getByRole("table")).getAllByRole("row")).toHaveLength(13);
    screen.getByText("no outcome written");
    screen.getByText("not verified: the cache did not answer", { exact: false });
  });

  it("says where the chain breaks", async () => {
    const { user } = await openWindow({ users: 40, journalFault: "Line 12 was changed." });
    await user.click(button("Journal"));
    await settle();
    expect(screen.getByRole("alert").textContent).toContain("Line 12 was changed.");
  });

  it("lists sweeps alone under Sweeps", async () => {
    const { user } = await openWindow({ users: 40 });
    await user.click(button("Sweeps"));
    await settle();
    expect(screen.getByRole("table").textContent).not.toContain("Logout");
  });
});
