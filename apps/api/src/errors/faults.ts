import { MAX_FAULTS } from '@app/contract';
import type { Fault } from '@app/domain';
import { jsonPath } from './json-path.js';

type Segment = PropertyKey | { readonly key: PropertyKey };

/** An issue of the Standard Schema, with what Zod adds to it. */
interface Issue {
  readonly message: string;
  readonly path?: readonly Segment[] | undefined;
  readonly code?: string;
  /** `unrecognized_keys`: the keys. */
  readonly keys?: readonly string[];
  /** `invalid_union`: the issues of each alternative, their paths relative to it. */
  readonly errors?: readonly (readonly Issue[])[];
}

/**
 * Validation issues as faults of the contract, at most 100: each unknown field is one, and of the
 * alternatives of a union only the nearest one speaks. The work ends with the last fault taken.
 */
export function faultsOf(issues: readonly Issue[]): Fault[] {
  const faults: Fault[] = [];
  collect(issues, [], faults);
  return faults;
}

function collect(issues: readonly Issue[], base: readonly PropertyKey[], faults: Fault[]): void {
  for (const issue of issues) {
    if (faults.length >= MAX_FAULTS) return;
    const path = [...base, ...(issue.path ?? []).map(keyOf)];
    if (issue.code === 'unrecognized_keys' && issue.keys !== undefined) {
      for (const key of issue.keys.slice(0, MAX_FAULTS - faults.length)) {
        faults.push({ message: issue.message, context: jsonPath([...path, key]) });
      }
    } else if (issue.code === 'invalid_union' && issue.errors?.length) {
      collect(nearest(issue.errors), path, faults);
    } else {
      faults.push({ message: issue.message, context: jsonPath(path) });
    }
  }
}

function keyOf(segment: Segment): PropertyKey {
  return typeof segment === 'object' ? segment.key : segment;
}

/** The alternative that knows most of the fields given; the first of several. */
function nearest(alternatives: readonly (readonly Issue[])[]): readonly Issue[] {
  const [first = [], ...others] = alternatives;
  const unknown = (issues: readonly Issue[]) =>
    issues.reduce((sum, { keys }) => sum + (keys?.length ?? 0), 0);
  return others.reduce((best, issues) => (unknown(issues) < unknown(best) ? issues : best), first);
}
