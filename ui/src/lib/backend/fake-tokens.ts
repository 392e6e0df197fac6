// API tokens on the fake site: everybody has as many as the options say.
import type { FakeSite } from "./fake-site";
import type { Somebody } from "./population";
import type { TokensView } from "./types";

/** Users whose tokens were revoked. */
const revoked = new WeakMap<FakeSite, Set<string>>();

export function tokensOf(site: FakeSite, one: Somebody, asked: boolean): TokensView | null {
  const most = site.options.tokens;
  if (most === undefined) return null;
  const done = revoked.get(site) ?? new Set<string>();
  revoked.set(site, done);
  const found = done.has(one.id) ? 0 : most;
  if (asked) done.add(one.id);
  const left = asked ? 0 : found;
  const said = asked
    ? `${found} API tokens of ${one.username} revoked.`
    : `${one.username} also has ${found} API tokens, not revoked: authtoken_token ${found}.`;
  return {
    found,
    revoked: found - left,
    left,
    tables:
      found === 0
        ? []
        : [
            {
              kind: "drf",
              table: "authtoken_token",
              found,
              revoked: found - left,
              left,
              until: null,
              why: null,
            },
          ],
    unchecked: [],
    asked,
    complete: true,
    detail: found === 0 ? "" : said,
  };
}
