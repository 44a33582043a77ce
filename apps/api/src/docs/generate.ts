import { writeFile } from 'node:fs/promises';
import { committedDocs } from './committed-docs.js';

// After a change: nest build api && node dist/apps/api/src/docs/generate.js
for (const [path, text] of Object.entries(await committedDocs())) await writeFile(path, text);
