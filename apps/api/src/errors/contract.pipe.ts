import { StandardSchemaValidationPipe } from '@nestjs/common';
import { BrokenInput } from './broken-input.js';
import { faultsOf } from './faults.js';

/** Checks each parameter against the schema that its decorator names. */
export class ContractPipe extends StandardSchemaValidationPipe {
  constructor() {
    super({ exceptionFactory: (issues) => new BrokenInput(faultsOf(issues)) });
  }

  /**
   * Nest would silently delete `constructor` and `prototype`, which are fine names for a template's
   * variable. Fastify's JSON parser refuses what could pollute a prototype.
   */
  protected override stripProtoKeys(): void {}
}
