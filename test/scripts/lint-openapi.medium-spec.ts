import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Json } from '../../scripts/types.js';

const ROOT = join(import.meta.dirname, '../..');

/** One fault each: the rule that must name it, and what does it to the document. */
const FAULTS: [rule: string, break_: (document: Json) => void][] = [
  [
    'operation-operationId-unique',
    ({ paths }) => {
      paths['/v1/ApiKeys'].get.operationId = 'listApps';
    },
  ],
  [
    'path-parameters-defined',
    ({ paths }) => {
      paths['/v1/PushNotifications/Apps/{appName}'].get.parameters = [];
    },
  ],
  [
    'no-unresolved-refs',
    ({ components }) => {
      components.schemas.AppList.properties.apps.items.$ref = '#/components/schemas/Nowhere';
    },
  ],
  [
    'struct',
    ({ paths }) => {
      delete paths['/v1/ApiKeys'].get.responses['200'].description;
    },
  ],
  [
    'operation-tag-defined',
    ({ paths }) => {
      paths['/v1/ApiKeys'].get.tags = ['Unheard of'];
    },
  ],
];

describe('the lint of openapi.json', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'fanfare-openapi-'));
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(FAULTS)('finds a fault that %s is about', (rule, break_) => {
    const document = JSON.parse(readFileSync(join(ROOT, 'openapi.json'), 'utf8'));
    break_(document);
    const path = join(folder, `${rule}.json`);
    writeFileSync(path, JSON.stringify(document));
    const { status, stdout } = spawnSync(
      process.execPath,
      [join(ROOT, 'scripts/lint-openapi.js'), path],
      { encoding: 'utf8' },
    );
    expect(stdout).toContain(rule);
    expect(status).toBe(1);
  });
});
