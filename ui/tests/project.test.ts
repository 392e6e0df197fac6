// A site from its Django project: asked, shown, added; each fault said where it belongs.
import { screen, within } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import { button, openWindow, rows, settle } from "./window";

async function opened() {
  const window = await openWindow({ users: 12, firstRun: true });
  await window.user.click(button("Connect a site…"));
  await settle();
  await window.user.click(screen.getByRole("tab", { name: "From a Django project" }));
  await settle();
  return window;
}
const manage = () => screen.getByLabelText("The project's manage.py");

describe("from a Django project", () => {
  it("asks, shows what it took and from where, and adds the site view-only", async () => {
    const { fake, user } = await opened();
    expect((button("Ask the project") as HTMLButtonElement).disabled).toBe(true);
    await user.type(manage(), "/srv/shop/manage.py{Enter}");
    await settle();
    const table = screen.getByRole("table", { name: "What it took" });
    expect(within(table).getByText("CACHES['sessions']")).toBeTruthy();
    expect(table.textContent).toContain("known, kept in the keychain");
    expect(screen.getByRole("list", { name: "Notes" }).textContent).toContain("KEY_FUNCTION");
    expect((screen.getByLabelText("Name") as HTMLInputElement).value).toBe("shop");
    expect(fake.asked.map((a) => a.what)).not.toContain("addProject");
    await user.click(button("Add site"));
    await settle(1500);
    expect(rows()).toHaveLength(12);
    expect(screen.getByRole("switch", { name: "Allow changes" }).getAttribute("aria-checked")).toBe("false");
  });

  it("says at the field what is wrong with the project", async () => {
    const { user } = await opened();
    await user.type(manage(), "/srv/nothing{Enter}");
    await settle();
    expect(screen.getByRole("alert").textContent).toContain("has no manage.py");
    expect(manage().getAttribute("aria-invalid")).toBe("true");
    expect(screen.queryByRole("table")).toBeNull();
  });

  it("does not add what was taken from another project than the one named now", async () => {
    const { user } = await opened();
    await user.type(manage(), "/srv/shop/manage.py{Enter}");
    await settle();
    await user.type(manage(), "2");
    await settle();
    expect(screen.queryByRole("button", { name: "Add site" })).toBeNull();
  });

  it("says at the name that it is taken, and keeps what was asked", async () => {
    const { user } = await opened();
    await user.type(manage(), "/srv/shop/manage.py{Enter}");
    await settle();
    const name = screen.getByLabelText("Name");
    await user.clear(name);
    await user.type(name, "Staging{Enter}");
    await settle();
    expect(document.body.textContent).toContain("is configured already");
    expect(name.getAttribute("aria-invalid")).toBe("true");
    screen.getByRole("table", { name: "What it took" });
  });
});
