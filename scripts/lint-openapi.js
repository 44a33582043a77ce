/**
 * Lints the committed OpenAPI document with Redocly's rules: `node scripts/lint-openapi.js [path]`.
 * Exit code 1 and every problem with its place when there is one.
 */
import { join } from 'node:path';
import { createConfig, lint } from '@redocly/openapi-core';
import { print } from './sentence.js';
import { ROOT } from './setup.js';

/** Warnings count as well; what is off is off for a reason. */
const RULES = {
  // The public contract has `/{pushNotificationId}/Redrive` beside `/Operations/{operationId}`: fixed paths win.
  'no-ambiguous-paths': 'off',
  // Contract tests hold every answer against the document; the probes have no 4xx.
  'operation-4xx-response': 'off',
  'no-invalid-schema-examples': 'error',
  'no-invalid-parameter-examples': 'error',
  'no-required-schema-properties-undefined': 'error',
  'no-schema-type-mismatch': 'error',
  'path-excludes-patterns': { severity: 'error', patterns: ['//', '/$'] },
  'tag-description': 'error',
  'operation-tag-defined': 'error',
  'operation-singular-tag': 'error',
  'component-name-unique': 'error',
};

const problems = await lint({
  ref: process.argv[2] ?? join(ROOT, 'openapi.json'),
  config: await createConfig({
    extends: ['recommended-strict'],
    rules: /** @type {never} */ (RULES),
  }),
});
for (const { ruleId, message, location } of problems) {
  print(`${location[0]?.pointer ?? ''} ${ruleId}: ${message}`);
}
process.exitCode = problems.length > 0 ? 1 : 0;
