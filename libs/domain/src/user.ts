import type { Uuid } from './ids.js';

/** Whom devices belong to; made by registering one. */
export interface User {
  id: Uuid;
  createdAt: Date;
  updatedAt: Date;
  /** A deleted user has no devices and takes none. */
  deletedAt: Date | null;
}
