// Other ways in, in a user's panel: impersonation and API tokens.
import { screen, within } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import { Fake } from "../src/lib/backend/fake";
import { names, openWindow, row, settle } from "./window";

const panel = (name: string) => screen.getByRole("complementary", { name: `User ${name}` });

async function opened(options: Parameters<typeof openWindow>[0], which = 0) {
  const window = await openWindow(options);
  const name = names()[which] ?? "";
  await window.user.click(row(name));
  await settle();
  return { ...window, name };
}

describe("a user's panel", () => {
  it("says who acts as the user, and in which session", async () => {
    const { people } = new Fake({ users: 12 }).population;
    const name = people.find((one) => one.sessions.length > 0)?.username ?? "";
    const { user } = await openWindow({ users: 12, impersonated: name });
    await user.click(row(name));
    await settle();
    const said = within(panel(name)).getAllByText(/^Impersonation:/);
    expect(said.length).toBeGreaterThan(1);
    for (const line of said)
      expect(line.textContent.replace(/\s+/g, " ").trim()).toBe(`Impersonation: root as ${name}`);
  });

  it("says how many API tokens there are", async () => {
    const { name } = await opened({ users: 12, tokens: 3 });
    expect(panel(name).textContent).toContain(`${name} also has 3 API tokens, not revoked`);
  });

  it("says nothing of tokens where there are none", async () => {
    const { name } = await opened({ users: 12, tokens: 0 });
    expect(panel(name).textContent).not.toContain("API tokens");
  });
});
