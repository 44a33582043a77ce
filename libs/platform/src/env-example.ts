import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { environment, variableDocs } from './config-schema.js';
import type { VariableName } from './config-schema.js';

/** The text of `.env.example`: every variable with its meaning, unit and default. */
export function envExample(): string {
  const lines = [
    '# Configuration of api and worker, generated from libs/platform/src/config-schema.ts.',
    '# Each line shows the default; a variable without one is empty or required. Fanfare reads its',
    '# environment and no file; docker-compose.yml hands on only the variables that it names.',
  ];
  let section = '';
  for (const name of Object.keys(environment.shape) as VariableName[]) {
    const doc = variableDocs.get(environment.shape[name]);
    if (doc === undefined) throw new Error(`${name} is not documented.`);
    if (doc.section !== section) {
      section = doc.section;
      lines.push('', `# == ${section} ==`);
    }
    lines.push('', ...wrap(doc.description).map((line) => `# ${line}`));
    if (doc.unit !== undefined) lines.push(`# Unit: ${doc.unit}.`);
    if (doc.example !== undefined) lines.push(`# Example: ${doc.example}`);
    lines.push(`#${name}=${doc.default ?? ''}`);
  }
  return `${lines.join('\n')}\n`;
}

function wrap(text: string, width = 96): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

// `node dist/libs/platform/src/env-example.js > .env.example`
if (process.argv[1] !== undefined && isThisFile(process.argv[1])) {
  process.stdout.write(envExample());
}

function isThisFile(path: string): boolean {
  try {
    return realpathSync(path) === fileURLToPath(import.meta.url);
  } catch {
    return false;
  }
}
