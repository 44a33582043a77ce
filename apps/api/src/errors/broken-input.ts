import { InvalidRequest } from '@app/domain';

/** A part of the request breaks its schema; the others have not been heard yet. */
export class BrokenInput extends InvalidRequest {}
