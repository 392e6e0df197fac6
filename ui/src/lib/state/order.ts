// How much one order of people differs from another. Pure.

/** The length of the longest run of rising numbers, others left out. */
function rising(numbers: number[]): number {
  const ends: number[] = [];
  for (const n of numbers) {
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ends[middle] ?? 0) < n) low = middle + 1;
      else high = middle;
    }
    ends[low] = n;
  }
  return ends.length;
}

/** Whoever comes, goes or changes places between two lists of ids: one insertion is one change. */
export function changesBetween(before: readonly string[], after: readonly string[]): number {
  const was = new Map(before.map((id, place) => [id, place]));
  const stay = after.flatMap((id) => was.get(id) ?? []);
  const come = after.length - stay.length;
  const go = before.length - stay.length;
  return Math.max(come, go) + stay.length - rising(stay);
}
