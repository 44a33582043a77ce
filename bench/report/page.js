/** Writes what was measured between its markers in docs/performance.md and leaves the rest alone. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../scripts/setup.js';
import { sectionsOf } from './sections.js';

/** @import { BenchFigures } from '../types.js' */

export const PERFORMANCE_FILE = join(ROOT, 'docs/performance.md');

/** @param {string} file @param {BenchFigures} figures */
export function writeReport(file, figures) {
  writeFileSync(file, filledIn(readFileSync(file, 'utf8'), figures));
}

/**
 * @param {string} page
 * @param {BenchFigures} figures
 * @returns {string}
 * @throws when a section has no place in the page
 */
export function filledIn(page, figures) {
  let filled = page;
  for (const [name, text] of Object.entries(sectionsOf(figures))) {
    const [begin, end] = [`<!-- begin ${name} -->`, `<!-- end ${name} -->`];
    const from = filled.indexOf(begin);
    const to = filled.indexOf(end);
    if (from < 0 || to < from) throw new Error(`The page has no place for ${name}.`);
    filled = `${filled.slice(0, from + begin.length)}\n\n${text}\n\n${filled.slice(to)}`;
  }
  return filled;
}
