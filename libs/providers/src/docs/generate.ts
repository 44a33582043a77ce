import { writeFile } from 'node:fs/promises';
import { providersPage } from './providers-page.js';

// After a change of a table: npm run docs:providers
await writeFile('docs/providers.md', providersPage());
