import type { Uuid } from './ids.js';

/** What a caller may do: hand over pushes, look, or change everything else. */
export const SCOPES = ['send', 'read', 'manage'] as const;
export type Scope = (typeof SCOPES)[number];

/** A key of an account: its secret is shown once and kept only as a hash. */
export interface ApiKey {
  id: Uuid;
  name: string;
  scopes: Scope[];
  createdAt: Date;
}
