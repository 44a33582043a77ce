import { AppName } from '@app/contract';
import { NotFound, parseId } from '@app/domain';
import type { IdKind, Uuid } from '@app/domain';

/** @throws NotFound when the text is no id of this kind: it looks like an unknown one. */
export function idFromPath(kind: IdKind, text: string): Uuid {
  return parseId(kind, text) ?? notFound();
}

/** For a resource that does not exist, or not in this account. */
export function notFound(): never {
  throw new NotFound('There is no such resource.');
}

/** @throws NotFound when the text is no name of an App: it looks like an unknown one. */
export function appNameFromPath(text: string): string {
  const { success, data } = AppName.safeParse(text);
  return success ? data : notFound();
}
