// The fake site's rows in the order asked for.
import type { FakeSite } from "./fake-site";
import type { Question, UserView } from "./types";

const rank = { active: 0, idle: 1, overdue: 2, stale: 4, unknown: 3 } as const;

export function sorted(site: FakeSite, { filter, search, sort, descending }: Question): UserView[] {
  const needle = search.trim().toLocaleLowerCase();
  const rows = site.population.people
    .map((p) => site.row(p))
    .filter(
      (r) => filter === "everyone" || (filter === "signed_in" ? r.state !== "stale" : r.state === filter),
    )
    .filter((r) => [r.username, r.name, r.email, r.id].some((t) => t?.toLocaleLowerCase().includes(needle)));
  const of = (r: UserView): string | number => {
    if (sort === "username") return r.username;
    if (sort === "email") return r.email ?? "\uffff";
    if (sort === "sessions") return r.sessions;
    if (sort === "state") return rank[r.state];
    if (sort === "role") return r.superuser ? 0 : r.staff ? 1 : 2;
    if (sort === "evidence") return r.evidence ?? "\uffff";
    return r.state === "stale" ? 1e9 : (r.idle_seconds ?? 1e8);
  };
  const way = descending ? -1 : 1;
  return rows.sort((a, b) => {
    const [x, y] = [of(a), of(b)];
    return x < y ? -way : x > y ? way : Number(a.id) - Number(b.id);
  });
}
