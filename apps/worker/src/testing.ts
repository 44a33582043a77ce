import type { PushSettlement } from '@app/persistence';
import { settlementOf } from '../../../libs/persistence/src/testing-settlement.js';

const CLAIM = { id: 'push', operationId: 'operation', credentialId: 'c', lease: 1 };

/** A push that was sent, as its settlement is committed. */
export const settlement = (over: Partial<PushSettlement> = {}): PushSettlement =>
  settlementOf(CLAIM, over);
