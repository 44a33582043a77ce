/** Is what package-lock.json wants what node_modules holds? Answered from npm's own record, in milliseconds. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** @typedef {{ version?: string, integrity?: string, optional?: boolean, link?: boolean, os?: string | string[], cpu?: string | string[], libc?: string[] }} Entry */

/**
 * npm writes `node_modules/.package-lock.json` last, so that a broken-off install has none. A platform's
 * optional package counts on that platform: npm goes on without a word when it cannot be downloaded.
 * @param {string} root
 * @param {{ platform: string, arch: string }} [system]
 * @returns {boolean}
 */
export function isInstalled(root, system = { platform: process.platform, arch: process.arch }) {
  const wanted = packages(join(root, 'package-lock.json'));
  const present = packages(join(root, 'node_modules', '.package-lock.json'));
  if (wanted === undefined || present === undefined) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '' || entry.link) return true;
    const found = present[path];
    if (found === undefined) return entry.optional === true && !isFor(entry, system);
    return found.version === entry.version && found.integrity === entry.integrity;
  });
}

/**
 * Made for this very system? A package that names none, or a C library besides, may be left out rightly.
 * @param {Entry} entry @param {{ platform: string, arch: string }} system
 */
const isFor = ({ os, cpu, libc }, { platform, arch }) =>
  libc === undefined && [os ?? []].flat().includes(platform) && [cpu ?? []].flat().includes(arch);

/** @param {string} file @returns {Record<string, Entry> | undefined} */
function packages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}
