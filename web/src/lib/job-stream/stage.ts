/** What a run is at, in words that stand beside its state. */

/** Nothing where it says no more than the state: models that have one stage alone call it `running`. */
export function stageBeside(state: string, stage: string | undefined): string | undefined {
  return stage?.toLowerCase() === state.toLowerCase() ? undefined : stage;
}
