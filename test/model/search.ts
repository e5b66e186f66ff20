/**
 * Exhaustive breadth-first search: it finds the shortest way to a state that breaks an invariant, or proves
 * that there is none.
 */

export interface Model<S> {
  readonly initial: S;
  /** Equal for states that behave alike. */
  key(state: S): string;
  /** Every step that can come next. */
  next(state: S): Iterable<{ readonly name: string; readonly state: S }>;
  /** @returns the invariant that a state breaks, or undefined */
  broken(state: S): string | undefined;
}

export interface Found {
  readonly states: number;
  /** The steps to the first violation, and the violation; undefined if none is within reach. */
  readonly violation: { readonly broken: string; readonly steps: readonly string[] } | undefined;
}

/** @throws Error beyond `maxStates`: a search that was cut short proves nothing */
export function search<S>(model: Model<S>, maxStates = 2_000_000): Found {
  interface Node {
    readonly state: S;
    readonly step: string;
    readonly from: Node | undefined;
  }
  const seen = new Set([model.key(model.initial)]);
  const queue: Node[] = [{ state: model.initial, step: 'start', from: undefined }];
  for (let at = 0; at < queue.length; at++) {
    const node = queue[at]!;
    const broken = model.broken(node.state);
    if (broken !== undefined) {
      const steps: string[] = [];
      for (let n: Node | undefined = node; n; n = n.from) steps.unshift(n.step);
      return { states: seen.size, violation: { broken, steps } };
    }
    for (const { name, state } of model.next(node.state)) {
      const key = model.key(state);
      if (seen.has(key)) continue;
      seen.add(key);
      if (seen.size > maxStates) throw new Error(`more than ${maxStates} states`);
      queue.push({ state, step: name, from: node });
    }
  }
  return { states: seen.size, violation: undefined };
}
